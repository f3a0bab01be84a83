"""Correlated Gaussians whose information climbs by stages while one network trains."""

import math
from collections.abc import Iterator, Sequence

from torch import Generator, Tensor

from mine_cli.data.gaussian import Gaussian, unfit
from mine_cli.errors import refuse

__all__ = ["Staircase"]


class Staircase:
    r"""Gaussian pairs as `Gaussian`, of an information that changes during one training.

    The first of K equal stretches of the training draws from the first law, and so on; that of
    stage k has I(X; Z) = levels[k] nats, for each coordinate a correlation of

    .. math:: \rho_k = \sqrt{1 - e^{-2 I_k / d}}

    Shows how bias and spread of a bound grow with the information, in one run. The last stage is
    the one that is reported.

    Arguments:
        levels: Nats of each stage, at least 0.
        dim: Number of coordinates of x, and of z.
        cube: Give the cubes, which leaves the information as it is.

    Raises:
        BadInput: no level, or one that `dim` coordinates cannot carry.

    References:
        | On Variational Bounds of Mutual Information (Poole et al., 2019), figure 2
        | https://arxiv.org/abs/1905.06922
    """

    def __init__(
        self, levels: Sequence[float] = (2, 4, 6, 8, 10), dim: int = 20, cube: bool = False
    ) -> None:
        refuse(faults(levels, dim))
        self.stages = [Gaussian(dim, mi=level, cube=cube) for level in levels]
        self.true_mi = self.stages[-1].true_mi
        stairs = ", ".join(f"{level:g}" for level in levels)
        self.true_mi_note = f"closed form of the Gaussian; the last of {stairs} nats"

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws n rows of the last stage, x [n, dim] and z [n, dim]."""
        return self.stages[-1].sample(n, generator)


def faults(levels: Sequence[float], dim: int) -> Iterator[str]:
    """Yields every fault of the parameters."""
    if not levels:
        yield "dataset.levels=[]: want the nats of each stage, such as [2,4,6,8,10]"
    for level in levels or [0.0] * (dim < 1):
        told = unfit(dim, None, level if math.isfinite(level) else -1.0, None)
        yield from (line.replace("dataset.mi=", "dataset.levels: ") for line in told)
