"""What a row of the reproduction is: its sweeps under each budget, and what is made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from findings import Finding
from matplotlib.figure import Figure
from pandas import DataFrame

__all__ = ["BUDGETS", "Row", "Sweep", "Tables"]

BUDGETS = {
    "smoke": "minutes on two CPU cores: does everything run? Its numbers are not comparable",
    "cpu": "hours on two CPU cores: all that they can honestly reach",
    "gpu": "the full protocols, on a GPU",
}

Tables = dict[str, DataFrame]
"""Name of a CSV -> its rows: all that a figure and its findings are made of."""


@dataclass(frozen=True)
class Sweep:
    """One call of `mine-run -m`.

    Arguments:
        experiment: of conf/experiment.
        seconds: that it takes, on two CPU cores or (budget=gpu) one GPU.
        overrides: in which the budget differs from the experiment.
    """

    experiment: str
    seconds: float
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """One figure or table of the paper.

    Arguments:
        title: as in the paper.
        claim: what the paper shows there, in a sentence.
        sweeps: budget -> name -> sweep; a budget that is missing cannot do this row.
        gather: makes the tables from the folders of the sweeps, by their names.
        draw: makes the figure from the tables.
        judge: compares the tables with the paper.
        seconds: that is taken beside the sweeps.
        classified: whether images are told apart by a classifier, which is trained before.
    """

    title: str
    claim: str
    sweeps: Mapping[str, Mapping[str, Sweep]]
    gather: Callable[[Mapping[str, Path]], Tables]
    draw: Callable[[Tables], Figure]
    judge: Callable[[Tables], list[Finding]]
    seconds: Mapping[str, float] = field(default_factory=dict)
    classified: bool = False

    def expected(self, budget: str) -> float:
        """Seconds that the row takes under a budget, 0 where it is not run."""
        sweeps = self.sweeps.get(budget, {})
        return sum(s.seconds for s in sweeps.values()) + self.seconds.get(budget, 0.0)
