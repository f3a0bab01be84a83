import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from mine_cli.data import finite_rows
from mine_cli.data.functions import Functions, information
from mine_cli.errors import BadInput

# Nats a dimension at sigma 0.1, 0.2, ... 0.9.
TABLE = {
    "x": [1.667, 1.064, 0.749, 0.552, 0.419, 0.325, 0.258, 0.209, 0.172],
    "sin": [1.536, 0.965, 0.670, 0.487, 0.365, 0.280, 0.220, 0.177, 0.145],
    "cube": [1.249, 0.732, 0.470, 0.318, 0.226, 0.167, 0.128, 0.101, 0.081],
}
ROWS = [(f, (i + 1) / 10, mi) for f, row in TABLE.items() for i, mi in enumerate(row)]


@pytest.mark.parametrize(("f", "sigma", "truth"), ROWS)
def test_truth_meets_the_table(f: str, sigma: float, truth: float) -> None:
    assert information(f, sigma) == pytest.approx(truth, abs=0.001)
    assert Functions(f=f, sigma=sigma, dim=3).true_mi == pytest.approx(3 * truth, abs=0.003)


@pytest.mark.parametrize("sigma", [1e-3, 0.05, 0.5, 4.0, 50.0])
def test_the_line_against_a_second_integration(sigma: float) -> None:
    def minus_p_log_p(y: float) -> float:
        p = (norm.cdf((y + 1) / sigma) - norm.cdf((y - 1) / sigma)) / 2
        return -p * math.log(p) if p > 0 else 0.0

    edge = 1 + 10 * sigma
    near = [point for point in (1 - 6 * sigma, 1 + 6 * sigma) if 0 < point < edge]
    entropy = 2 * quad(minus_p_log_p, 0, edge, points=near, limit=500, epsabs=1e-12)[0]
    noise = 0.5 * math.log(2 * math.pi * math.e * sigma**2)
    assert information("x", sigma) == pytest.approx(entropy - noise, abs=2e-6)


@pytest.mark.parametrize("f", ["x", "cube", "sin"])
def test_little_and_much_noise_have_their_limits(f: str) -> None:
    x = np.linspace(-1, 1, 200_001)
    values = {"x": x, "cube": x**3, "sin": np.sin(x)}[f]
    much = values.var() / (2 * 1000.0**2)
    assert information(f, 1000.0) == pytest.approx(much, rel=0.02)
    # h(f(X)) = log 2 + E[log f'(X)]
    slope = {"x": 0.0, "cube": math.log(3) - 2, "sin": np.log(np.cos(x)).mean()}[f]
    little = math.log(2) + slope - 0.5 * math.log(2 * math.pi * math.e * 1e-8)
    # Near 0 the cube is flat: sigma^(1/3) = 0.046 of its law lies within sigma of 0.
    assert information(f, 1e-4) == pytest.approx(little, abs=0.06 if f == "cube" else 0.001)


@pytest.mark.parametrize("f", ["x", "cube", "sin"])
def test_samples_follow_the_law(f: str) -> None:
    law = Functions(f=f, sigma=0.2, dim=3)
    x, y = law.sample(100_000, torch.Generator().manual_seed(0))
    assert x.shape == y.shape == (100_000, 3)
    assert x.dtype == y.dtype == torch.float32
    assert x.abs().max() <= 1
    assert x.var().item() == pytest.approx(1 / 3, abs=0.01)
    exact = {"x": x, "cube": x**3, "sin": torch.sin(x)}[f]
    noise = (y - exact) / 0.2
    assert noise.std().item() == pytest.approx(1, abs=0.01)
    assert abs(torch.corrcoef(torch.stack([noise[:, 0], noise[:, 1]]))[0, 1]) < 0.02


def test_fixed_rows() -> None:
    assert finite_rows(Functions()) is None
    rows = finite_rows(Functions(n=200, seed=1))
    assert rows is not None
    assert len(rows) == 200
    assert rows.true_mi == Functions().true_mi


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"sigma": 0.0}, "infinite"),
        ({"sigma": -0.1}, "dataset.sigma=-0.1"),
        ({"sigma": math.nan}, "dataset.sigma=nan"),
        ({"f": "cos"}, "one of x, cube, sin"),
        ({"dim": 0}, "dataset.dim=0"),
        ({"n": 0}, "dataset.n=0"),
    ],
)
def test_bad_parameters(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        Functions(**values)
    assert len(caught.value.faults) == 1
    assert told in caught.value.faults[0]
