"""Correlated Gaussian vectors, whose mutual information has a closed form."""

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from mine_cli.errors import refuse

__all__ = ["DEFAULT_RHO", "SMALLEST_NOISE", "Gaussian"]

DEFAULT_RHO = 0.8

# Below this standard deviation z's own noise drowns in the rounding of float32.
SMALLEST_NOISE = 1e-5


class Gaussian:
    r"""Standard Gaussian x and z of one dimension, with corr(x_i, z_j) = rho if i = j, else 0.

    .. math:: I(X; Z) = -\frac{d}{2} \log(1 - \rho^2)

    With `cube` each coordinate is replaced by its cube over sqrt(15), which has unit variance:
    an invertible map of every coordinate leaves the mutual information as it is.

    Arguments:
        dim: Number of coordinates of x, and of z.
        rho: Correlation of x_i and z_i, in (-1, 1); 0.8 unless `mi` is given.
        mi: Total mutual information in nats, at least 0; sets rho (positive), and takes the
            place of rho's default. Another rho beside it is refused.
        cube: Give the cubes.
        n: Number of rows of a fixed sample; None: fresh draws.
        seed: Seed of the fixed sample.

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 4.1
        | https://arxiv.org/abs/1801.04062
    """

    def __init__(
        self,
        dim: int = 2,
        rho: float | None = None,
        mi: float | None = None,
        cube: bool = False,
        n: int | None = None,
        seed: int = 0,
    ) -> None:
        refuse(unfit(dim, rho, mi, n))
        self.dim, self.cube, self.n, self.seed = dim, cube, n, seed
        if mi is None:
            self.rho = DEFAULT_RHO if rho is None else float(rho)
            self.noise = math.sqrt((1 - self.rho) * (1 + self.rho))
            self.true_mi = -dim * math.log(self.noise)
        else:
            self.noise = math.exp(-mi / dim)
            self.rho = math.sqrt(-math.expm1(-2 * mi / dim))
            self.true_mi = float(mi)
        self.true_mi_note = "closed form of the Gaussian: -dim/2 log(1 - rho^2)"

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws n rows, x [n, dim] and z [n, dim], on the generator's device."""
        shape, device = (2, n, self.dim), generator.device
        x, noise = torch.randn(shape, generator=generator, device=device, dtype=torch.float32)
        z = noise.mul_(self.noise).add_(x, alpha=self.rho)
        if self.cube:
            return x**3 / math.sqrt(15), z**3 / math.sqrt(15)
        return x, z


def unfit(dim: int, rho: float | None, mi: float | None, n: int | None) -> Iterator[str]:
    """Yields every fault of a Gaussian's parameters."""
    if dim < 1:
        yield f"dataset.dim={dim}: want at least 1"
    if n is not None and n < 1:
        yield f"dataset.n={n}: want at least 1, or null for fresh draws"
    if rho is not None and not -1 < rho < 1:
        yield f"dataset.rho={rho}: want a correlation inside (-1, 1)"
    elif rho is not None and math.sqrt((1 - rho) * (1 + rho)) < SMALLEST_NOISE:
        yield f"dataset.rho={rho}: too near to 1 for float32: want 1 - |rho| above 5e-11"
    if mi is not None and not 0 <= mi < math.inf:
        yield f"dataset.mi={mi}: want nats, at least 0"
    elif mi is not None and dim >= 1 and mi / dim > -math.log(SMALLEST_NOISE):
        most = -math.log(SMALLEST_NOISE)
        yield (
            f"dataset.mi={mi}: more than float32 can carry: want at most {most:.1f} nats a "
            f"dimension, {dim * most:.1f} for dim={dim}"
        )
    if mi is not None and rho is not None and rho != DEFAULT_RHO:
        yield f"dataset.rho={rho} and dataset.mi={mi}: want one of the two"
