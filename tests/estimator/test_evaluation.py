"""Standard errors against redraws, identities, and the memory of a large crossing."""

import resource
import subprocess
import sys

import pytest
import torch
from torch import nn

from mine_cli.bounds import BOUNDS, DV, InfoNCE, MineF, OneFormula, Smile
from mine_cli.data.gaussian import Gaussian
from mine_cli.estimator.evaluation import Evaluation, cross_scores, evaluate, pool
from tests.conftest import GaussianLogRatio


def options(bound: nn.Module) -> dict[str, int]:
    return {"negatives": 200 if bound.needs == "matrix" else 50}


@pytest.mark.parametrize("name", [*BOUNDS, pytest.param("own", marks=pytest.mark.slow)])
def test_standard_error_is_the_spread_over_redraws(name: str) -> None:
    law, generator = Gaussian(dim=2, rho=0.8), torch.Generator().manual_seed(1)
    bound = OneFormula(DV().value) if name == "own" else BOUNDS[name]()
    network = GaussianLogRatio(2, 0.8)
    found = [
        evaluate(network, bound, *law.sample(1000, generator), **options(bound))
        for _ in range(200)
    ]
    spread = torch.tensor([f.value for f in found]).std().item()
    error = sum(f.standard_error for f in found) / len(found)
    assert error == pytest.approx(spread, rel=0.15)


def test_standard_error_with_heavy_tails_and_few_pairs_a_row() -> None:
    # e^T has a coefficient of variation of 18 here: what 20 pairs a row add must be counted once.
    law, generator = Gaussian(dim=20, rho=0.5), torch.Generator().manual_seed(2)
    found = [
        evaluate(GaussianLogRatio(20, 0.5), MineF(), *law.sample(2000, generator), pairs=1)
        for _ in range(200)
    ]
    assert found[0].negatives == 20
    spread = torch.tensor([f.value for f in found]).std().item()
    error = sum(f.standard_error for f in found) / len(found)
    assert error == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("name", list(BOUNDS))
def test_the_evaluators_value_is_the_bounds_own(name: str) -> None:
    x, z = Gaussian(dim=2, rho=0.8).sample(300, torch.Generator().manual_seed(0))
    network, bound = GaussianLogRatio(2, 0.8), BOUNDS[name]()
    found = evaluate(network, bound, x, z, negatives=299)
    matrix = network.head(x[:, None], z[None])
    others = matrix[~torch.eye(300, dtype=torch.bool)].reshape(300, 299)
    assert found.value == pytest.approx(bound.value(matrix.diagonal(), others).item(), rel=1e-5)


