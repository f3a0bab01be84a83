"""How sure a mean over seeds is: of the spread and the jobs' own standard errors the larger."""

import math
from statistics import stdev

import pytest

from mine_cli.results.numbers import in_words, standard_error

AGREEING = {"estimate": [0.0981, 0.09813], "standard_error": [0.004, 0.003]}
OWN = math.sqrt((0.004**2 + 0.003**2) / 2)


def of(name: str, **columns: list[float]) -> float | None:
    return standard_error(name, lambda column: columns.get(column, []))


def test_seeds_that_agree_have_their_own() -> None:
    assert of("estimate", **AGREEING) == pytest.approx(OWN / math.sqrt(2))
    assert of("error", error=[0.1, 0.1], standard_error=[0.2, 0.2]) == pytest.approx(0.2 / 2**0.5)


def test_seeds_that_differ_have_their_spread() -> None:
    values = [0.1, 0.2, 0.4]
    found = of("estimate", estimate=values, standard_error=[0.001] * 3)
    assert found == pytest.approx(stdev(values) / math.sqrt(3))


def test_fixed_rows_are_the_same_for_all_seeds() -> None:
    assert of("estimate", **AGREEING, fit_value=[0.1, 0.1]) == pytest.approx(OWN)


def test_one_seed_has_its_own() -> None:
    assert of("estimate", estimate=[0.1], standard_error=[0.02]) == 0.02
    assert of("estimate", estimate=[0.1]) is of("estimate") is None
    assert of("estimate", standard_error=[0.02]) is None


def test_other_numbers_have_the_spread_alone() -> None:
    found = {"metrics.kl": [0.1, 0.3], "standard_error": [5.0, 5.0]}
    assert of("metrics.kl", **found) == pytest.approx(0.1)
    assert of("metrics.kl", **{"metrics.kl": [0.1]}) is None


def test_the_words_say_whose() -> None:
    assert in_words(["estimate", "true_mi"], own=True).endswith("where that is more")
    for names, own in ((["estimate"], False), (["metrics.kl"], True)):
        assert in_words(names, own) == "one standard error over seeds"
