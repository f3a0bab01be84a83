"""The runs of a sweep over `task=infobottleneck`, gathered by method and beta."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from mine_cli.figures.infobottleneck.run import (
    MEASURES,
    BottleneckRun,
    Look,
    Measure,
    arm_name,
    look_of,
    order_of,
)

__all__ = ["MISHAPS", "Group", "groups_of", "measure_of"]

MISHAPS = ("diverged", "outrun")


@dataclass(frozen=True)
class Group:
    """The ended runs of one method and beta: seeds, whatever else was swept.

    Arguments:
        method: Its name.
        beta: The weight of the information; 0 for a method without.
        runs: In the order of their seeds, at least one.
    """

    method: str
    beta: float
    runs: Sequence[BottleneckRun]

    @property
    def counted(self) -> list[BottleneckRun]:
        """The runs that have numbers: those that did not diverge."""
        return [run for run in self.runs if run.status != "diverged"]

    @property
    def name(self) -> str:
        return arm_name(self.method, self.beta, self.runs[0].information)

    @property
    def look(self) -> Look:
        return look_of(self.method)

    @property
    def marked(self) -> bool:
        """Whether a run diverged, or its encoder outran the critic."""
        return len(self.sound) < len(self.runs)

    @property
    def sound(self) -> list[BottleneckRun]:
        """The runs that neither diverged nor were outrun."""
        return [run for run in self.runs if run.status not in MISHAPS]

    @property
    def statuses(self) -> str:
        """How the runs ended, such as "2 ok, 1 outrun"."""
        counts = Counter(str(run.status) for run in self.runs)
        return ", ".join(f"{count} {status}" for status, count in counts.most_common())

    @property
    def seeds(self) -> str:
        """The runs in words, with those that ended in another way than well."""
        count = len(self.runs)
        said = "1 seed" if count == 1 else f"{count} seeds"
        odd = Counter(str(run.status) for run in self.runs if run.status != "ok")
        return ", ".join([said, *(f"{number} {status}" for status, number in odd.items())])

    @property
    def infinite(self) -> bool:
        """Whether I(X; Z) is infinite: z is a function of x with a density of its own."""
        return all(run.encoder == "Deterministic" for run in self.runs)

    def values(self, key: str) -> list[float]:
        """A metric of all counted runs that know it."""
        return [value for run in self.counted if (value := run.metric(key)) is not None]

    def mean(self, key: str) -> float | None:
        values = self.values(key)
        return fmean(values) if values else None

    def standard_error(self, key: str) -> float | None:
        """Of the mean over seeds; None of fewer than two."""
        values = self.values(key)
        return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None

    def binomial(self, key: str) -> float | None:
        """An error's own standard error by the number of test rows, for one run."""
        share, rows = self.mean(key), self.test_rows
        if share is None or rows is None:
            return None
        return math.sqrt(share * (1 - share) / rows)

    @property
    def test_rows(self) -> int | None:
        return next((run.test_rows for run in self.runs if run.test_rows), None)


def groups_of(sweep: Path) -> list[Group]:
    """The ended runs of the task below a sweep's folder: methods as in the paper, beta rising."""
    runs = [BottleneckRun.read(path.parent) for path in sweep.glob("*/result.json")]
    ended = [run for run in runs if run.ended]
    gathered: dict[tuple[str, float], list[BottleneckRun]] = {}
    for run in sorted(ended, key=lambda run: (run.result.get("seed") or 0, run.folder)):
        gathered.setdefault((run.method, run.beta), []).append(run)
    ordered = sorted(gathered.items(), key=lambda item: (order_of(item[0][0]), item[0][1]))
    return [Group(method, beta, found) for (method, beta), found in ordered]


def measure_of(groups: Iterable[Group]) -> Measure | None:
    """The best measure of I(X; Z) that all of these know, so that they can be compared."""
    groups = list(groups)
    for measure in MEASURES:
        if groups and all(group.values(measure.key) for group in groups):
            return measure
    return None
