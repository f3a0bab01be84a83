"""Fewer rows than networks can be trained on: closed forms, judged on rows that fitted none."""

import math

import numpy as np
import pytest

from mine_cli.data import Rows
from mine_cli.data.arrays import from_memory
from mine_cli.errors import BadInput
from mine_cli.tasks.mi_estimate.few_rows import FEWEST, estimate_of_few


def rows(n: int, seed: int, rho: float = 0.0) -> Rows:
    x, e = np.random.default_rng(seed).normal(size=(2, n))
    return from_memory(x, rho * x + math.sqrt(1 - rho**2) * e, fewest=FEWEST).rows()


def test_much_of_what_there_is_is_found_and_no_more() -> None:
    """What so few rows fit falls short of the truth, 0.511 nats at rho 0.8."""
    found = np.array([estimate_of_few(rows(60, seed, 0.8))[0]["estimate"] for seed in range(12)])
    truth = -0.5 * math.log(1 - 0.64)
    assert truth / 2 < found.mean() < truth + 3 * found.std() / math.sqrt(12)


@pytest.mark.slow
def test_independent_rows_are_seldom_called_dependent() -> None:
    found = [estimate_of_few(rows(24, seed), seed)[0] for seed in range(120)]
    p_values = np.array([one["p_value"] for one in found])
    assert (p_values <= 0.05).mean() < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 120)
    assert np.mean([one["estimate"] for one in found]) < 0.01


def test_two_coins_that_agree_share_log_2() -> None:
    coin = np.random.default_rng(0).integers(0, 2, 60)
    result, states = estimate_of_few(from_memory(coin, coin, fewest=FEWEST).rows())
    assert result["estimate"] == pytest.approx(math.log(2), abs=0.1)
    assert {state["fitted"][0][0] for state in states} == {"contingency"}
    assert (result["status"], result["p_value"]) == ("few_rows", result["least_p_value"])


def test_of_more_columns_than_rows_nothing_is_said() -> None:
    x, z = np.random.default_rng(0).normal(size=(2, 20, 30))
    result, _ = estimate_of_few(from_memory(x, z, fewest=FEWEST).rows())
    assert (result["estimate"], result["p_value"]) == (0, 1)


def test_fewer_than_ten_rows_are_refused() -> None:
    with pytest.raises(BadInput, match="9 rows: want at least 10"):
        estimate_of_few(Rows(*(side[:9] for side in (rows(12, 0).x, rows(12, 0).z))))
