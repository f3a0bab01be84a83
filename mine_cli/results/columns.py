"""The numbers by which the jobs of a sweep are compared: in its table and in its picture."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from mine_cli.results.numbers import is_loose, per_nat

__all__ = ["MAIN", "Column", "columns_of"]


ENDLESS = 1e6  # from here on nobody reads digits


@dataclass(frozen=True)
class Column:
    """A number of results.csv, and how it is shown.

    Arguments:
        name: Its column there.
        title: What it is called on the terminal and at an axis.
        kind: nats, shown in the unit of display; a share, in per cent; a count.
        upper: The column of its upper end, where it is the lower end of an interval.
        sign: "+" where a number above 0 is shown with it, as that of a difference is.
    """

    name: str
    title: str
    kind: Literal["nats", "share", "count"] = "nats"
    upper: str | None = None
    sign: Literal["", "+"] = ""

    def factor(self, units: str) -> float:
        """What a number of results.csv is multiplied by to be shown."""
        return {"nats": per_nat(units), "share": 100.0, "count": 1.0}[self.kind]

    def digits(self, alone: bool = False) -> int:
        """Behind the point; of a count that is no mean none."""
        return {"nats": 4, "share": 2, "count": 0 if alone else 1}[self.kind]

    def headed(self, units: str) -> str:
        """The title with the unit of what stands below it."""
        unit = {"nats": f" ({units})", "share": " (%)", "count": ""}[self.kind]
        return self.title + unit

    def shown(self, value: float | None, units: str, alone: bool = False) -> str:
        """A number with as many digits as its kind has; nothing for what is not known.

        Arguments:
            alone: Of one job, and no mean.
        """
        if value is None:
            return ""
        scaled = value * self.factor(units)
        form = f"z.{self.digits(alone)}f" if abs(scaled) < ENDLESS else ".3g"
        return f"{scaled:{self.sign}{form}}"

    def shown_spread(self, spread: float, units: str) -> str:
        """As the number itself; 0 for nothing alone: what rounds to it is the last digit."""
        least = 10.0 ** -self.digits() / self.factor(units)
        return self.shown(max(spread, least), units) if spread else "0"

    def or_more(self, find: Callable[[str], float | None]) -> str:
        """What stands before a number that is only known to be exceeded, most often nothing.

        Arguments:
            find: The numbers beside it, by column.
        """
        return "≥ " if self.upper is not None and is_loose(find(self.upper)) else ""


MAIN: dict[str, tuple[Column, ...]] = {
    "mi-estimate": (
        Column("estimate", "estimate"),
        Column("true_mi", "true MI"),
        Column("error", "error", sign="+"),
    ),
    "gan": (
        Column("metrics.kl", "KL"),
        Column("metrics.modes", "modes", "count"),
        Column("metrics.high_quality", "high quality", "share"),
        Column("metrics.js", "JS"),
    ),
    "infobottleneck": (
        Column("metrics.error_averaged", "error, samples averaged", "share"),
        Column("metrics.i_xz_term", "I(X;Z) by the term"),
        Column(
            "metrics.i_xz_reference", "I(X;Z) by the law", upper="metrics.i_xz_reference_upper"
        ),
        Column("metrics.i_zy", "I(Z;Y)"),
    ),
    "classifier": (Column("metrics.accuracy", "accuracy", "share"),),
}
"""Task -> its numbers; the first is what its jobs are judged by."""


def columns_of(tasks: Iterable[str], known: Iterable[str]) -> list[Column]:
    """The columns of these tasks that have a number in any job."""
    there = set(known)
    every = dict.fromkeys(column for task in tasks for column in MAIN.get(task, ()))
    return [column for column in every if column.name in there]
