"""Bits written as digits, sent through a noisy channel, and written as other digits."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from scipy.special import xlogy
from torch import Generator, Tensor

from mine_cli.data.mnist import check_name, files_of, load
from mine_cli.data.samples import Pool
from mine_cli.errors import refuse

__all__ = ["ImageChannel"]

MOST_BITS = 16


class ImageChannel:
    r"""Images of zeros and ones: x shows random bits, z the same bits after some were flipped.

    Each bit is an image of its own, a channel of x, drawn at random from those with the label 0
    or 1; z shows it by another one. A bit is flipped with probability p on its way. The bits are
    functions of the images, and these depend on one another through them alone:

    .. math:: I(X; Z) = k \, (\log 2 + p \log p + (1 - p) \log(1 - p))

    for k bits, that is k uses of a binary symmetric channel.

    Arguments:
        name: ``mnist`` or ``fashion_mnist``, whose labels 0 and 1 are T-shirt and trousers.
        data_dir: As in `ImageLabel`.
        bits: k, one image each.
        flip: p, from 0 to 1/2.
        n: Number of rows of a fixed sample; None: fresh draws.
        seed: Seed of the fixed sample.

    References:
        | A Benchmark Suite for Evaluating Neural Mutual Information Estimators on Unstructured
        | Datasets (Lee and Rhee, 2024), section 3 https://arxiv.org/abs/2410.10924
    """

    def __init__(
        self,
        name: str = "mnist",
        data_dir: str | Path = "data",
        bits: int = 4,
        flip: float = 0.1,
        n: int | None = None,
        seed: int = 0,
    ) -> None:
        check_name(name)
        refuse(unfit(bits, flip, n))
        self.name, self.data_dir = name, Path(data_dir).expanduser()
        self.bits, self.flip, self.n, self.seed = bits, float(flip), n, seed
        self.true_mi = bits * (math.log(2) + float(xlogy(flip, flip) + xlogy(1 - flip, 1 - flip)))
        self.true_mi_note = "capacity of a binary symmetric channel, for each bit"
        self._digits: list[Pool] = []

    @property
    def files(self) -> list[Path]:
        """The files that are read."""
        return files_of(self.name, self.data_dir)

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws n rows, x and z ``[n, bits, 28, 28]`` in [0, 1], on the generator's device."""
        uniform = torch.rand((2, n, self.bits), generator=generator, device=generator.device)
        sent = uniform[0] < 0.5
        return self.shown(sent, generator), self.shown(sent ^ (uniform[1] < self.flip), generator)

    def shown(self, bits: Tensor, generator: Generator) -> Tensor:
        """Draws an image of a zero or a one for each bit, ``[n, bits, 28, 28]``."""
        if not self._digits:
            images, labels = load(self.name, self.data_dir)
            self._digits = [Pool(images[labels == digit, 0]) for digit in (0, 1)]
        zeros, ones = (pool.draw(bits.numel(), generator) for pool in self._digits)
        flat = torch.where(bits.flatten()[:, None, None], ones, zeros)
        return flat.reshape(*bits.shape, *flat.shape[1:])


def unfit(bits: int, flip: float, n: int | None) -> Iterator[str]:
    """Yields every fault of the parameters."""
    if not 1 <= bits <= MOST_BITS:
        yield f"dataset.bits={bits}: want 1 to {MOST_BITS}"
    if not 0 <= flip <= 0.5:
        yield f"dataset.flip={flip}: want a probability from 0 to 0.5"
    if n is not None and n < 1:
        yield f"dataset.n={n}: want at least 1, or null for fresh draws"
