"""Laws whose mutual information is known, seen through maps that leave it as it is."""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain

import numpy as np
import torch
from scipy.special import xlogy
from torch import Generator, Tensor

from mine_cli.data.transforms import transformed, unfit_transforms
from mine_cli.errors import refuse

__all__ = ["AdditiveNoise", "Law", "Oscillating"]

SIGMAS = (0.01, 100.0)  # between which the integral of `Oscillating` is exact to 1e-5 nats
RESOLUTION, REACH = 20, 10  # of that integral: points to a standard deviation, and those covered


class Law:
    """What all laws of known information have: a sample, transforms, and a number of rows.

    Arguments:
        true_mi: Mutual information in nats.
        true_mi_note: Where it comes from.
        transform: Names in `TRANSFORMS`, applied in their order.
        n: Number of rows of a fixed sample; None: fresh draws.
        seed: Seed of the fixed sample.
    """

    def __init__(
        self, true_mi: float, true_mi_note: str, transform: Sequence[str], n: int | None, seed: int
    ) -> None:
        self.true_mi, self.true_mi_note = true_mi, true_mi_note
        self.transform, self.n, self.seed = [*transform], n, seed
        if transform:
            maps = ", then ".join(transform)
            self.true_mi_note += f"; {maps} leave{'s' * (len(transform) == 1)} it as it is"

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws n rows of x and of z before the transforms, on the generator's device."""
        raise NotImplementedError

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws n rows, x and z ``[n, columns]``, on the generator's device."""
        return transformed(self.transform, *self.draw(n, generator))


def refuse_unfit(
    faults: Iterable[str],
    transform: Sequence[str],
    n: int | None,
    columns: int = 1,
    normal: bool = False,
) -> None:
    """Raises BadInput with every fault of a law's parameters."""
    rows = [] if n is None or n >= 1 else [f"dataset.n={n}: want at least 1, or null"]
    refuse(chain(faults, rows, unfit_transforms(transform, columns, normal)))


class AdditiveNoise(Law):
    r"""x uniform on [0, 1], z = x + noise, the noise uniform on [-eps, eps].

    .. math:: I(X; Z) = \epsilon - \log 2 \epsilon \text{ for } \epsilon \le 1/2,
        \quad 1 / (4 \epsilon) \text{ beyond}

    Arguments:
        eps: Largest noise, above 0.
        transform, n, seed: As in `Law`.

    References:
        | Beyond Normal (Czyż et al., 2023), appendix D https://arxiv.org/abs/2306.11078
    """

    def __init__(
        self, eps: float = 0.1, transform: Sequence[str] = (), n: int | None = None, seed: int = 0
    ) -> None:
        fits = 0 < eps < math.inf
        fault = f"dataset.eps={eps}: want noise above 0, without which information is infinite"
        refuse_unfit([] if fits else [fault], transform, n)
        self.eps = float(eps)
        truth = eps - math.log(2 * eps) if eps <= 0.5 else 1 / (4 * eps)
        super().__init__(truth, "closed form of uniform noise", transform, n, seed)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        uniform = torch.rand((2, n, 1), generator=generator, device=generator.device)
        return uniform[0], uniform[0] + self.eps * (2 * uniform[1] - 1)


class Oscillating(Law):
    r"""x uniform on [0, 1], z = sin(2 pi periods x) + sigma noise, the noise standard normal.

    .. math:: I(X; Z) = h(Z) - \tfrac12 \log(2 \pi e \sigma^2)

    The number of periods leaves the law of z, and so the information, as it is; the more there
    are, the harder it is to see.

    Arguments:
        periods: Whole number of periods, at least 1.
        sigma: Standard deviation of the noise.
        transform, n, seed: As in `Law`.
    """

    def __init__(
        self,
        periods: int = 4,
        sigma: float = 0.2,
        transform: Sequence[str] = (),
        n: int | None = None,
        seed: int = 0,
    ) -> None:
        low, high = SIGMAS
        faults = [] if periods >= 1 else [f"dataset.periods={periods}: want at least 1"]
        if not low <= sigma <= high:
            faults.append(f"dataset.sigma={sigma}: want {low:g} to {high:g}")
        refuse_unfit(faults, transform, n)
        self.periods, self.sigma = periods, float(sigma)
        note = "h(Z) - h(sigma noise), integrated numerically"
        super().__init__(of_sine(self.sigma), note, transform, n, seed)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x = torch.rand((n, 1), generator=generator, device=generator.device)
        noise = torch.randn((n, 1), generator=generator, device=generator.device)
        return x, (2 * math.pi * self.periods * x).sin() + self.sigma * noise


@cache
def of_sine(sigma: float) -> float:
    """Returns the information in nats between a uniform phase and its sine under noise.

    The density of z is a mean over the phase, by the midpoint rule, whose error in a periodic
    function falls faster than any power of the number of points.
    """
    phases = (np.arange(math.ceil(RESOLUTION * 2 * math.pi / min(sigma, 1.0))) + 0.5) * math.pi
    sines = np.sin(phases / len(phases) - math.pi / 2)
    step = sigma / RESOLUTION
    z = np.arange(0, 1 + REACH * sigma + step, step)
    density = np.zeros_like(z)
    for sine in sines:  # the whole table would not fit
        density += np.exp(-(((z - sine) / sigma) ** 2) / 2)
    density /= len(sines) * sigma * math.sqrt(2 * math.pi)
    terms = -xlogy(density, density)
    entropy = step * (2 * terms.sum() - terms[0])  # z and -z are alike
    return float(entropy - 0.5 * math.log(2 * math.pi * math.e * sigma**2))
