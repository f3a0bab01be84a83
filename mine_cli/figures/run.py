"""A run as its folder tells it: what result.json and metrics.csv say."""

import csv
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from mine_cli.results.files import Result, read_json
from mine_cli.results.numbers import known

__all__ = ["Run"]

UNREMARKABLE = (None, "running", "ok")


@dataclass(frozen=True)
class Run:
    """The files of one run; whatever is not there yet, or never came, is None or empty.

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
