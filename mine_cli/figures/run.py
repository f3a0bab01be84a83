"""Runs as their folders tell them: one, and the arms of a sweep, averaged over seeds."""

import csv
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, Self, TypeVar

from mine_cli.results.files import Result, read_json
from mine_cli.results.ledger import UNFINISHED, Ledger, Row, Setting
from mine_cli.results.numbers import known

__all__ = ["MISHAPS", "Arm", "Run", "arms_of"]

MISHAPS = ("diverged", "outrun")
UNREMARKABLE = (None, "running", "ok")


@dataclass(frozen=True)
class Run:
    """Reads the files of one run; whatever is not there yet, or never came, is None or empty.

    Arguments:
        folder: With result.json and metrics.csv.
        result: What stands in result.json.
    """

    folder: Path
    result: Result

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the run in a folder."""
        path = folder / "result.json"
        return cls(folder, read_json(path) if path.exists() else {})

    @property
    def status(self) -> str | None:
        """The status word; None where there is no result."""
        return self.result.get("status")

    def named(self, arm: str) -> str:
        """Returns arm and seed, and the status where it is one to know of."""
        seed, status = self.result.get("seed"), self.status
        parts = [arm, None if seed is None else f"seed {seed}"]
        parts.append(None if status in UNREMARKABLE else status)
        return ", ".join(part for part in parts if part)

    def metric(self, key: str) -> float | None:
        """Returns a finite number of the result's metrics."""
        return known(self.result.get("metrics") or {}, key)

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The rows of metrics.csv; none before the first."""
        path = self.folder / "metrics.csv"
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def curve(self, tag: str) -> tuple[list[int], list[float]]:
        """Returns the finite values of one column of metrics.csv: the steps, then the values."""
        found = {int(row["step"]): float(row[tag]) for row in self.rows if row.get(tag)}
        finite = {step: value for step, value in found.items() if math.isfinite(value)}
        return [*finite], [*finite.values()]


R = TypeVar("R", bound=Run)


@dataclass(frozen=True)
class Arm(Generic[R]):
    """Holds the ended runs of one arm of a sweep, one for each seed.

    Arguments:
        kind: What reads their folders.
        jobs: In the order of their seeds.
    """

    kind: type[R]
    jobs: Setting

    @cached_property
    def runs(self) -> Sequence[R]:
        """The runs, in the order of their seeds."""
        return [self.kind(row.folder, row.result) for row in self.jobs.rows]

    @property
    def sound(self) -> "Arm[R]":
        """The runs that neither diverged nor were outrun, if any."""
        kept = [row for row in self.jobs.rows if row.status not in MISHAPS]
        return Arm(self.kind, Setting({}, kept))

    def known(self, key: str) -> list[float]:
        """Returns a metric of all runs that know it and did not diverge."""
        return self.jobs.known(f"metrics.{key}")

    def mean(self, key: str) -> float | None:
        """Returns the mean of a metric over seeds."""
        return self.jobs.mean(f"metrics.{key}")

    def standard_error(self, key: str) -> float | None:
        """Returns that of the mean over seeds; None of fewer than two."""
        return self.jobs.standard_error(f"metrics.{key}")


def arms_of(
    sweep: Path, task: str, kind: type[R], arm_of: Callable[[R], Hashable]
) -> list[Arm[R]]:
    """Returns the ended runs of a task below a sweep's folder, gathered.

    Arguments:
        kind: What reads their folders.
        arm_of: What is the same in all runs of an arm.
    """
    found: dict[Hashable, list[Row]] = {}
    ended = [row for row in Ledger(sweep).rows if row.status not in UNFINISHED]
    for row in sorted(ended, key=lambda row: (row.result.get("seed") or 0, row.folder)):
        if row.result.get("task") == task:
            found.setdefault(arm_of(kind(row.folder, row.result)), []).append(row)
    return [Arm(kind, Setting({}, rows)) for rows in found.values()]
