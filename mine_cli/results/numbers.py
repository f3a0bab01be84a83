"""Numbers for display and their uncertainty: one rule for tables, summaries and pictures."""

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, stdev

from mine_cli.results.files import Result

__all__ = [
    "WITH_OWN", "chance", "in_words", "is_loose", "known", "p_value", "per_nat", "standard_error",
]  # fmt: skip

WITH_OWN = ("estimate", "error")
"""The numbers that a job knows the standard error of."""


def standard_error(name: str, known: Callable[[str], Sequence[float]]) -> float | None:
    """Returns the standard error of a mean over seeds; None where nothing is known of it.

    It is that of the spread over seeds or, of an estimate, what the jobs' own standard errors
    (their root mean square) leave of their mean, whichever is larger: two seeds may agree by
    chance.

    Arguments:
        name: Of the number, a column of results.csv.
        known: A column's numbers, of one job for each seed.
    """
    values = known(name)
    found = [stdev(values) / math.sqrt(len(values))] if len(values) > 1 else []
    own = known("standard_error") if values and name in WITH_OWN else []
    if own:
        size = math.sqrt(fmean(error**2 for error in own))
        # Fresh draws are each seed's own, and have no `fit_value`. The seeds of fixed rows are
        # reported on rows that overlap, with folds on the same ones: more seeds are no more rows.
        found.append(size if known("fit_value") else size / math.sqrt(len(own)))
    return max(found, default=None)


def in_words(names: Iterable[str], own: bool, errors: str = "one standard error") -> str:
    """Returns what the intervals of means over seeds of these numbers are, in words.

    Arguments:
        own: Whether any job knows its own standard error.
        errors: How many: tables have one standard error behind ±, pictures two to each side.
    """
    theirs = own and any(name in WITH_OWN for name in names)
    more = ", or by the jobs' own where that is more" if theirs else ""
    return f"{errors} over seeds{more}"


def p_value(result: Result) -> str:
    """Returns a result's p-value for a table; nothing where there is none."""
    found = known(result, "p_value")
    if found is None:
        return ""
    return f"{'≤ ' if found == known(result, 'least_p_value') else ''}{found:.3f}"


SMALLEST = 1e-99  # probabilities: below it no tail is known so well
LOOSE = 100.0  # nats: an upper end from here on says nothing of where the lower one stands


def per_nat(unit: str) -> float:
    """Returns how many of the unit make one nat: 1 for "nats", 1 / ln 2 for "bits"."""
    return {"nats": 1.0, "bits": 1.0 / math.log(2.0)}[unit]


def chance(probability: float) -> str:
    """Returns a p- or q-value in two digits; of the smallest, that they are."""
    return f"{probability:.2g}" if probability >= SMALLEST else f"< {SMALLEST:g}"


def is_loose(upper: float | None) -> bool:
    """Returns whether an interval in nats has no useful upper end: its lower one is a ceiling."""
    return upper is None or upper >= LOOSE


def known(values: Result, key: str) -> float | None:
    """Returns a finite number, or None for what is missing, null or infinite."""
    found = values.get(key)
    return float(found) if found is not None and math.isfinite(found) else None
