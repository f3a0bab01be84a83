from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, multivariate_t

from mine_cli.data import finite_rows
from mine_cli.data.elliptical import DenseGaussian, SparseGaussian, Student
from mine_cli.data.laws import Law
from mine_cli.errors import BadInput

ROWS = 100_000


def dispersion(dim: int, rho: float, pairs: int | None = None) -> np.ndarray:
    if pairs is None:
        return np.full((2 * dim, 2 * dim), rho) + (1 - rho) * np.eye(2 * dim)
    found = np.eye(2 * dim)
    for i in range(pairs):
        found[i, dim + i] = found[dim + i, i] = rho
    return found


def log_ratio(x: np.ndarray, z: np.ndarray, shape: np.ndarray, degrees: int | None) -> np.ndarray:
    """log p(x, z) - log p(x) - log p(z), by scipy's densities."""
    m = x.shape[1]

    def log_density(rows: np.ndarray, block: np.ndarray) -> np.ndarray:
        if degrees is None:
            return multivariate_normal.logpdf(rows, cov=block)
        return multivariate_t.logpdf(rows, shape=block, df=degrees)

    apart = log_density(x, shape[:m, :m]) + log_density(z, shape[m:, m:])
    return log_density(np.concatenate([x, z], 1), shape) - apart


@pytest.mark.parametrize(
    ("law", "shape", "degrees", "truth"),
    [
        (DenseGaussian(1, 0.75), dispersion(1, 0.75), None, 0.4133),
        (DenseGaussian(1, -0.75), dispersion(1, -0.75), None, 0.4133),
        (DenseGaussian(5, 0.5), dispersion(5, 0.5), None, 0.5928),
        (DenseGaussian(50, 0.5), dispersion(50, 0.5), None, 1.6243),
        (SparseGaussian(3), dispersion(3, 0.8, 2), None, 1.0217),
        (SparseGaussian(25), dispersion(25, 0.8, 2), None, 1.0217),
        (SparseGaussian(4, 0.5, 3), dispersion(4, 0.5, 3), None, 0.4315),
        (Student(1, 1), dispersion(1, 0.0), 1, 0.2242),
        (Student(2, 1), dispersion(2, 0.0), 1, 0.4319),
        (Student(5, 2), dispersion(5, 0.0), 2, 0.4482),
        (Student(3, 3, rho=0.5), dispersion(3, 0.5), 3, None),
    ],
)
def test_truth_is_the_mean_log_ratio_of_a_sample(
    law: Law, shape: np.ndarray, degrees: int | None, truth: float | None
) -> None:
    rows = law.sample(ROWS, torch.Generator().manual_seed(0))
    x, z = (side.double().numpy() for side in rows)
    terms = log_ratio(x, z, shape, degrees)
    assert law.true_mi == pytest.approx(terms.mean(), abs=4 * terms.std() / ROWS**0.5)
    assert law.true_mi == pytest.approx(truth or law.true_mi, abs=1e-4)


def test_many_degrees_are_a_gaussian() -> None:
    assert Student(2, 100, rho=0.5).true_mi == pytest.approx(
        DenseGaussian(2, 0.5).true_mi, abs=1e-3
    )


def test_fixed_rows() -> None:
    assert finite_rows(Student()) is None
    rows = finite_rows(Student(n=200, seed=1))
    assert rows is not None
    assert rows.x.shape == rows.z.shape == (200, 2)
    assert rows.x.dtype == torch.float32
    assert rows.true_mi == Student().true_mi
    assert "common scale" in rows.true_mi_note


@pytest.mark.parametrize(
    ("kind", "values", "told"),
    [
        (DenseGaussian, {"rho": 1.0}, "dataset.rho=1.0"),
        (DenseGaussian, {"rho": -0.1}, "[0, 1)"),
        (DenseGaussian, {"dim": 0}, "dataset.dim=0"),
        (SparseGaussian, {"pairs": 4}, "1 to dataset.dim=3"),
        (SparseGaussian, {"rho": -1.0}, "(-1, 1)"),
        (Student, {"degrees": 0}, "1 to 100"),
        (Student, {"n": 0}, "dataset.n=0"),
    ],
)
def test_bad_parameters(kind: Any, values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        kind(**values)
    assert len(caught.value.faults) == 1
    assert told in caught.value.faults[0]


def test_a_scale_of_zero_gives_no_infinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standard normal is 0 once in many millions of float32 draws."""
    real = torch.randn

    def zeros(shape: Any, **options: Any) -> torch.Tensor:
        return torch.zeros(shape) if tuple(shape) == (5, 1) else real(shape, **options)

    monkeypatch.setattr(torch, "randn", zeros)
    x, z = Student(2, 1).draw(5, torch.Generator().manual_seed(0))
    assert torch.isfinite(x).all()
    assert torch.isfinite(z).all()
