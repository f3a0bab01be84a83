"""Where a run's rows come from: batches that train, rows that do not, and who judges them."""

import logging
import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Generator, Tensor

from mine_cli.data.digits import read
from mine_cli.data.folder import ImageFolder, Leading, told
from mine_cli.data.images import LabelledImages
from mine_cli.data.mnist import to_signed
from mine_cli.data.samples import Pool, Verdict
from mine_cli.data.streamed import Batches, Stream
from mine_cli.errors import BadInput, RunFailed
from mine_cli.networks.classifier import ACCURATE, load_classifier
from mine_cli.tasks.protocol import JudgedSamples, Samples
from mine_cli.training.rng import stream
from mine_cli.training.task import State

__all__ = ["Images", "Pictures", "Points", "Source", "source_of"]

log = logging.getLogger("mine_cli")

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

    def found(self) -> list[str]:
        """Returns what was noticed about the data while it trained, for a result's warnings."""

    def close(self) -> None:
        """Ends what draws the batches; the next one starts it again."""


class Stateless:
    """A source whose batches depend on the caller's random stream alone."""

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None:
        """Does nothing: the generator holds the whole state."""

    def found(self) -> list[str]:
        return []

    def close(self) -> None:
        """Does nothing: batches are drawn where they are wanted."""


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
        self.classifier = load_classifier(classifier, dataset.name, "task.classifier")
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


class Pictures:
    """A folder's pictures, decoded as they are wanted; nobody tells modes or classes of them.

    The batches depend on the seed and their numbers alone. A picture that turns out broken is
    left out, another takes its place, and the result's warnings say how many there were.

    Arguments:
        dataset: The folder.
        batch_size: Pictures that are drawn together.
        seed: Of the run.

    Raises:
        BadInput: none of the held-out pictures can be decoded.
        RunFailed: when they are wanted, no more pictures can be decoded.
    """

    def __init__(self, dataset: ImageFolder, batch_size: int, seed: int) -> None:
        self.dataset, self.batch_size = dataset, batch_size
        self.shape = dataset.shape
        self.true_histogram: Tensor | None = None
        seed_of = partial(stream, seed, "pictures")
        batches = Batches(dataset.train, dataset.side, batch_size, seed_of)
        self.stream = Stream(batches, dataset.workers)
        self.aside = Leading(dataset.held_out, dataset.side)
        self.first = Leading(dataset.train, dataset.side)
        self.broken: set[str] = set()
        if not len(self.aside.take(1)):
            raise BadInput(
                f"dataset.path={dataset.path}: none of the {len(dataset.held_out)} held-out "
                "pictures can be decoded; want whole ones"
            )

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws from the run's own stream; the generator only says on which device."""
        batches = [self._next(generator.device) for _ in range(math.ceil(n / self.batch_size))]
        return to_signed((batches[0] if len(batches) == 1 else torch.cat(batches))[:n])

    def _next(self, device: torch.device) -> Tensor:
        pictures, broken = self.stream.next(device)
        self._note(self.dataset.train[which] for which in broken)
        if len(pictures) < self.batch_size:
            raise self._unreadable()
        return pictures

    def held_out(self, n: int, generator: Generator) -> Labelled:
        return self._leading(self.aside, n, generator), None

    def known(self, n: int, generator: Generator) -> Labelled:
        return self._leading(self.first, n, generator), None

    def _leading(self, files: Leading, n: int, generator: Generator) -> Tensor:
        pictures = files.take(n)
        self._note(files.broken)
        if not len(pictures):
            raise self._unreadable()
        return to_signed(pictures.to(generator.device))

    def judge(self, x: Tensor) -> Verdict | None:
        return None

    def _note(self, broken: Iterable[Path]) -> None:
        """Tells of the first picture that turns out broken; the result tells of all."""
        first = not self.broken
        self.broken |= {file.relative_to(self.dataset.path).as_posix() for file in broken}
        if first and self.broken:
            log.warning(
                "dataset: %s cannot be decoded, others take its place; the result says how many "
                "pictures are like that",
                min(self.broken),
            )

    def _unreadable(self) -> RunFailed:
        return RunFailed(
            f"dataset.path={self.dataset.path}: its pictures can no longer be decoded; want them "
            "as they were when the run began"
        )

    def found(self) -> list[str]:
        lost = dict.fromkeys(map(Path, sorted(self.broken)), "turned out to be broken")
        return list(told(lost, len(self.dataset)))

    def state_dict(self) -> State:
        return {"taken": self.stream.taken, "broken": sorted(self.broken)}

    def load_state_dict(self, state: State) -> None:
        self.stream.go_to(state["taken"])
        self.broken = set(state["broken"])

    def close(self) -> None:
        self.stream.close()


def source_of(dataset: object, classifier: Path, batch_size: int, seed: int) -> Source:
    """Returns what a run on a data set trains and is judged on.

    Arguments:
        dataset: The data set.
        classifier: File of a classifier, for images that want one.
        batch_size: Rows a training batch.
        seed: Of the run.

    Raises:
        BadInput: the data set has no samples, or no classifier fits it.
    """
    if isinstance(dataset, ImageFolder):
        return Pictures(dataset, batch_size, seed)
    if isinstance(dataset, LabelledImages):
        return Images(dataset, classifier)
    if isinstance(dataset, Samples):
        return Points(dataset)
    kind = type(dataset).__name__
    raise BadInput(
        f"dataset: {kind} has no draw(n, generator): task=ali wants samples, not pairs, such as "
        "dataset=gaussian_grid or mnist"
    )
