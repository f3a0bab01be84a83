import math
from typing import Any

import numpy as np
import pytest
import torch

from mine_cli.data.elliptical import DenseGaussian, Student
from mine_cli.data.gaussian import Gaussian
from mine_cli.tasks.mi_estimate import baselines
from mine_cli.tasks.mi_estimate.baselines import copula_bound, gaussian_mi, ksg, references


def rows(seed: int = 0, n: int = 5000, **law: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return Gaussian(**law).sample(n, torch.Generator().manual_seed(seed))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def arrays(seed: int = 0, n: int = 5000, **law: Any) -> tuple[np.ndarray, np.ndarray]:
    x, z = rows(seed, n, **law)
    return x.double().numpy(), z.double().numpy()


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("rho", [-0.9, 0.0, 0.5, 0.8])
def test_closed_forms_of_gaussians(dim: int, rho: float) -> None:
    x, z = arrays(n=10_000, dim=dim, rho=rho)
    truth = Gaussian(dim=dim, rho=rho).true_mi
    assert ksg(x, z) == pytest.approx(truth, abs=0.03)
    assert gaussian_mi(x, z) == pytest.approx(truth, abs=0.03)


@pytest.mark.parametrize("dim", [1, 2])
def test_closed_forms_on_the_mean_of_many_draws(dim: int) -> None:
    """One draw may be lucky. KSG's own bias at rho 0.8 is some 0.01 nats in two dimensions."""
    truth = Gaussian(dim=dim, rho=0.8).true_mi
    draws = [arrays(seed, n=10_000, dim=dim, rho=0.8) for seed in range(100, 110)]
    assert np.mean([ksg(*d) for d in draws]) == pytest.approx(truth, abs=0.03)
    assert np.mean([gaussian_mi(*d) for d in draws]) == pytest.approx(truth, abs=0.01)


def slow_ksg(x: np.ndarray, z: np.ndarray, k: int) -> float:
    """Equation 8 of the paper, row by row."""
    from scipy.special import digamma

    x, z = (x - x.mean(0)) / x.std(0), (z - z.mean(0)) / z.std(0)
    total = 0.0
    for i in range(len(x)):
        to_x, to_z = abs(x - x[i]).max(1), abs(z - z[i]).max(1)
        radius = np.sort(np.maximum(to_x, to_z))[k]
        total += digamma((to_x < radius).sum()) + digamma((to_z < radius).sum())
    return float(digamma(k) + digamma(len(x)) - total / len(x))


@pytest.mark.parametrize("dims", [(1, 1), (2, 3), (5, 5)])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("tree_dims", [0, 100])
def test_ksg_is_its_definition(
    dims: tuple[int, int], k: int, tree_dims: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "TREE_DIMS", tree_dims)
    monkeypatch.setattr(baselines, "DISTANCES_AT_ONCE", 7 * 300)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, dims[0]))
    z = x[:, :1] + rng.standard_normal((300, dims[1]))
    assert ksg(x, z, k) == pytest.approx(slow_ksg(x, z, k), abs=1e-12)


def test_ksg_sees_what_is_not_linear_and_does_not_see_scale() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (5000, 1))
    z = x**2 + 0.05 * rng.standard_normal((5000, 1))
    assert ksg(x, z) > 1
    assert gaussian_mi(x, z) < 0.01
    assert ksg(x * 1e6, z * 1e-6 + 3) == pytest.approx(ksg(x, z), abs=1e-3)


