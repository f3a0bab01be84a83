"""Where a run's rows come from: batches that train, rows that do not, and who judges them."""

from pathlib import Path
from typing import Protocol

from torch import Generator, Tensor

from mine_cli.data.digits import read
from mine_cli.data.images import LabelledImages
from mine_cli.data.samples import Pool, Verdict
from mine_cli.errors import BadInput
from mine_cli.networks.classifier import ACCURATE, load_classifier
from mine_cli.tasks.protocol import JudgedSamples, Samples
from mine_cli.training.task import State

__all__ = ["Images", "Points", "Source", "source_of"]

Labelled = tuple[Tensor, Tensor | None]
"""Rows and, where anybody knows them, the mode or class of each."""


class Source(Protocol):
    """What a run trains and is judged on."""

    shape: tuple[int, ...]
    true_histogram: Tensor | None

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws a batch of training rows, float32, on the generator's device."""

    def held_out(self, n: int, generator: Generator) -> Labelled:
        """Returns up to n rows that do not train, the same for a generator of the same seed."""

    def known(self, n: int, generator: Generator) -> Labelled:
        """Returns up to n training rows, among which neighbours are looked for."""

    def judge(self, x: Tensor) -> Verdict | None:
        """Returns the mode of each sample; None where nobody can tell."""

    def state_dict(self) -> State:
        """Returns what is needed to go on with the same batches."""

    def load_state_dict(self, state: State) -> None:
        """Takes back what `state_dict` gave."""


class Stateless:
    """A source whose batches depend on the caller's random stream alone."""

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None:
        """Does nothing: the generator holds the whole state."""


class Points(Stateless):
    """A sampler, such as a mixture in the plane: held-out rows are fresh draws of its law.

    Of a data set of one's own that has no ``fresh(n, generator)`` they are further draws.
    """

    def __init__(self, dataset: Samples) -> None:
        self.dataset = dataset
        few = dataset.draw(2, Generator().manual_seed(0))
        self.shape = tuple(few.shape[1:])
        self.true_histogram: Tensor | None = None
        if isinstance(dataset, JudgedSamples):
            self.true_histogram = dataset.true_histogram

    def draw(self, n: int, generator: Generator) -> Tensor:
        return self.dataset.draw(n, generator)

    def held_out(self, n: int, generator: Generator) -> Labelled:
        return self._labelled(getattr(self.dataset, "fresh", self.dataset.draw)(n, generator))

    def known(self, n: int, generator: Generator) -> Labelled:
        return self._labelled(self.dataset.draw(n, generator))

    def judge(self, x: Tensor) -> Verdict | None:
        return self.dataset.judge(x) if isinstance(self.dataset, JudgedSamples) else None

    def _labelled(self, x: Tensor) -> Labelled:
        verdict = self.judge(x)
        return x, None if verdict is None else verdict.mode


class Images(Stateless):
    """MNIST or Fashion-MNIST: 60,000 images train, 10,000 do not; a classifier judges.

    Arguments:
        dataset: The images.
        classifier: File of a classifier of them.

    Raises:
        BadInput: there is no such classifier, or it is not accurate enough.
    """

    def __init__(self, dataset: LabelledImages, classifier: Path) -> None:
        self.classifier = load_classifier(classifier, dataset.name)
        if self.classifier.accuracy < ACCURATE[dataset.name]:
            raise BadInput(
                f"task.classifier={classifier}: reads {self.classifier.accuracy:.1%} of the test "
                f"images of {dataset.name} right: want at least {ACCURATE[dataset.name]:.0%}; "
                "train it anew: mine-run task=classifier"
            )
        if dataset.permute:
            raise BadInput(
                "dataset.permute=true: the classifier that judges reads no permuted image; leave "
                "it out"
            )
        self.rows = dataset.labelled()
        self.shape = tuple(self.rows.x.shape[1:])
        counts = self.rows.y.bincount(minlength=self.rows.num_classes).double()
        self.true_histogram: Tensor | None = counts / counts.sum()
        self.train = Pool(self.rows.x)

    def draw(self, n: int, generator: Generator) -> Tensor:
        return self.train.draw(n, generator)

    def held_out(self, n: int, generator: Generator) -> Labelled:
        device = generator.device
        return self.rows.test_x[:n].to(device), self.rows.test_y[:n].to(device)

    def known(self, n: int, generator: Generator) -> Labelled:
        device = generator.device
        return self.rows.x[:n].to(device), self.rows.y[:n].to(device)

    def judge(self, x: Tensor) -> Verdict | None:
        return read(self.classifier, x)


def source_of(dataset: object, classifier: Path) -> Source:
    """Returns what a run on a data set trains and is judged on.

    Raises:
        BadInput: the data set has no samples, or no classifier fits it.
    """
    if isinstance(dataset, LabelledImages):
        return Images(dataset, classifier)
    if isinstance(dataset, Samples):
        return Points(dataset)
    kind = type(dataset).__name__
    raise BadInput(
        f"dataset: {kind} has no draw(n, generator): task=ali wants samples, not pairs, such as "
        "dataset=gaussian_grid or mnist"
    )