def test_no_joint_pair_counts_as_marginal_and_every_shift_is_new() -> None:
    class Index(nn.Module):
        def embed(self, x: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, z

        def head(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return ((b - a) % 50).squeeze(-1)

    rows = torch.arange(50.0)[:, None]
    t_joint, t_marginal = cross_scores(Index(), rows, rows, [3, 49, 10])
    assert (t_joint == 0).all()
    assert t_marginal.tolist() == [[3.0] * 50, [49.0] * 50, [10.0] * 50]


def test_constant_scores_are_worth_nothing_with_no_error() -> None:
    class Constant(nn.Module):
        def embed(self, x: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, z

        def head(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return torch.full(torch.broadcast_shapes(a.shape, b.shape)[:-1], 7.0)

    x = torch.randn(200, 1)
    found = evaluate(Constant(), DV(), x, x, constant=7.0)
    assert found.value == pytest.approx(0, abs=1e-6)
    assert found.standard_error == pytest.approx(0, abs=1e-6)
    assert found.lower_bound == pytest.approx(0, abs=1e-6)
    assert found.effective_sample_size == pytest.approx(200)


def test_the_lower_bound_is_below_donsker_varadhan_and_touches_it_at_its_own_constant() -> None:
    x, z = Gaussian(dim=2, rho=0.8).sample(500, torch.Generator().manual_seed(0))
    network = GaussianLogRatio(2, 0.8)
    own = evaluate(network, DV(), x, z).log_partition
    at_own, off = (evaluate(network, DV(), x, z, constant=own + by) for by in (0.0, 0.3))
    assert at_own.lower_bound == pytest.approx(at_own.value, abs=1e-6)
    assert off.lower_bound is not None
    assert off.lower_bound < off.value


def test_smile_reports_the_partition_of_the_unclipped_scores() -> None:
    x, z = Gaussian(dim=2, rho=0.99).sample(500, torch.Generator().manual_seed(0))
    network = GaussianLogRatio(2, 0.99)
    clipped, plain = (evaluate(network, b, x, z) for b in (Smile(clip=0.5), DV()))
    assert clipped.log_partition == pytest.approx(plain.log_partition)
    assert clipped.value != pytest.approx(plain.value, abs=0.1)


def test_infonce_at_its_training_number_of_negatives() -> None:
    x, z = Gaussian(mi=10.0, dim=4).sample(2000, torch.Generator().manual_seed(0))
    network = GaussianLogRatio(4, Gaussian(mi=10.0, dim=4).rho)
    found = evaluate(network, InfoNCE(), x, z, negatives=1000, training_negatives=15)
    assert found.training_negatives == 15
    assert found.at_training_negatives is not None
    assert found.at_training_negatives < torch.tensor(16.0).log()
    assert found.value < torch.tensor(1001.0).log()


def test_pooling_is_the_row_weighted_mean_with_every_rows_influence() -> None:
    law, generator = Gaussian(dim=2, rho=0.8), torch.Generator().manual_seed(0)
    parts = [
        evaluate(GaussianLogRatio(2, 0.8), DV(), *law.sample(n, generator), constant=0.0)
        for n in (300, 700)
    ]
    pooled = pool(parts)
    assert pooled.value == pytest.approx(0.3 * parts[0].value + 0.7 * parts[1].value)
    assert pooled.rows == 1000
    assert pooled.marginal_pairs == sum(p.marginal_pairs for p in parts)
    assert 0.5 < pooled.standard_error / (parts[0].standard_error * 0.3**0.5) < 2


def test_one_part_is_pooled_as_it_is() -> None:
    part = evaluate(GaussianLogRatio(1, 0.5), DV(), *Gaussian(dim=1, rho=0.5).sample(
        100, torch.Generator().manual_seed(0)))  # fmt: skip
    assert isinstance(pool([part]), Evaluation)
    assert pool([part]) is part


MILLIONS = """
import resource, torch
from mine_cli.bounds import DV
from mine_cli.estimator.evaluation import evaluate
from mine_cli.networks import MLP
torch.set_num_threads(1)
x, z = torch.randn(2, 10_001, 2)
network = MLP((2,), (2,), widths=[8])
with torch.no_grad():
    evaluate(network, DV(), x, z, pairs=1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = evaluate(network, DV(), x, z, negatives=10_000)
print(found.marginal_pairs, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RUSAGE_SELF"), reason="no resource usage here")
def test_a_hundred_million_pairs_fit_in_a_gigabyte() -> None:
    done = subprocess.run([sys.executable, "-c", MILLIONS], capture_output=True, check=True)
    pairs, kilobytes = map(int, done.stdout.split())
    assert pairs == 10_001 * 10_000
    assert kilobytes < 1_000_000


def clustered(psi: torch.Tensor, clusters: torch.Tensor | None, whole: bool = True) -> Evaluation:
    ones = torch.ones_like(psi)
    return Evaluation(
        0.0, 0.0, torch.empty(0), 0.0, None, psi, 0.0, ones, ones, 1, 1,
        clusters=clusters, whole=whole,
    )  # fmt: skip


def test_rows_seen_twice_are_worth_one() -> None:
    psi = torch.randn(100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    once = clustered(psi, None)
    twice = clustered(psi.repeat(2), torch.arange(100).repeat(2))
    assert twice.standard_error == pytest.approx(once.standard_error)
    assert twice.units == once.units == 100
    assert twice.effective_sample_size == pytest.approx(once.effective_sample_size)
    assert clustered(psi.repeat(2), None).standard_error < 0.75 * once.standard_error


def test_rows_in_clusters_of_one_are_rows() -> None:
    psi = torch.randn(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    alone = clustered(psi, torch.randperm(50))
    assert alone.standard_error == pytest.approx(clustered(psi, None).standard_error)
    assert alone.standard_error == pytest.approx(psi.std().item() / 50**0.5)


def test_batch_means_see_how_slowly_a_series_moves() -> None:
    """An autoregression with coefficient a: its mean varies (1 + a) / (1 - a) times as much."""
    generator, a = torch.Generator().manual_seed(0), 0.8
    noise = torch.randn(200, 4000, generator=generator, dtype=torch.float64)
    series = torch.zeros_like(noise)
    for t in range(1, noise.shape[1]):
        series[:, t] = a * series[:, t - 1] + noise[:, t]
    batches = torch.arange(4000) // 63
    found = [clustered(row, batches, whole=False) for row in series]
    spread = series.mean(1).std().item()
    error = sum(f.standard_error for f in found) / len(found)
    assert error == pytest.approx(spread, rel=0.15)
    assert found[0].units == 4000
    assert clustered(series[0], None).standard_error < 0.5 * spread


def test_pooled_folds_keep_their_clusters() -> None:
    psi = torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(60) // 6
    pooled = pool([clustered(psi[:30], labels[:30]), clustered(psi[30:], labels[30:])])
    assert pooled.standard_error == pytest.approx(clustered(psi, labels).standard_error)
    assert pooled.units == 10