def test_the_gaussian_reference_is_unbiased_in_many_dimensions() -> None:
    found = [gaussian_mi(*arrays(seed, n=500, dim=10, rho=0.5)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(Gaussian(dim=10, rho=0.5).true_mi, abs=0.05)


def test_the_gaussian_reference_drops_dependent_and_constant_columns() -> None:
    x, z = arrays(dim=2, rho=0.8)
    more = np.column_stack([x, x @ [1, 2], np.ones(len(x))])
    assert gaussian_mi(more, z) == pytest.approx(gaussian_mi(x, z), abs=1e-6)


def test_both_references_of_plain_rows() -> None:
    found = references(*rows(dim=2, rho=0.8))
    assert found["ksg"]["estimate"] == pytest.approx(1.022, abs=0.05)
    assert found["gaussian"]["estimate"] == pytest.approx(1.022, abs=0.05)
    assert found["ksg"]["note"] == "k=3"
    assert found["gaussian"]["note"] == "linear dependence only"


PASTED = {
    "twice": torch.arange(600).repeat(2),
    "row by row": torch.arange(600).repeat_interleave(3),
    "a third of it": torch.cat([torch.arange(600), torch.arange(200)]),
    "and shuffled": torch.arange(600).repeat(2)[torch.randperm(1200, generator=seeded())],
}


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
def test_rows_that_were_pasted_again_count_once(pasted: torch.Tensor) -> None:
    """A copy is a row's nearest neighbour, at distance 0: KSG read 1.1 of 0.35 nats."""
    x, z = rows(n=600, dim=1)
    once, again = references(x, z), references(x[pasted], z[pasted])
    assert again["ksg"]["estimate"] == pytest.approx(once["ksg"]["estimate"], abs=1e-9)
    assert again["gaussian"]["estimate"] == pytest.approx(once["gaussian"]["estimate"], abs=1e-9)
    assert again["copula"]["error"] == pytest.approx(once["copula"]["error"], rel=0.3)


def test_ksg_is_not_to_be_trusted_in_many_dimensions() -> None:
    found = references(*rows(n=1000, dim=20, rho=0.5))["ksg"]
    assert found["note"] == "k=3; not to be trusted in 40 dimensions"
    assert found["estimate"] < 1.5  # of 2.877


LAWS: dict[str, Any] = {
    "Gaussian in the plane": Gaussian(dim=2, rho=0.8),
    "Gaussian in twenty dimensions": Gaussian(dim=20, rho=0.5),
    "independent": Gaussian(dim=1, rho=0.0),
    "dense": DenseGaussian(dim=3, rho=0.7),
    "Cauchy": Student(dim=2, degrees=1, rho=0.5),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_copula_reaches_the_information_of_elliptical_laws(law: Any) -> None:
    found = copula_bound(*law.sample(10_000, torch.Generator().manual_seed(1)))
    assert found is not None
    assert found.standard_error < 0.04
    assert -0.15 < found.value - law.true_mi < 3 * found.standard_error + 0.005


def test_a_copula_does_not_exceed_the_information_of_other_laws() -> None:
    for seed in range(5):
        x = torch.randn(5000, 1, generator=torch.Generator().manual_seed(seed))
        around = torch.cat([(3 * x).cos(), (3 * x).sin()], 1)  # no linear dependence at all
        z = around + torch.randn(around.shape, generator=torch.Generator().manual_seed(seed + 5))
        found = copula_bound(x, z)
        assert found is not None
        assert found.value < ksg(x.double().numpy(), z.double().numpy()) + 2 * found.standard_error


def test_a_copula_sees_no_scale_and_never_says_more_than_the_log_of_its_rows() -> None:
    x, z = rows(dim=2, rho=0.8)
    plain, bent = copula_bound(x, z), copula_bound(x.exp(), z**3 * 1e6)
    assert plain is not None
    assert bent is not None
    assert bent.value == pytest.approx(plain.value, abs=1e-3)
    same = copula_bound(x, x)
    assert same is not None
    assert 6 < same.value <= math.log(1001)


def test_a_copula_of_few_rows_of_many_columns_is_none() -> None:
    assert copula_bound(*rows(n=150, dim=20, rho=0.5)) is None
    assert "150 rows are too few for 40" in str(references(*rows(n=150, dim=20))["copula"]["note"])


X, Z = rows(n=600, dim=2)
CODE = torch.eye(3)[torch.arange(600) % 3]


@pytest.mark.parametrize(
    ("options", "ksg_note", "gaussian_note"),
    [
        ({"x": CODE, "x_categorical": True}, "skipped: x categorical", "skipped: x categorical"),
        (
            {"x_categorical": True, "z_categorical": True},
            "skipped: x and z categorical",
            "skipped: x and z categorical",
        ),
        (
            {"z": (Z * 3).round()},
            "% of the rows share their z with more than 3 others",
            "linear dependence only",
        ),
        ({"x": X[:20], "z": Z[:20]}, "skipped: 20 rows", "skipped: 20 rows"),
        ({"x": X * math.nan}, "skipped: x holds NaN", "skipped: x holds NaN"),
        ({"x": X * 0}, "skipped: x does not vary", "skipped: x does not vary"),
        ({"z": X * 2}, "k=3", "infinite: a column of x is linear in z"),
        ({"x": torch.rand(600, 1, 12, 12)}, "k=3; not to be", "600 rows for 146 columns"),
    ],
)
def test_notes(options: dict[str, Any], ksg_note: str, gaussian_note: str) -> None:
    found = references(**({"x": X, "z": Z} | options))
    assert ksg_note in str(found["ksg"]["note"])
    assert gaussian_note in str(found["gaussian"]["note"])
    for reference in found.values():
        estimate = reference["estimate"]
        assert estimate is None or math.isfinite(float(estimate))
        assert (estimate is None) == str(reference["note"]).startswith(("skipped", "infinite"))


def test_the_size_decides_and_never_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four columns of 600 rows are 720,000 differences; two columns are sorted, however many."""
    monkeypatch.setattr(baselines, "MOST_DIFFERENCES", 720_000)
    assert references(X, Z)["ksg"]["note"] == "k=3"
    monkeypatch.setattr(baselines, "MOST_DIFFERENCES", 719_999)
    skipped = references(X, Z)["ksg"]
    assert skipped == {"estimate": None, "note": "skipped: 600 rows of 4 columns are too many"}
    assert references(X[:, :1], Z[:, :1])["ksg"]["note"] == "k=3"


def test_a_few_ties_do_no_harm() -> None:
    x, z = X.clone(), Z.clone()
    x[:20], z[:20] = x[0], z[0]
    found = references(x, z)["ksg"]["estimate"]
    assert found == pytest.approx(references(X, Z)["ksg"]["estimate"], abs=0.1)
