"""What the trainer knows of what it trains: the protocols of a task, alone and stacked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, Self, cast

import numpy
from torch import Tensor

from mine_cli.config.schemas import TrainerConf
from mine_cli.results.checkpoint import State

__all__ = ["Arrays", "CannotFuse", "StackableTask", "Stacked", "State", "Task", "stackable"]

Arrays = dict[str, numpy.ndarray]
"""What an evaluation leaves to look at, by its names in a file of NumPy's."""


class CannotFuse(Exception):
    """Several tasks cannot be trained as one model; the reason in a line."""


class Task(Protocol):
    """All that the trainer knows of what it trains.

    `best` is None or a new dictionary each time the select part found a better state;
    `finished` ends the training after an evaluation; `curve` holds the held-out value in nats at
    each evaluation.
    """

    trainer: TrainerConf
    best: State | None
    finished: bool
    curve: list[float]

    def train_step(self, step: int) -> Mapping[str, Tensor]:
        """One optimisation step (1, 2, ...); metrics as detached scalars, without a sync."""

    def evaluate(self, step: int) -> Mapping[str, float | None]:
        """Metrics on held-out rows, named as in TensorBoard: "mi/estimate", "mi/true"."""

    def arrays(self) -> Arrays:
        """What the latest evaluation leaves to look at; empty for nothing."""

    def parameters(self) -> Iterable[Tensor]:
        """The tensors that are trained."""

    def state_dict(self) -> State:
        """Everything that is needed to go on bit for bit."""

    def load_state_dict(self, state: State) -> None:
        """Takes back what `state_dict` gave."""


class Stacked(Protocol):
    """Several tasks that are stepped as one model."""

    @property
    def failed(self) -> bool:
        """Whether one of the tasks has failed in the latest step: its `metrics` raise."""

    def step(self, step: int) -> None:
        """One optimisation step (1, 2, ...) of every task."""


class StackableTask(Task, Protocol):
    """A task that can be stepped as one model with others of its shape."""

    def stack(self, others: Sequence[Self]) -> Stacked:
        """What steps this task and the others from now on."""

    def metrics(self) -> Mapping[str, Tensor]:
        """The metrics of this task's latest step, as `train_step` gives them."""

    def data(self) -> list[Tensor]:
        """The rows that this task holds for itself."""

    def shared_data(self) -> list[Tensor]:
        """The rows that it holds with all others in this process that are trained on them."""


def stackable(task: Task) -> StackableTask:
    """Returns the task of an experiment that has a fusion key."""
    return cast(StackableTask, task)
