"""The lines of a sweep's results.csv, gathered into the points of its picture."""

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from mine_cli.results.columns import Column, columns_of
from mine_cli.results.ledger import WITHOUT_NUMBERS
from mine_cli.results.numbers import in_words, standard_error

__all__ = ["Point", "SweepTable"]

Line = Mapping[str, str]


@dataclass(frozen=True)
class Point:
    """The jobs that differ in nothing but their seed.

    Arguments:
        values: Swept key -> value as typed, "" where the jobs were given none.
        lines: Of results.csv, at least one.
    """

    values: Mapping[str, str]
    lines: Sequence[Line]

    def known(self, name: str) -> list[float]:
        """A number of all jobs that have it and did not diverge; of repeats with one seed, one."""
        sound = [line for line in self.lines if line["status"] not in WITHOUT_NUMBERS]
        return [*{line["seed"]: float(line[name]) for line in sound if line.get(name)}.values()]

    def mean(self, name: str) -> float | None:
        found = self.known(name)
        return fmean(found) if found else None

    def interval(self, name: str) -> float:
        """Two standard errors of the mean over seeds; 0 where not known."""
        return 2 * (standard_error(name, self.known) or 0.0)

    @property
    def truth(self) -> float | None:
        """The true information in nats; a diverged job knows it as well."""
        return next((float(line["true_mi"]) for line in self.lines if line["true_mi"]), None)

    @property
    def statuses(self) -> Counter[str]:
        return Counter(line["status"] for line in self.lines)


@dataclass(frozen=True)
class SweepTable:
    """What results.csv says: the swept keys, and a point for each setting.

    Arguments:
        keys: What was swept, the seed only where nothing else was.
        points: In the order of the jobs.
        columns: The numbers by which the jobs are compared; the first is what they are judged by.
    """

    keys: Sequence[str]
    points: Sequence[Point]
    columns: Sequence[Column]

    @classmethod
    def read(cls, results_csv: Path) -> "SweepTable":
        with results_csv.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            lines, head = list(reader), list(reader.fieldnames or ())
        keys = head[head.index("job") + 1 : head.index("seed")] if lines else []
        keys = keys or ["seed"]
        gathered: dict[tuple[str, ...], list[Line]] = {}
        for line in lines:
            gathered.setdefault(tuple(line[key] for key in keys), []).append(line)
        points = [Point(dict(zip(keys, v, strict=True)), found) for v, found in gathered.items()]
        tasks = dict.fromkeys(line["task"] for line in lines if line["task"])
        columns = columns_of(tasks, head)
        known = [c for c in columns if any(point.known(c.name) for point in points)]
        return cls(keys, points, known)

    @property
    def lines(self) -> list[Line]:
        return [line for point in self.points for line in point.lines]

    def values(self, key: str) -> list[str]:
        """The values of a swept key: numbers ascending, else in the order of the jobs."""
        found = list(dict.fromkeys(point.values[key] for point in self.points))
        return sorted(found, key=float) if all(map(is_number, found)) else found

    def is_numeric(self, key: str) -> bool:
        return all(is_number(value) for value in self.values(key))

    def longest(self, keys: Sequence[str]) -> str:
        """The key with most values; of two the first."""
        return max(keys, key=lambda key: len(self.values(key)))

    def known_truth(self) -> float | None:
        """The truth that all settings share, in nats."""
        truths = [point.truth for point in self.points if point.truth is not None]
        return truths[0] if len({round(truth, 9) for truth in truths}) == 1 else None

    def seeds_in_words(self) -> str:
        """Of how many seeds the points are the mean."""
        counts = sorted({len(point.known(self.columns[0].name)) for point in self.points} - {0})
        most = counts[-1]
        if most == 1:
            return "one job each"
        return f"means of {most if counts[0] == most else f'{counts[0]} to {most}'} seeds"

    def spread_in_words(self) -> str:
        """What the intervals of means over seeds are, in two short lines where there is more."""
        own = any(point.known("standard_error") for point in self.points)
        said = in_words((column.name for column in self.columns), own)
        return said.replace(", ", ",\n")

    def truth_keys(self) -> list[str]:
        """The swept keys that decide the truth, which is known."""
        return [key for key in self.keys if key != "seed" and self.moves_truth(key)]

    def moves_truth(self, key: str) -> bool:
        """Whether points that differ in this key alone have different truths."""
        found: dict[Any, set[float]] = {}
        for point in self.points:
            if point.truth is not None:
                rest = tuple(value for other, value in point.values.items() if other != key)
                found.setdefault(rest, set()).add(round(point.truth, 9))
        return any(len(truths) > 1 for truths in found.values())


def is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False
