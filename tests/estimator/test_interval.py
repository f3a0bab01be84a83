import pytest
import torch

from mine_cli.bounds import DV
from mine_cli.data.gaussian import Gaussian
from mine_cli.estimator.evaluation import Evaluation, evaluate
from mine_cli.estimator.interval import interval
from tests.conftest import GaussianLogRatio


@pytest.fixture(scope="module")
def report() -> Evaluation:
    x, z = Gaussian(dim=2, rho=0.8).sample(2000, torch.Generator().manual_seed(0))
    return evaluate(GaussianLogRatio(2, 0.8), DV(), x, z)


def shifted(report: Evaluation, by: float) -> Evaluation:
    """The same evaluation of critics that say more, or less, of the rows that trained them."""
    return Evaluation(**{**vars(report), "value": report.value + by})


def test_where_nothing_is_learned_by_heart_a_tenth_may_be_missed(report: Evaluation) -> None:
    for gap in (0.0, -0.3):
        low, high = interval(report, shifted(report, gap))
        margin = 1.96 * report.standard_error
        assert high - report.value == pytest.approx(margin + report.value / 10)
        assert report.value - low == pytest.approx(margin)


def test_nothing_is_missed_of_nothing(report: Evaluation) -> None:
    none = shifted(report, -report.value - 0.02)
    low, high = interval(none, none)
    assert high - none.value == pytest.approx(none.value - low)


@pytest.mark.parametrize("gap", [0.01, 0.1, 1.0])
def test_what_is_learned_by_heart_moves_the_upper_end_alone(
    report: Evaluation, gap: float
) -> None:
    low, high = interval(report, shifted(report, gap))
    same_low, same_high = interval(report, report)
    assert low == same_low
    assert high - same_high == pytest.approx(gap)


def test_it_holds_the_truth_of_the_true_log_ratio(report: Evaluation) -> None:
    low, high = interval(report, report)
    assert low < Gaussian(dim=2, rho=0.8).true_mi < high
