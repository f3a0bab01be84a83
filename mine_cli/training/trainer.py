"""The one training loop, of a task alone or of several as one model."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

from torch import Tensor

from mine_cli.errors import Interrupted, error_lines
from mine_cli.results.folder import speaking
from mine_cli.training import distributed
from mine_cli.training.interrupts import Interrupts
from mine_cli.training.task import CannotFuse, Stacked, stackable
from mine_cli.training.training import Training

__all__ = ["Trainer"]

SAVED_AT_ONCE = 4  # checkpoints of several tasks: more gain nothing


class Trainer:
    """Trains one task, or several of one schedule as one model.

    What happens after a step depends on its number alone, so that a resumed run equals an
    uninterrupted one. Between two pauses nothing waits for the device.

    Arguments:
        trainings: Of `StackableTask`s if `fused`, all at the same step.
        fused: Whether they are one model. One that fails then leaves the others with its
            `failure`; of a lone one it is raised.
    """

    def __init__(self, trainings: Sequence[Training], fused: bool = False) -> None:
        self.trainings, self.fused = list(trainings), fused
        self.step = 0
        self.stacked: Stacked | None = None
        self.metrics: Mapping[str, Tensor] = {}  # of a lone task's latest step

    def fit(self) -> None:
        """Trains to the last step, or until the task is finished; raises as `pauses`."""
        for _ in self.pauses():
            pass

    def pauses(self) -> Iterator[list[Training]]:
        """Trains, and yields after each pause the trainings that have ended in it.

        Raises:
            Diverged: a metric or a parameter is not finite; the last checkpoint is good.
            CannotFuse: several tasks cannot be stepped as one.
            Interrupted: by Ctrl-C or SIGTERM, after the step was finished and saved.
        """
        bar, begun = self.trainings[0].progress, (self.trainings[0].state or {}).get("step", 0)
        with Interrupts() as interrupts, bar.shown(begun):
            self.each(Training.start)
            self.step = self.trainings[0].record.steps
            while True:
                yield self.ended()
                if caught := distributed.agreed(interrupts.caught):
                    self.save(self.trainings)
                    yield [training for training in self.trainings if training.failure]
                    raise Interrupted(caught)
                if not self.trainings:
                    return
                due, mark = self.trainings[0].next_pause(self.step), time.perf_counter()
                while self.step < due and not self.failed:
                    if distributed.agreed(interrupts.caught, self.step):
                        break
                    self.step += 1
                    self.take()
                    bar.advance()
                self.pause((time.perf_counter() - mark) / len(self.trainings), self.step == due)

    def ended(self) -> list[Training]:
        """Removes the trainings that failed or are over; stacks the remaining ones anew."""
        ended = [training for training in self.trainings if training.failure or training.over]
        self.trainings = [training for training in self.trainings if training not in ended]
        if self.fused and self.trainings and (ended or self.stacked is None):
            tasks = [stackable(training.task) for training in self.trainings]
            self.stacked = tasks[0].stack(tasks[1:])
        return ended

    @property
    def failed(self) -> bool:
        """Tells whether one of several has failed in the latest step."""
        return self.stacked is not None and self.stacked.failed

    def take(self) -> None:
        """Takes one step; an exception of a stacked step, such as full memory, has no one task."""
        if self.stacked is None:
            self.metrics = self.trainings[0].task.train_step(self.step)
            return
        try:
            self.stacked.step(self.step)
        except Exception as stop:
            raise CannotFuse(f"step {self.step}: {error_lines(stop)[0]}") from stop

    def pause(self, seconds: float, due: bool) -> None:
        """Logs, evaluates and saves what is due; the steps took each task its share of time."""
        for training in self.trainings:
            training.record.steps, training.mark = self.step, time.perf_counter() - seconds
        if due or self.failed:
            self.each(lambda training: self.look_at(training, due))
        if due:
            self.save([training for training in self.trainings if training.saves])

    def look_at(self, training: Training, due: bool) -> None:
        """Reads a task's metrics, which raise what it has failed of; logs and evaluates if due."""
        metrics = stackable(training.task).metrics() if self.fused else self.metrics
        if due:
            training.look_at(metrics)

    def save(self, trainings: Sequence[Training]) -> None:
        """Writes the checkpoints, several at a time."""
        if not self.fused:
            for training in trainings:
                training.checkpoint()
            return
        mark, due = time.perf_counter(), [t for t in trainings if not t.failure]
        with ThreadPoolExecutor(SAVED_AT_ONCE) as pool:
            saves = {training: pool.submit(training.save) for training in due}
        share = (time.perf_counter() - mark) / max(1, len(due))
        for training in due:
            training.mark = time.perf_counter() - share
            training.lap("checkpoint_seconds")
        self.each(lambda training: saves[training].result() if training in saves else None)

    def each(self, act: Callable[[Training], None]) -> None:
        """Acts on one training after another, each of several with its own log."""
        for training in [training for training in self.trainings if not training.failure]:
            folder = training.folder.path if training.folder and self.fused else None
            with speaking(folder) if folder else nullcontext():
                try:
                    act(training)
                except Exception as stop:
                    if not self.fused:
                        raise
                    training.failure = stop
