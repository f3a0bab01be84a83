"""Gaussian and Student vectors of a given dispersion, whose information has a closed form."""

import math
from collections.abc import Iterator, Sequence

import torch
from scipy.special import digamma, gammaln
from torch import Generator, Tensor

from mine_cli.data.laws import Law, refuse_unfit

__all__ = ["DenseGaussian", "SparseGaussian", "Student"]

CLOSED_FORM = "closed form of the Gaussian"
MOST_DEGREES = 100  # of freedom: beyond, it is a Gaussian in all but name


class DenseGaussian(Law):
    r"""Standard Gaussian x and z of one dimension m, any two of whose 2m columns correlate by rho.

    All that x and z have in common is in their sums, which correlate by r:

    .. math:: I(X; Z) = -\tfrac12 \log(1 - r^2), \quad r = \frac{m \rho}{1 + (m - 1) \rho}

    Arguments:
        dim: Number of columns m of x, and of z.
        rho: Correlation of any two columns, at least 0 and below 1; of one column each also
            below 0.
        transform, n, seed: As in `Law`.

    References:
        | Beyond Normal (Czyż et al., 2023), section 3 https://arxiv.org/abs/2306.11078
    """

    def __init__(
        self,
        dim: int = 2,
        rho: float = 0.5,
        transform: Sequence[str] = (),
        n: int | None = None,
        seed: int = 0,
    ) -> None:
        refuse_unfit(unfit(dim, rho), transform, n, dim, normal=True)
        self.dim, self.rho = dim, float(rho)
        super().__init__(dense_information(dim, rho), CLOSED_FORM, transform, n, seed)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        return dense(n, self.dim, self.rho, generator)


class SparseGaussian(Law):
    r"""Standard Gaussian x and z, corr(x_i, z_i) = rho in the first columns, all else independent.

    .. math:: I(X; Z) = -\frac{\text{pairs}}{2} \log(1 - \rho^2)

    Arguments:
        dim: Number of columns of x, and of z.
        rho: Correlation of a pair, in (-1, 1).
        pairs: Number of columns that correlate, at most dim.
        transform, n, seed: As in `Law`.

    References:
        | Beyond Normal (Czyż et al., 2023), section 3: two pairs of a signal twice the noise, that
        | is of correlation 4/5 https://arxiv.org/abs/2306.11078
    """

    def __init__(
        self,
        dim: int = 3,
        rho: float = 0.8,
        pairs: int = 2,
        transform: Sequence[str] = (),
        n: int | None = None,
        seed: int = 0,
    ) -> None:
        faults = [] if -1 < rho < 1 else [f"dataset.rho={rho}: want a correlation inside (-1, 1)"]
        if not 1 <= pairs <= dim:
            faults.append(f"dataset.pairs={pairs}: want 1 to dataset.dim={dim}")
        refuse_unfit(faults, transform, n, dim, normal=True)
        self.dim, self.rho, self.pairs = dim, float(rho), pairs
        truth = -pairs / 2 * math.log1p(-(rho**2))
        super().__init__(truth, CLOSED_FORM, transform, n, seed)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x, z = torch.randn((2, n, self.dim), generator=generator, device=generator.device)
        noise = math.sqrt((1 - self.rho) * (1 + self.rho))
        z[:, : self.pairs] = self.rho * x[:, : self.pairs] + noise * z[:, : self.pairs]
        return x, z


class Student(Law):
    r"""Student vectors x and z of m columns each: a `DenseGaussian` over a common random scale.

    The scale alone makes columns depend on one another that do not correlate:

    .. math:: I(X; Z) &= I_{\text{Gaussian}} + f(\nu) + f(\nu + 2m) - 2 f(\nu + m) \\
        f(s) &= \log \Gamma(s / 2) - \tfrac{s}{2} \, \psi(s / 2)

    Arguments:
        dim: Number of columns m of x, and of z.
        degrees: Degrees of freedom nu, a whole number; 1 is the Cauchy law.
        rho: Off-diagonal of the dispersion, of which 0 is the identity; as in `DenseGaussian`.
        transform, n, seed: As in `Law`.

    References:
        | Shannon entropy and mutual information for multivariate skew-elliptical distributions
        | (Arellano-Valle, Contreras-Reyes and Genton, 2013), section 3
        | Beyond Normal (Czyż et al., 2023), appendix C https://arxiv.org/abs/2306.11078
    """

    def __init__(
        self,
        dim: int = 2,
        degrees: int = 1,
        rho: float = 0.0,
        transform: Sequence[str] = (),
        n: int | None = None,
        seed: int = 0,
    ) -> None:
        faults = [*unfit(dim, rho)]
        if not 1 <= degrees <= MOST_DEGREES:
            faults.append(f"dataset.degrees={degrees}: want 1 to {MOST_DEGREES}")
        refuse_unfit(faults, transform, n, dim)
        self.dim, self.degrees, self.rho = dim, degrees, float(rho)
        note = "closed form of the Gaussian and of the common scale"
        truth = dense_information(dim, rho) + of_scale(degrees, dim)
        super().__init__(truth, note, transform, n, seed)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x, z = dense(n, self.dim, self.rho, generator)
        shape = (n, self.degrees)
        normals = torch.randn(shape, generator=generator, device=generator.device)
        # A normal may be 0 to float32, and its inverse no number.
        squares = normals.square().mean(1, keepdim=True)
        scale = squares.clamp_min(torch.finfo(squares.dtype).tiny).rsqrt()
        return x * scale, z * scale


def dense(n: int, dim: int, rho: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Draws n rows of a `DenseGaussian`'s x and z ``[n, dim]``."""
    if rho < 0:  # of one column each
        x, z = dense(n, dim, -rho, generator)
        return x, -z
    own = torch.randn((2, n, dim), generator=generator, device=generator.device)
    common = torch.randn((n, 1), generator=generator, device=generator.device)
    x, z = math.sqrt(1 - rho) * own + math.sqrt(rho) * common
    return x, z


def dense_information(dim: int, rho: float) -> float:
    """Returns the information in nats of a `DenseGaussian`."""
    return -0.5 * math.log1p(-((dim * rho / (1 + (dim - 1) * rho)) ** 2))


def of_scale(degrees: int, dim: int) -> float:
    """Returns what a common scale of so many degrees of freedom adds, in nats."""

    def f(s: float) -> float:
        return float(gammaln(s / 2) - s / 2 * digamma(s / 2))

    return f(degrees) + f(degrees + 2 * dim) - 2 * f(degrees + dim)


def unfit(dim: int, rho: float) -> Iterator[str]:
    """Yields every fault of a dense dispersion."""
    if dim < 1:
        yield f"dataset.dim={dim}: want at least 1"
    if not (0 <= rho < 1 or (dim == 1 and -1 < rho < 0)):
        yield f"dataset.rho={rho}: want a correlation in [0, 1), or for dataset.dim=1 in (-1, 1)"
