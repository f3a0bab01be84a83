"""The arms of a sweep: its ended runs gathered by what is compared, and averaged over seeds."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from mine_cli.figures.run import Run
from mine_cli.results.ledger import UNFINISHED, Ledger, Row, Setting

__all__ = ["MISHAPS", "Arm", "arms_of"]

MISHAPS = ("diverged", "outrun")

R = TypeVar("R", bound=Run)


@dataclass(frozen=True)
class Arm(Generic[R]):
    """The ended runs of one arm: seeds, whatever else was swept.

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
