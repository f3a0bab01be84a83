"""Several jobs trained as one batched model, each with its own folder, as if it had run alone.

A job keeps its own data, random streams, early stopping, checkpoints, logs and result; one that
diverges or fails leaves the training, and its neighbours do not notice.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mine_cli.errors import BadInput, Diverged, error_lines
from mine_cli.results import checkpoint
from mine_cli.results.folder import speaking
from mine_cli.tasks.protocol import Experiment, Result
from mine_cli.tasks.run import Run, use_threads
from mine_cli.training.device import device, keep_memory
from mine_cli.training.task import CannotFuse, StackableTask, State, stackable
from mine_cli.training.trainer import Trainer

__all__ = ["FusedJob", "FusedTraining", "same_moment"]

log = logging.getLogger("mine_cli")


@dataclass(eq=False)
class FusedJob:
    """One of the jobs that are trained as one model.

    Arguments:
        experiment: Its own.
        folder: Its own.
        state: The checkpoint that it goes on from, None for the start.
        result: What it ended with; None until then, and where it failed.
        error: What it failed or diverged with, in a line.
    """

    experiment: Experiment
    folder: Path
    state: State | None = None
    result: Result | None = None
    error: str | None = None
    run: Run | None = None

    def open(self) -> None:
        """Opens its folder, and builds its task as trained as the checkpoint."""
        with speaking(self.folder):
            try:
                self.run = Run(self.experiment, self.folder, self.state, progress=False)
                self.state = None
                self.run.begin()
            except Exception as stop:
                self.fail(stop)

    def end(self) -> None:
        """Reports what was found, or what went wrong, and closes the folder."""
        assert self.run is not None
        run, failure = self.run, self.run.training.failure
        with speaking(self.folder):
            try:
                if failure is not None:
                    raise failure
                self.result = run.finish()
            except Diverged as stop:
                if run.result["status"] != "diverged":  # else it is written already
                    run.diverged(stop)
                self.result, self.error = run.result, error_lines(stop)[0]
            except Exception as stop:
                self.fail(stop)
        self.close()

    def fail(self, stop: Exception) -> None:
        """Writes the traceback into its own log."""
        self.error = error_lines(stop)[0]
        log.error("mine-run: %s", self.error, exc_info=stop)

    def close(self) -> None:
        """Ends its log and TensorBoard."""
        if self.run is not None and self.run.files is not None:
            self.run.close()
            self.run = None


class FusedTraining:
    """Trains jobs of one shape as one model.

    Arguments:
        jobs: Whose `Experiment.fusion_key` is the same; those that have ended are taken out.
    """

    def __init__(self, jobs: Sequence[FusedJob]) -> None:
        self.jobs = list(jobs)
        self.trainer = Trainer([], fused=True)

    @property
    def step(self) -> int:
        """How many steps the jobs have taken."""
        return self.trainer.step

    def train(self) -> Iterator[list[FusedJob]]:
        """Trains all to their ends; yields those that have ended, whenever something was due.

        Raises:
            CannotFuse: before anything was written, or with checkpoints to go on from alone.
            Interrupted: by SIGTERM or Ctrl-C, after the step was finished and everything saved.
        """
        keep_memory()
        use_threads(self.jobs[0].experiment)
        self.try_a_step()
        everyone = list(self.jobs)
        try:
            for job in everyone:
                job.open()
            yield self.leave([job for job in everyone if job.error])
            of = {job.run.training: job for job in self.jobs if job.run}
            if not of:
                return
            self.trainer.trainings = list(of)
            for ended in self.trainer.pauses():
                for training in ended:
                    of[training].end()
                yield self.leave([of[training] for training in ended])
        finally:
            for job in everyone:
                job.close()

    def leave(self, ended: list[FusedJob]) -> list[FusedJob]:
        self.jobs = [job for job in self.jobs if job not in ended]
        return ended

    def try_a_step(self) -> None:
        """Steps two of them and throws that away: whether their networks can be batched at all."""
        tasks: list[StackableTask] = []
        for job in self.jobs:
            with suppress(Exception):  # told of when its turn comes
                where = device(job.experiment.cfg.trainer.device)
                tasks.append(stackable(job.experiment.start(where)))
            if len(tasks) == 2:
                break
        try:
            tasks[0].stack(tasks[1:]).step(1)
        except Exception as stop:
            raise CannotFuse(error_lines(stop)[0]) from stop


def same_moment(folders: Sequence[Path]) -> list[State | None]:
    """The checkpoints from which jobs go on together: the latest step that all of them have.

    A training that was killed while it saved left some jobs a checkpoint ahead of the others;
    their earlier one is kept for that. Nothing but None where they have no step in common.
    """
    found = [saved(folder) for folder in folders]
    step = min(max(states, default=-1) for states in found)
    return [states[step] if all(step in s for s in found) else None for states in found]


def saved(folder: Path) -> dict[int, State]:
    """Step -> checkpoint, for what a folder has, but for what is damaged beside another.

    Raises:
        BadInput: each that is there is damaged.
    """
    paths = [folder / "checkpoints" / name for name in ("earlier.pt", "last.pt")]
    states, damaged = {}, None
    for path in filter(Path.exists, paths):
        try:
            state = checkpoint.of_training(path)
            states[state["step"]] = state
        except BadInput as stop:
            damaged = stop
    if damaged is not None and not states:
        raise damaged
    return states
