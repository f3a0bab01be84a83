import math
from typing import Any

import pytest
import torch

from mine_cli.data import finite_rows
from mine_cli.data.gaussian import Gaussian
from mine_cli.errors import BadInput


def draw(law: Gaussian, n: int = 200_000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return law.sample(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("dim", "rho", "truth"),
    [(2, 0.8, 1.0217), (1, 0.8, 0.5108), (20, 0.5, 2.8768), (2, -0.99, 3.9170), (3, 0.0, 0.0)],
)
def test_truth_is_the_closed_form(dim: int, rho: float, truth: float) -> None:
    assert Gaussian(dim=dim, rho=rho).true_mi == pytest.approx(truth, abs=1e-4)


def test_the_default_is_the_design_s() -> None:
    assert Gaussian().true_mi == pytest.approx(1.0217, abs=1e-4)


@pytest.mark.parametrize("mi", [0.0, 0.01, 2.0, 10.0, 40.0])
def test_mi_sets_rho(mi: float) -> None:
    law = Gaussian(dim=4, mi=mi)
    assert law.true_mi == mi
    assert Gaussian(dim=4, rho=law.rho).true_mi == pytest.approx(mi, abs=1e-6)


@pytest.mark.parametrize("rho", [-0.7, 0.0, 0.8])
def test_moments_and_correlations(rho: float) -> None:
    x, z = draw(Gaussian(dim=3, rho=rho))
    assert x.shape == z.shape == (200_000, 3)
    assert x.dtype == z.dtype == torch.float32
    expected = torch.eye(6)
    expected[:3, 3:] = expected[3:, :3] = rho * torch.eye(3)
    assert torch.allclose(torch.cov(torch.cat([x, z], 1).T), expected, atol=0.02)


def test_cubes_are_an_invertible_map_of_unit_variance() -> None:
    x, z = draw(Gaussian(dim=2, rho=0.8))
    cubed_x, cubed_z = draw(Gaussian(dim=2, rho=0.8, cube=True))
    assert torch.allclose(cubed_x, x**3 / math.sqrt(15))
    assert torch.allclose(cubed_z, z**3 / math.sqrt(15))
    assert cubed_x.var().item() == pytest.approx(1, abs=0.05)
    assert Gaussian(cube=True).true_mi == Gaussian().true_mi


def test_fresh_draws_and_fixed_rows() -> None:
    assert finite_rows(Gaussian()) is None
    first, second = (finite_rows(Gaussian(n=500, seed=3)) for _ in range(2))
    other = finite_rows(Gaussian(n=500, seed=4))
    assert len(first) == 500
    assert torch.equal(first.x, second.x)
    assert torch.equal(first.z, second.z)
    assert not torch.equal(first.x, other.x)
    assert first.true_mi == pytest.approx(1.0217, abs=1e-4)
    assert "rho" in first.true_mi_note


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"rho": 1.0}, "dataset.rho=1.0"),
        ({"rho": -1.5}, "(-1, 1)"),
        ({"rho": math.nan}, "dataset.rho=nan"),
        ({"rho": 1 - 1e-13}, "float32"),
        ({"mi": -0.1}, "at least 0"),
        ({"mi": math.nan}, "dataset.mi=nan"),
        ({"mi": 100.0}, "23.0 for dim=2"),
        ({"rho": 0.5, "mi": 1.0}, "one of the two"),
        ({"dim": 0}, "dataset.dim=0"),
        ({"n": 0}, "dataset.n=0"),
    ],
)
def test_bad_parameters(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        Gaussian(**values)
    assert len(caught.value.faults) == 1
    assert told in caught.value.faults[0]


def test_faults_come_all_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        Gaussian(dim=0, rho=2.0, n=-1)
    assert len(caught.value.faults) == 3
