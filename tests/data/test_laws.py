import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from mine_cli.data.laws import AdditiveNoise, Law, Oscillating
from mine_cli.errors import BadInput


def entropy(density: Any, low: float, high: float, points: list[float] | None = None) -> float:
    def term(z: float) -> float:
        p = density(z)
        return -p * math.log(p) if p > 0 else 0.0

    return quad(term, low, high, points=points, limit=400, epsabs=1e-9)[0]


@pytest.mark.parametrize("eps", [0.05, 0.1, 0.5, 0.75, 3.0])
def test_additive_noise_against_an_integral(eps: float) -> None:
    def density(z: float) -> float:
        return max(0.0, min(1.0, z + eps) - max(0.0, z - eps)) / (2 * eps)

    kinks = sorted({-eps, eps, 1 - eps, 1 + eps})
    exact = entropy(density, -eps, 1 + eps, kinks) - math.log(2 * eps)
    assert AdditiveNoise(eps).true_mi == pytest.approx(exact, abs=1e-6)


def test_additive_noise_is_uniform() -> None:
    x, z = AdditiveNoise(0.2).sample(50_000, torch.Generator().manual_seed(0))
    noise = z - x
    assert x.shape == z.shape == (50_000, 1)
    assert x.min() >= 0
    assert x.max() <= 1
    assert noise.abs().max() <= 0.2 + 1e-6
    assert noise.var().item() == pytest.approx(0.4**2 / 12, rel=0.03)
    assert abs(torch.corrcoef(torch.cat([x, noise], 1).T)[0, 1]) < 0.02


@pytest.mark.parametrize("sigma", [0.1, 0.2, 1.0, 10.0])
def test_oscillating_against_an_integral_over_the_arcsine_law(sigma: float) -> None:
    def density(z: float) -> float:
        """Of a sine and noise; the ends of the arcsine law are in quad's weight."""

        def noise(s: float) -> float:
            return math.exp(-(((z - s) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))

        return quad(noise, -1, 1, weight="alg", wvar=(-0.5, -0.5), limit=200)[0] / math.pi

    z = np.linspace(0, 1 + 9 * sigma, 801)
    p = np.array([density(at) for at in z])
    total = 2 * np.trapezoid(-p * np.log(np.maximum(p, 1e-300)), z)
    exact = total - 0.5 * math.log(2 * math.pi * math.e * sigma**2)
    assert Oscillating(sigma=sigma).true_mi == pytest.approx(exact, abs=1e-4)


def test_oscillations_leave_the_law_of_z() -> None:
    few, many = (Oscillating(periods=p).sample(40_000, generator(0))[1] for p in (1, 7))
    levels = torch.linspace(0.05, 0.95, 19)
    assert torch.allclose(few[:, 0].quantile(levels), many[:, 0].quantile(levels), atol=0.04)
    assert Oscillating(periods=1).true_mi == Oscillating(periods=7).true_mi
    x, z = Oscillating(periods=7).sample(1000, generator(1))
    noise = z - (2 * math.pi * 7 * x).sin()
    assert noise.std().item() == pytest.approx(0.2, rel=0.1)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("kind", "values", "told"),
    [
        (AdditiveNoise, {"eps": 0.0}, "dataset.eps=0.0"),
        (AdditiveNoise, {"eps": math.inf}, "infinite"),
        (Oscillating, {"periods": 0}, "dataset.periods=0"),
        (Oscillating, {"sigma": 0.001}, "0.01 to 100"),
        (Oscillating, {"n": 0}, "dataset.n=0"),
    ],
)
def test_bad_parameters(kind: type[Law], values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        kind(**values)
    assert len(caught.value.faults) == 1
    assert told in caught.value.faults[0]
