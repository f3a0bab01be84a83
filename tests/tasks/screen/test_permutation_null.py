"""p-values against every permutation there is, q-values by hand, and both on independent data."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import kstest, moment

from mine_cli.tasks.screen.permutation_null import Null, null_given, null_of, p_value, q_values

RNG = np.random.default_rng(0)


def test_moments_are_those_of_all_permutations() -> None:
    scores = RNG.normal(size=(3, 4)) ** 3
    x, z = RNG.integers(0, 3, 7), RNG.integers(0, 4, 7)
    sums = [scores[x, z[list(order)]].sum() for order in itertools.permutations(range(7))]
    found = null_of(scores, x, z)
    assert found.found == pytest.approx(scores[x, z].sum())
    assert found.mean == pytest.approx(np.mean(sums))
    assert found.variance == pytest.approx(np.var(sums))
    assert found.third == pytest.approx(moment(sums, 3))


def test_moments_within_cells_are_those_of_all_permutations_that_keep_w() -> None:
    scores = RNG.normal(size=(3, 3, 4)) ** 3
    w = np.array([0, 1, 0, 1, 0, 1, 0, 2, 1, 0])  # five, four and one
    x, z = RNG.integers(0, 3, 10), RNG.integers(0, 4, 10)
    by_cell = []
    for cell in (0, 1):
        (rows,) = np.nonzero(w == cell)
        orders = itertools.permutations(rows)
        by_cell.append([scores[x[rows], cell, z[list(order)]].sum() for order in orders])
    found = null_given(scores, x, w, z)
    kept = w < 2  # a row alone in its cell cannot be permuted
    assert found.found == pytest.approx(scores[x, w, z][kept].sum())
    assert found.mean == pytest.approx(sum(map(np.mean, by_cell)))
    assert found.variance == pytest.approx(sum(map(np.var, by_cell)))
    assert found.third == pytest.approx(sum(moment(sums, 3) for sums in by_cell))


def test_two_rows_have_a_symmetric_null() -> None:
    found = null_of(RNG.normal(size=(2, 2)), np.array([0, 1]), np.array([1, 0]))
    assert found.third == 0
    assert found.variance > 0


def test_the_p_value_is_that_of_a_normal_law_where_nothing_is_skewed() -> None:
    parts = [Null(found=12.0, mean=10.0, variance=1.0, third=0.0)]
    assert p_value(parts) == pytest.approx(0.5 * math.erfc(2 / math.sqrt(2)))


def test_two_folds_count_as_if_they_told_the_same_twice() -> None:
    one = Null(found=12.0, mean=10.0, variance=1.0, third=0.0)
    assert p_value([one, one]) == pytest.approx(p_value([one]))


def test_a_skewed_law_has_a_longer_tail_and_never_a_shorter_one() -> None:
    def of(third: float) -> float:
        return p_value([Null(found=3.0, mean=0.0, variance=1.0, third=third)])

    assert of(-1.0) == of(0.0) < of(0.5) < of(1.0)


def test_a_score_that_says_nothing_has_p_one() -> None:
    x = RNG.integers(0, 3, 50)
    assert p_value([null_of(np.zeros((3, 3)), x, x)] * 2) == 1.0


def test_p_values_are_uniform_on_independent_rows_for_any_fixed_score() -> None:
    scores = np.exp(RNG.normal(size=(8, 8)))  # skewed
    found = [
        p_value([null_of(scores, RNG.integers(0, 8, 200), RNG.integers(0, 8, 200))])
        for _ in range(1000)
    ]
    assert kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) <= 0.065


def test_q_values_by_hand() -> None:
    # m p / rank: 0.04, 0.04, 0.0533, 0.5; each no larger than those after it.
    assert q_values([0.5, 0.01, 0.04, 0.02]) == pytest.approx([0.5, 0.04, 0.16 / 3, 0.04])
    assert q_values([]) == []


def test_q_values_keep_the_order_of_p_values() -> None:
    p = RNG.random(50)
    q = np.array(q_values(p.tolist()))
    assert (np.diff(q[np.argsort(p)]) >= 0).all()
    assert (q >= p).all()
