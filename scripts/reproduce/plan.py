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
    """One call of `mine-run -m`, under any budget.

    Arguments:
        experiment: of conf/experiment.
        seconds: budget -> what it takes on two CPU cores; nobody has measured a GPU.
        smoke: overrides that make it short.
        cpu: overrides that make it fit for a CPU, where it is not as it stands.
        gpu: overrides that make it faster on a GPU.
        always: overrides under every budget.
        on_gpu: the experiment in its place where there is a GPU.
    """

    experiment: str
    seconds: Mapping[str, float]
    smoke: Sequence[str] = ()
    cpu: Sequence[str] = ()
    gpu: Sequence[str] = ()
    always: Sequence[str] = ()
    on_gpu: str | None = None

    def arguments(self, budget: str) -> list[str]:
        """What `mine-run` is given."""
        experiment = (self.on_gpu if budget == "gpu" else None) or self.experiment
        own = {"smoke": self.smoke, "cpu": self.cpu, "gpu": self.gpu}[budget]
        return ["-m", f"experiment={experiment}", *own, *self.always]


@dataclass(frozen=True)
class Row:
    """One figure or table of the paper.

    Arguments:
        title: as in the paper.
        claim: what the paper shows there, in a sentence.
        sweeps: by their names.
        gather: makes the tables from the folders of the sweeps, by their names.
        draw: makes the figure from the tables.
        judge: compares the tables with the paper.
        seconds: budget -> what is taken beside the sweeps.
        classified: the key that names the classifier of images, which is trained before; None:
            there is none.
    """

    title: str
    claim: str
    sweeps: Mapping[str, Sweep]
    gather: Callable[[Mapping[str, Path]], Tables]
    draw: Callable[[Tables], Figure]
    judge: Callable[[Tables], list[Finding]]
    seconds: Mapping[str, float] = field(default_factory=dict)
    classified: str | None = None

    def expected(self, budget: str) -> float | None:
        """Seconds that the row takes under a budget, as far as that is known."""
        parts = [sweep.seconds.get(budget) for sweep in self.sweeps.values()]
        known = [part for part in parts if part is not None]
        return sum(known) + self.seconds.get(budget, 0.0) if len(known) == len(parts) else None
