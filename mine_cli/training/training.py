"""The training of one task: its steps, evaluations, logs and checkpoints, each at its interval."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from mine_cli.config.schemas import TrainerConf
from mine_cli.errors import BadInput, Diverged, error_lines
from mine_cli.results.checkpoint import save
from mine_cli.results.folder import RunFolder
from mine_cli.training.progress import Progress
from mine_cli.training.rng import random_state, restore_random_state
from mine_cli.training.task import Arrays, State, Task

__all__ = ["UNFIT", "Training", "TrainingRecord"]

UNFIT = (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError)
"""What networks and optimisers raise at the state of others, or at a damaged one."""


@dataclass
class TrainingRecord:
    """How far a training came and where its time went, over all its resumptions."""

    status: str = "trained"
    steps: int = 0
    seconds: float = 0.0
    stepping_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    checkpoint_seconds: float = 0.0
    logging_seconds: float = 0.0

    @property
    def steps_per_second(self) -> float:
        """Optimisation steps per second of stepping, evaluations left out."""
        return self.steps / self.stepping_seconds if self.stepping_seconds else 0.0


class Training:
    """One task on its way: its record, its metrics and its checkpoints.

    Arguments:
        task: What is trained.
        conf: Steps, intervals and display.
        folder: Where metrics and checkpoints go; None keeps everything in memory.
        unit: "nats" or "bits", for the display.
        state: The checkpoint to go on from, as `checkpoint.latest` reads it.
        progress: Whether a bar may be shown (it is where stderr is a terminal); None: as in
            `conf`.
        look: Draws what is to be seen at an evaluation from the folder's files, for TensorBoard.
        trained_on: What a checkpoint says of the data: their fingerprint.
        counted: What a step is called, in the plural.
    """

    def __init__(
        self,
        task: Task,
        conf: TrainerConf,
        folder: RunFolder | None = None,
        unit: str = "nats",
        state: State | None = None,
        progress: bool | None = None,
        look: Callable[[Path, int], Mapping[str, Path]] | None = None,
        trained_on: str | None = None,
        counted: str = "steps",
    ) -> None:
        self.task, self.folder, self.state = task, folder, state
        self.look, self.trained_on = look, trained_on
        self.steps = conf.steps
        self.log_every = conf.log_every
        self.evaluate_every = conf.evaluate_every or max(1, conf.steps // 12)
        self.checkpoint_every = conf.checkpoint_every or self.evaluate_every
        shown = conf.progress if progress is None else progress
        self.progress = Progress(conf.steps, unit, shown, counted)
        self.record = TrainingRecord()
        self.failure: Exception | None = None
        self.saved_best: State | None = None
        self.saved_step: int | None = None
        self.paused = 0
        self.mark = 0.0

    def start(self) -> None:
        """Begins: at a checkpoint, or with the untrained networks, which are looked at."""
        if self.state is not None:
            self.restore(self.state)
        self.mark = time.perf_counter()
        if self.state is None:
            self.look_at({})
            self.checkpoint()
        self.state = None

    @property
    def over(self) -> bool:
        """Whether the last step was taken, or the task wants no more."""
        return self.task.finished or self.record.steps >= self.steps

    def next_pause(self, step: int) -> int:
        """The next step after which something is logged, evaluated or saved."""
        intervals = (self.log_every, self.evaluate_every, self.checkpoint_every)
        return min(self.steps, *(step - step % every + every for every in intervals))

    def look_at(self, metrics: Mapping[str, Tensor]) -> None:
        """What is due but the checkpoint; reading the metrics is the one wait for the device."""
        step = self.record.steps
        num_steps, self.paused = step - self.paused, step
        row: dict[str, float] = {tag: float(value) for tag, value in metrics.items()}
        seconds = self.lap("stepping_seconds")
        self.guard(not_finite(row))
        evaluated = step == self.steps or step % self.evaluate_every == 0
        if evaluated:
            found = self.task.evaluate(step)
            row |= {tag: float(value) for tag, value in found.items() if value is not None}
            self.keep(step, self.task.arrays())
            self.lap("evaluation_seconds")
            self.guard(not_finite(row))
        if evaluated or step % self.log_every == 0:
            if num_steps:
                row["gradient_norm"] = gradient_norm(self.task.parameters())
                row["time/steps_per_second"] = num_steps / seconds
            row["time/seconds"] = self.record.seconds
            if self.folder is not None:
                self.folder.log(step, row)
            self.progress.show(step, row)
            self.lap("logging_seconds")

    @property
    def saves(self) -> bool:
        """Whether a checkpoint is due after this step."""
        return self.record.steps % self.checkpoint_every == 0 or self.over

    def keep(self, step: int, arrays: Arrays) -> None:
        """Writes what an evaluation leaves to look at, and shows it."""
        if self.folder is None or not arrays:
            return
        self.folder.keep(f"{step:08d}", arrays)
        for tag, picture in (self.look(self.folder.path, step) if self.look else {}).items():
            self.folder.picture(tag, picture, step)

    def checkpoint(self) -> None:
        """Saves the task, and books the time that it took."""
        self.save()
        self.lap("checkpoint_seconds")

    def save(self) -> None:
        """Saves the task, the random streams and the record, unless something is not finite."""
        task = self.task
        if self.folder is None or self.saved_step == self.record.steps:
            return
        whole = all(bool(torch.isfinite(parameter).all()) for parameter in task.parameters())
        self.guard([] if whole else ["a parameter"])
        if task.best is not None and task.best is not self.saved_best:
            save(self.folder.best, task.best)
            self.saved_best = task.best
        # The rows first: a checkpoint must never be ahead of the metrics that led to it.
        self.folder.flush()
        self.folder.keep_earlier()
        about = {"step": self.record.steps, "record": asdict(self.record)}
        state = {"task": task.state_dict(), "random": random_state()} | about
        save(self.folder.last, state | {"trained_on": self.trained_on})
        self.saved_step = self.record.steps

    def restore(self, state: State) -> None:
        """Goes back to the moment of a checkpoint.

        Raises:
            BadInput: it is of another configuration, or damaged.
        """
        try:
            self.task.load_state_dict(state["task"])
            for name, value in state["record"].items():
                setattr(self.record, name, value)
            restore_random_state(state["random"])
        except UNFIT as stop:
            where = "" if self.folder is None else f"{self.folder.last}: "
            raise BadInput(f"{where}not of this run, {error_lines(stop)[0]}") from stop
        self.saved_step = self.paused = self.record.steps
        self.saved_best = self.task.best

    def guard(self, bad: list[str]) -> None:
        """Ends the training where something is not finite, without touching a checkpoint."""
        if not bad:
            return
        self.record.status = "diverged"
        last = self.saved_step
        kept = "" if last is None else f"the checkpoint of step {last} is kept; "
        what = f"step {self.record.steps}: {', '.join(bad)} not finite"
        raise Diverged(f"{what}; {kept}try a smaller trainer.lr")

    def lap(self, part: str) -> float:
        """Books the time since the last lap on one part of the record, in seconds."""
        now = time.perf_counter()
        seconds, self.mark = now - self.mark, now
        self.record.seconds += seconds
        vars(self.record)[part] += seconds
        return seconds


def gradient_norm(parameters: Iterable[Tensor]) -> float:
    """The Euclidean norm of all gradients together, as the last step left them."""
    norms = [torch.linalg.vector_norm(p.grad.float()) for p in parameters if p.grad is not None]
    return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0


def not_finite(row: Mapping[str, float]) -> list[str]:
    """The names of the values that are infinite or not numbers."""
    return [tag for tag, value in row.items() if not math.isfinite(value)]
