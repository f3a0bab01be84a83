"""The difference of two bounds on the same rows, and its error."""

import math

import pytest
import torch

from mine_cli.bounds import DV
from mine_cli.estimator.difference import difference_error, error_by_folds
from mine_cli.estimator.evaluation import Evaluation, evaluate
from tests.conftest import GaussianLogRatio


def evaluation(rho: float, shift: int = 0) -> Evaluation:
    torch.manual_seed(shift)
    x = torch.randn(400, 1)
    z = rho * x + math.sqrt(1 - rho**2) * torch.randn(400, 1)
    return evaluate(GaussianLogRatio(1, rho), DV(), x, z, pairs=40_000)


def test_the_difference_of_a_value_from_itself_has_no_error() -> None:
    assert difference_error(evaluation(0.5), evaluation(0.5)) == 0


def test_errors_of_unlike_rows_add_as_squares() -> None:
    a, b = evaluation(0.7), evaluation(0.5, shift=1)
    together = math.hypot(a.standard_error, b.standard_error)
    assert difference_error(a, b) == pytest.approx(together, rel=0.15)


def test_what_training_left_is_seen_between_folds() -> None:
    assert error_by_folds([0.3]) == 0
    assert error_by_folds([0.1, 0.3]) == pytest.approx(0.1)
