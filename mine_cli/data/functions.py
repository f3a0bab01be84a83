"""Noisy functions of a uniform variable, whose mutual information is integrated numerically."""

import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.special import xlogy
from torch import Generator, Tensor

from mine_cli.errors import refuse

__all__ = ["FUNCTIONS", "SIGMAS", "Functions", "information"]

Floats = NDArray[np.float64]

# Each rises over [-1, 1]; beside it, its inverse.
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Floats], Floats]]] = {
    "x": (lambda x: x, lambda y: y),
    "cube": (lambda x: x**3, np.cbrt),
    "sin": (torch.sin, np.arcsin),
}

# Between these the integral is exact to 1e-5 nats and fits in memory.
SIGMAS = (1e-4, 1e3)

# Grid points to one standard deviation of the noise, and deviations covered beyond the range of f.
RESOLUTION, REACH = 100, 10


class Functions:
    r"""Y = f(X) + sigma eps in every coordinate, X uniform on [-1, 1], eps standard normal.

    .. math:: I(X; Y) = d \, (h(Y_1) - h(\sigma \epsilon_1))

    Arguments:
        f: ``x``, ``cube`` (x^3) or ``sin``.
        sigma: Standard deviation of the noise, above 0: without noise the mutual information is
            infinite.
        dim: Number of coordinates of X, and of Y.
        n: Number of rows of a fixed sample; None: fresh draws.
        seed: Seed of the fixed sample.

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 4.2
        | https://arxiv.org/abs/1801.04062
    """

    def __init__(
        self, f: str = "sin", sigma: float = 0.3, dim: int = 2, n: int | None = None, seed: int = 0
    ) -> None:
        refuse(unfit(f, sigma, dim, n))
        self.f, self.sigma, self.dim, self.n, self.seed = f, float(sigma), dim, n, seed
        self.true_mi = dim * information(f, self.sigma)
        self.true_mi_note = "dim * (h(Y) - h(sigma eps)), integrated numerically"

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws n rows, x [n, dim] and y [n, dim], on the generator's device."""
        shape, device = (n, self.dim), generator.device
        x = 2 * torch.rand(shape, generator=generator, device=device, dtype=torch.float32) - 1
        noise = torch.randn(shape, generator=generator, device=device, dtype=torch.float32)
        return x, FUNCTIONS[self.f][0](x) + self.sigma * noise


def unfit(f: str, sigma: float, dim: int, n: int | None) -> Iterator[str]:
    """Yields every fault of the parameters."""
    low, high = SIGMAS
    if f not in FUNCTIONS:
        yield f"dataset.f={f}: want one of {', '.join(FUNCTIONS)}"
    if sigma == 0:
        yield (
            f"dataset.sigma={sigma}: without noise the mutual information is infinite: want "
            f"{low:g} to {high:g}"
        )
    elif not low <= sigma <= high:
        yield f"dataset.sigma={sigma}: want {low:g} to {high:g}"
    if dim < 1:
        yield f"dataset.dim={dim}: want at least 1"
    if n is not None and n < 1:
        yield f"dataset.n={n}: want at least 1, or null for fresh draws"


@cache
def information(f: str, sigma: float) -> float:
    r"""Returns the mutual information in nats of one coordinate, h(Y) - h(sigma eps).

    The law of f(X) is put on a grid exactly, by the inverse of f; its convolution with the noise
    is the density of Y, of which the entropy is taken. The spread inside the grid's bins, which
    their centres have not, is given to the noise: h^2/12 for bins of width h.
    """
    forward, inverse = FUNCTIONS[f]
    top = float(forward(torch.ones((), dtype=torch.float64)))
    width = min(sigma / RESOLUTION, top / RESOLUTION)
    bins = math.ceil(top / width)
    edges = np.clip(np.arange(-bins, bins + 1) * width, -top, top)
    mass = np.diff(np.clip(inverse(edges), -1.0, 1.0)) / 2
    reach = math.ceil(REACH * sigma / width)
    variance = sigma**2 + width**2 / 12
    offsets = np.arange(-reach, reach + 1) * width
    kernel = np.exp(-(offsets**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
    density = fftconvolve(mass, kernel).clip(min=0)
    entropy = -xlogy(density, density).sum() * width
    return float(entropy - 0.5 * math.log(2 * math.pi * math.e * sigma**2))
