"""Digits and stacks of three digits as data for generators; a classifier names their modes."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from mine_cli.data.mnist import DATASETS, NUM_LABELS, files_of, load, to_signed
from mine_cli.data.samples import Pool, Verdict, drawn
from mine_cli.errors import BadInput, refuse
from mine_cli.networks.classifier import ACCURATE, load_classifier

__all__ = ["Digits", "StackedMNIST"]

SIDE, CHANNELS = 28, 3

# The last so many of the 70,000 images are the test images.
TEST_IMAGES = 10_000

# Digits classified at once: their activations in a small network fill some 150 MB.
CHUNK = 2048


class StackedMNIST:
    """Three random digits as the channels of one image: a thousand modes, told by a classifier.

    All 70,000 images serve, as in PacGAN's code. They are kept as bytes on each device, and of
    the stacks only which three images make one.

    A mode is 100a + 10b + c, for the digits a, b, c that the classifier reads in the channels;
    quality is not judged, but the classifier's top probability, mean over the channels, is told.
    The true histogram is uniform by convention (VEEGAN, PacGAN). The data are not quite: at
    26,000 samples, with a noise floor of 0.0193 nats, fresh stacks of MNIST score 0.024 (its
    digits' own shares), and 128,000 fixed ones 0.028, seen as often as one likes.

    Arguments:
        name: ``mnist`` or ``fashion_mnist``.
        data_dir: Folder that holds, or shall hold, ``MNIST/raw`` or ``FashionMNIST/raw``.
        classifier: File of a classifier of the same images.
        n: Number of fixed stacks, drawn once from the seed; None: every draw is fresh.
        seed: Seed of the fixed stacks.

    Raises:
        BadInput: for images or a classifier that are missing or unfit, in one line.

    References:
        | Unrolled Generative Adversarial Networks (Metz et al., 2017), section 3.3.1
        | https://arxiv.org/abs/1611.02163
        | VEEGAN (Srivastava et al., 2017), section 4 https://arxiv.org/abs/1705.07761
        | PacGAN (Lin et al., 2018), section 4 https://arxiv.org/abs/1712.04086
    """

    image = True
    shape: tuple[int, ...] = (CHANNELS, SIDE, SIDE)
    modes = NUM_LABELS**CHANNELS

    def __init__(
        self,
        name: str = "mnist",
        data_dir: str | Path = "data",
        *,
        classifier: str | Path,
        n: int | None = 128_000,
        seed: int = 0,
    ) -> None:
        refuse(unfit(name, n))
        self.name, self.n, self.seed = name, n, seed
        self.files = [Path(classifier).expanduser()]
        self.true_histogram = torch.full((self.modes,), 1 / self.modes, dtype=torch.float64)
        self._classifier, pixels, _ = classified(name, data_dir, self.files[0])
        self._digits = Pool(pixels[:, 0])
        self._draw = drawn(self.fresh, n, seed)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws n stacks, [n, 3, 28, 28] in [-1, 1], on the generator's device."""
        return to_signed(self._digits.on(generator.device)[self._draw(n, generator)])

    def fresh(self, n: int, generator: Generator) -> Tensor:
        """Draws which three images make up each of n stacks, [n, 3], on the generator's device."""
        shape, device = (n, CHANNELS), generator.device
        return torch.randint(len(self._digits), shape, generator=generator, device=device)

    def judge(self, x: Tensor) -> Verdict:
        """Returns the three digits that the classifier reads in x, [n, 3, 28, 28] in [-1, 1]."""
        return read(self._classifier, x)


class Digits:
    """All 70,000 digits, or pieces of clothing, as they are: ten modes, told by a classifier.

    The true histogram holds the labels' empirical shares.

    Arguments:
        name: ``mnist`` or ``fashion_mnist``.
        data_dir: Folder that holds, or shall hold, ``MNIST/raw`` or ``FashionMNIST/raw``.
        classifier: File of a classifier of the same images.

    Raises:
        BadInput: for images or a classifier that are missing or unfit, in one line.
    """

    image = True
    shape: tuple[int, ...] = (1, SIDE, SIDE)
    modes = NUM_LABELS

    def __init__(
        self, name: str = "mnist", data_dir: str | Path = "data", *, classifier: str | Path
    ) -> None:
        refuse(unfit(name))
        self.name = name
        judge = Path(classifier).expanduser()
        self._classifier, pixels, labels = classified(name, data_dir, judge)
        self.files = [judge, *files_of(name, data_dir)]
        self._digits = Pool(pixels)
        self.true_histogram = labels.bincount(minlength=NUM_LABELS).double() / len(labels)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws n images, [n, 1, 28, 28] in [-1, 1], on the generator's device."""
        return to_signed(self._digits.draw(n, generator))

    def judge(self, x: Tensor) -> Verdict:
        """Returns the digit that the classifier reads in x, [n, 1, 28, 28] in [-1, 1]."""
        return read(self._classifier, x)


def classified(name: str, data_dir: str | Path, path: Path) -> tuple[nn.Module, Tensor, Tensor]:
    """Returns a classifier that is fit to judge, and the images it judges by.

    Returns:
        The classifier; pixels, [70000, 1, 28, 28] uint8; labels, [70000] int64.
    """
    classifier = load_classifier(path, name)  # before the images, which may have to be fetched
    images, labels = load(name, Path(data_dir).expanduser())
    pixels = images.mul_(255).round_().to(torch.uint8)
    answers = read(classifier, to_signed(pixels[-TEST_IMAGES:])).mode
    accuracy = float((answers == labels[-TEST_IMAGES:]).double().mean())
    if accuracy < ACCURATE[name]:
        command = "mine-run task=classifier"
        command += "" if name == "mnist" else f" dataset.name={name}"
        raise BadInput(
            f"dataset.classifier={path}: reads {accuracy:.1%} of the test images of {name} right: "
            f"want at least {ACCURATE[name]:.0%}; train it anew: {command}"
        )
    return classifier, pixels, labels


def unfit(name: str, n: int | None = None) -> Iterator[str]:
    """Yields every fault of the parameters."""
    if name not in DATASETS:
        yield f"dataset.name={name}: want {' or '.join(DATASETS)}"
    if n is not None and n < 1:
        yield f"dataset.n={n}: want at least 1, or null for fresh draws"


@torch.no_grad()
def read(classifier: nn.Module, x: Tensor) -> Verdict:
    """Returns what a classifier reads in the channels of images, [n, C, 28, 28] in [-1, 1].

    Returns:
        As modes the numbers whose decimal digits the channels show; as confidence the top
        probability, mean over the channels.
    """
    classifier = classifier.to(x.device)
    channels = x.detach().float().reshape(-1, 1, SIDE, SIDE)
    tops = [classifier((part + 1) / 2).softmax(1).max(1) for part in channels.split(CHUNK)]
    digits = torch.cat([top.indices for top in tops]).view(len(x), -1)
    confidence = torch.cat([top.values for top in tops]).view(len(x), -1)
    places = NUM_LABELS ** torch.arange(digits.shape[1], device=x.device).flip(0)
    return Verdict(mode=(digits * places).sum(1), confidence=confidence.mean(1))
