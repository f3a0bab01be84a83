"""The log-ratio of Gaussian and Student vectors in closed form."""

import math

import pytest
import torch
from scipy import stats
from torch import Generator, Tensor

from mine_cli.bounds import DV
from mine_cli.data.elliptical import Student
from mine_cli.data.margins import NormalScores
from mine_cli.estimator.evaluation import evaluate
from mine_cli.networks.elliptical import (
    Elliptical,
    above_chance,
    dispersion,
    distances,
    t_scores,
)


def gaussian(n: int, rho: float, dim: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    x, noise = torch.randn(2, n, dim, generator=Generator().manual_seed(seed), dtype=torch.float64)
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def value(network: Elliptical, x: Tensor, z: Tensor) -> float:
    """The mean log-ratio of paired rows."""
    return float(network(x, z).double().mean())


def test_it_is_the_log_ratio_of_a_gaussian() -> None:
    """Beside scipy's densities, at the correlation that was fitted."""
    x, z = gaussian(4000, 0.6)
    found = Elliptical.fit(x, z)
    assert found.nu == math.inf
    r = float(found.correlations[0])
    assert r == pytest.approx(0.6, abs=0.03)
    joint = stats.multivariate_normal(cov=[[1, r], [r, 1]])
    rows = torch.cat([x, z], 1)[:50]
    scales = 1 / found.to_u.abs().item(), 1 / found.to_v.abs().item()
    unit = rows / torch.tensor(scales)
    expected = joint.logpdf(unit.numpy()) - stats.norm.logpdf(unit.numpy()).sum(1)
    assert torch.allclose(found(x[:50], z[:50]).double(), torch.tensor(expected), atol=1e-4)


@pytest.mark.parametrize("nu", [1.0, 3.0])
def test_it_is_the_log_ratio_of_a_student_vector(nu: float) -> None:
    """At unit dispersion the parts are dependent by their common scale alone."""
    m, n = 2, 1
    network = Elliptical(nu, torch.zeros(0).double(), torch.eye(m).double(), torch.eye(n).double())
    scores = torch.randn(40, m + n, generator=Generator().manual_seed(1), dtype=torch.float64)
    t = t_scores(scores, nu).numpy()
    logs = [
        stats.multivariate_t(shape=torch.eye(d).numpy(), df=nu).logpdf(part)
        for d, part in ((m + n, t), (m, t[:, :m]), (n, t[:, m:]))
    ]
    found = network(scores[:, :m], scores[:, m:]).double()
    assert torch.allclose(found, torch.tensor(logs[0] - logs[1] - logs[2]), atol=1e-4)


@pytest.mark.parametrize("nu", [1.0, 2.0])
def test_student_rows_give_their_information(nu: float) -> None:
    """Of fresh rows, within three errors of the closed form (Czyz et al., 2023, section 3)."""
    n, d = 6000, 2
    normal = torch.randn(2 * n, 2 * d, generator=Generator().manual_seed(0), dtype=torch.float64)
    scale = torch.from_numpy(stats.chi2(nu).rvs((2 * n, 1), random_state=0)) / nu
    rows = normal / scale.sqrt()
    x, z = rows[:, :d], rows[:, d:]
    margins = [NormalScores.fit(side[:n]) for side in (x, z)]
    seen = [margin(side) for margin, side in zip(margins, (x, z), strict=True)]
    network = Elliptical.fit(*(side[:n] for side in seen))
    assert network.nu == nu
    gap = network(*(side[n:] for side in seen)).double()
    entropy = stats.multivariate_t
    h = [entropy(shape=torch.eye(k).numpy(), df=nu).entropy() for k in (d, d, 2 * d)]
    truth = h[0] + h[1] - h[2]
    assert float(gap.mean()) == pytest.approx(
        truth, abs=3 * float(gap.std()) / math.sqrt(n) + 0.01
    )


@pytest.mark.parametrize("nu", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_a_dispersion_is_fitted_whatever_the_covariance(nu: float, dim: int) -> None:
    """Of Cauchy rows that is millions: no fixed number of plain EM steps would shrink it to 1."""
    n = 6000
    rows = stats.multivariate_t(shape=torch.eye(2 * dim).numpy(), df=nu).rvs(n, random_state=dim)
    drawn = torch.from_numpy(rows)
    scores = t_scores(NormalScores.fit(drawn)(drawn).double(), nu)
    _, shape = dispersion(scores, nu)
    assert torch.allclose(shape, torch.eye(2 * dim).double(), atol=0.06)
    weights = (nu + 2 * dim) / (nu + distances(scores, shape))  # the likelihood's own equation
    again = (scores * weights[:, None]).T @ scores / n
    assert torch.allclose(again, shape, atol=1e-3)


def test_a_row_beyond_all_fitted_ones_is_as_far_out_as_these() -> None:
    x, z = gaussian(1000, 0.5)
    found = Elliptical.fit(x, z)
    furthest = torch.tensor([[max(float(x.abs().max()), float(z.abs().max()))]]).double()
    for sign in (-1, 1):
        at, beyond = (found(sign * scale * furthest, furthest / 2) for scale in (1, 3))
        assert at == beyond
    again = Elliptical.of(found.state_dict())
    assert torch.equal(again(5 * x, z), found(5 * x, z))
    older = {name: value for name, value in found.state_dict().items() if name != "furthest"}
    assert torch.equal(Elliptical.of(older)(x, z), found(x, z))


@pytest.mark.parametrize(("columns", "nu"), [(2, 1), (3, 2), (5, 3)])
def test_few_rows_of_heavy_tails_are_not_thrown_by_the_next_ones(columns: int, nu: int) -> None:
    """800 rows fit, 200 are new, some of them further out than all before: five draws' mean."""
    law, values = Student(columns, nu), []
    for seed in range(5):
        x, z = law.sample(1000, Generator().manual_seed(seed))
        margins = [NormalScores.fit(side[:800]) for side in (x, z)]
        seen = [margin(side) for margin, side in zip(margins, (x, z), strict=True)]
        network = Elliptical.fit(*(side[:800] for side in seen))
        new = [side[800:] for side in seen]
        values.append(evaluate(network, DV(), *new, negatives=150).value)
    assert sum(values) / 5 == pytest.approx(law.true_mi, abs=0.1)


def test_many_columns_of_few_rows_do_not_overfit() -> None:
    """25 by 25 columns, one related pair: on fresh rows the value is near the truth."""
    x, z = gaussian(1500, 0.0, 25)
    z[:, 3] = 0.8 * x[:, 7] + 0.6 * z[:, 3]
    found = Elliptical.fit(x[:1000], z[:1000])
    assert len(found.correlations) == 1
    assert value(found, x[1000:], z[1000:]) == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.1)


def test_independent_columns_leave_no_correlation() -> None:
    x, z = gaussian(1000, 0.0, 20)
    assert len(Elliptical.fit(x, z).correlations) <= 1
    assert abs(value(Elliptical.fit(x, z), *gaussian(1000, 0.0, 20, seed=1))) < 0.02


def test_columns_that_follow_from_others_are_no_obstacle() -> None:
    x, z = gaussian(2000, 0.7)
    doubled = torch.cat([x, 2 * x], 1)
    found = value(Elliptical.fit(doubled, z), doubled, z)
    assert found == pytest.approx(value(Elliptical.fit(x, z), x, z), abs=0.02)


def test_too_few_rows_fit_nothing() -> None:
    assert Elliptical.fit(*gaussian(30, 0.5, 8)) is None


def test_the_population_correlation_is_found_from_the_sample_ones() -> None:
    """By the limit it inverts, and by a sample of many columns."""
    a, b, r2 = 0.1, 0.2, 0.64
    gamma = r2 * (1 - a + a / r2) * (1 - b + b / r2)
    (found,) = above_chance(torch.tensor([math.sqrt(gamma)]).double(), a, b)
    assert found.item() ** 2 == pytest.approx(r2)
    assert len(above_chance(torch.tensor([0.5]).double(), a, b)) == 0


def test_rows_far_beyond_any_other_have_finite_scores() -> None:
    one = torch.eye(1).double()
    network = Elliptical(1.0, torch.tensor([0.9]).double(), one, one)
    far = torch.tensor([[-50.0], [0.0], [50.0]])
    assert torch.isfinite(network(far, far.flip(0))).all()


def test_it_comes_back_from_its_state() -> None:
    x, z = gaussian(500, 0.5, 2)
    network = Elliptical.fit(x, z)
    assert torch.equal(Elliptical.of(network.state_dict())(x, z), network(x, z))
