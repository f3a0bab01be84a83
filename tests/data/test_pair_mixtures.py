import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from mine_cli.data.pair_mixtures import LAWS, PairMixture, information
from mine_cli.errors import BadInput


def density(rows: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    parts = zip(means, covariances, strict=True)
    return sum(multivariate_normal.pdf(rows, mean, cov) for mean, cov in parts) / len(means)


@pytest.mark.parametrize("law", ["cross", "letters"])
def test_truth_in_the_plane_against_an_integral(law: str) -> None:
    """The sum over a fine grid, of which both margins are sums as well."""
    means, covariances = (part.numpy() for part in LAWS[law][0]())
    axis = np.linspace(-6, 6, 1201)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    cell = (axis[1] - axis[0]) ** 2
    p = density(grid, means, covariances) * cell
    assert p.sum() == pytest.approx(1, abs=1e-4)
    apart = p.sum(1, keepdims=True) * p.sum(0)
    exact = (p * np.log(np.where(p > 0, p / np.maximum(apart, 1e-300), 1))).sum()
    truth, error = information(law)
    assert error < 0.002
    assert truth == pytest.approx(exact, abs=4 * error)


@pytest.mark.parametrize("law", [*LAWS])
def test_a_sample_has_the_truth_as_its_mean_log_ratio(law: str) -> None:
    """By scipy's densities, of rows that the law itself has drawn, before x is mapped."""
    mixture = PairMixture(law)
    mixture.map = None
    rows = mixture.sample(40_000, torch.Generator().manual_seed(3))
    x, z = (side.double().numpy() for side in rows)
    means, covariances = (part.numpy() for part in LAWS[law][0]())
    m = x.shape[1]
    joint = density(np.concatenate([x, z], 1), means, covariances)
    of_x = density(x, means[:, :m], covariances[:, :m, :m])
    of_z = density(z, means[:, m:], covariances[:, m:, m:])
    terms = np.log(joint / of_x / of_z)
    spread = np.hypot(terms.std() / len(terms) ** 0.5, information(law)[1])
    assert mixture.true_mi == pytest.approx(terms.mean(), abs=4 * spread)


@pytest.mark.parametrize("law", ["galaxy", "waves"])
def test_x_is_mapped_invertibly(law: str) -> None:
    mixture = PairMixture(law)
    assert mixture.map is not None
    slopes = [
        torch.linalg.det(
            torch.autograd.functional.jacobian(lambda x: mixture.map(x[None])[0], point)
        )
        for point in torch.randn((5, 2), generator=torch.Generator().manual_seed(0))
    ]
    # A map of constant volume that keeps the length, or one coordinate, merges no two points.
    assert torch.allclose(torch.stack(slopes), slopes[0], atol=1e-4)
    assert slopes[0] > 0.1


def test_notes_say_how_sure_the_truth_is() -> None:
    assert "400,000 draws, within 0.00" in PairMixture("cross").true_mi_note


def test_an_unknown_law() -> None:
    with pytest.raises(BadInput, match=r"dataset\.law=ring: want one of cross, letters"):
        PairMixture("ring")
