"""What is said of a number that stands beside the paper's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pandas import DataFrame

__all__ = [
    "BEYOND",
    "MISSED",
    "NOT_COMPARABLE",
    "NOT_RUN",
    "REPRODUCED",
    "SHORTENED",
    "Finding",
    "judged",
    "means",
    "plus_minus",
]

REPRODUCED, MISSED, BEYOND, NOT_RUN = "reproduced", "not reproduced", "beyond", "not run"
SHORTENED = "not run at full size"
NOT_COMPARABLE = "not comparable"  # a smoke run


@dataclass(frozen=True)
class Finding:
    """One line of the record.

    Arguments:
        what: is compared.
        paper: what the paper says of it; empty where it says nothing.
        ours: what was measured, with its interval where there is one.
        target: what counts as reproduced; empty where nothing does.
        verdict: one of the words above. Beyond: the paper has no such number.
    """

    what: str
    paper: str
    ours: str
    target: str
    verdict: str


def judged(what: str, paper: str, ours: str, target: str, met: bool) -> Finding:
    """A finding that has a target."""
    return Finding(what, paper, ours, target, REPRODUCED if met else MISSED)


def means(frame: DataFrame, keys: Sequence[str], value: str) -> DataFrame:
    """Mean over seeds of a column, and two standard errors of it (NaN of one seed alone).

    Returns:
        The keys, `mean`, `interval` and `seeds`: a row for each setting.
    """
    found = frame.groupby(list(keys), sort=False, dropna=False)[value].agg(
        ["mean", "sem", "count"]
    )
    found["sem"] *= 2
    return found.rename(columns={"sem": "interval", "count": "seeds"}).reset_index()


def plus_minus(mean: float, interval: float, digits: int = 3) -> str:
    """A mean with its interval, where that is known."""
    around = "" if math.isnan(interval) else f" ± {interval:.{digits}f}"
    return f"{mean:.{digits}f}{around}"
