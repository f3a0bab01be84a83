"""Several jobs trained as one batched model, each with its own folder, as if it had run alone.

A job keeps its own data, random streams, early stopping, checkpoints, logs and result; one that
diverges or fails leaves the training, and its neighbours do not notice.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from mine_cli.errors import Diverged, Interrupted, error_lines
from mine_cli.results import checkpoint
from mine_cli.results.folder import speaking
from mine_cli.tasks.protocol import Experiment
from mine_cli.tasks.run import Run
from mine_cli.training.device import device, keep_memory
from mine_cli.training.interrupts import Interrupts
from mine_cli.training.trainer import Trainer

__all__ = ["CannotFuse", "Ended", "Fleet", "Member", "same_moment"]

log = logging.getLogger("mine_cli")

SAVED_AT_ONCE = 4  # checkpoints: more gain nothing


class CannotFuse(Exception):
    """These jobs cannot be trained as one model; the reason in a line."""


@dataclass(frozen=True)
class Ended:
    """How a job ended: with a result, or without one by the error that it failed with."""

    cfg: DictConfig
    folder: Path
    result: dict[str, Any] | None
    error: str | None


class Member:
    """One job of a fleet.

    Arguments:
        experiment: Its own.
        folder: Its own.
        state: The checkpoint that it goes on from, None for the start.
    """

    run: Run

    def __init__(
        self, experiment: Experiment, folder: Path, state: dict[str, Any] | None = None
    ) -> None:
        self.experiment, self.cfg = experiment, experiment.cfg
        self.folder, self.state = folder, state

    def open(self) -> None:
        """Builds its parts and opens its folder; as trained as its checkpoint."""
        self.run = Run(
            self.experiment, self.folder, self.state, progress=False, keeps_earlier=True
        )
        self.run.begin()
        self.trainer.start(self.task, self.state)

    @property
    def trainer(self) -> Trainer:
        return self.run.trainer

    @property
    def task(self) -> Any:
        return self.run.task

    def close(self) -> None:
        """Ends its log and TensorBoard; the checkpoint before the last is of no more use."""
        if hasattr(self, "run") and self.run.files is not None:
            self.run.close()
            if self.trainer.over(self.task):
                self.run.files.earlier.unlink(missing_ok=True)


class Fleet:
    """Trains jobs of one shape step by step together.

    Arguments:
        members: Whose `Experiment.alike` is the same.
        ended: Is told of each job as soon as it has ended.
        stepped: Is told how many steps were taken since the last time, of all jobs in sum.
    """

    def __init__(
        self,
        members: Sequence[Member],
        ended: Callable[[Ended], None],
        stepped: Callable[[int], None] = lambda steps: None,
    ) -> None:
        self.members, self.ended, self.stepped = list(members), ended, stepped
        self.everyone = list(members)
        self.step = 0

    def train(self) -> None:
        """Trains all of them to their ends.

        Raises:
            CannotFuse: before anything was written, or with checkpoints to go on from alone.
            Interrupted: by SIGTERM or Ctrl-C, after the step was finished and everything saved.
        """
        keep_memory()
        threads = self.members[0].cfg.trainer.threads
        if threads is not None:
            torch.set_num_threads(threads)
        self.try_together()
        try:
            with Interrupts() as interrupts:
                self.each(self.start)
                self.loop(interrupts)
        finally:
            for member in self.everyone:
                member.close()

    def try_together(self) -> None:
        """One step of two of them, thrown away: whether their networks can be batched at all."""
        tasks: list[Any] = []
        for member in self.members:
            with suppress(Exception):  # told of when its turn comes
                tasks.append(member.experiment.start(device(member.cfg.trainer.device)))
            if len(tasks) == 2:
                break
        try:
            together(tasks).step(1)
        except Exception as stop:
            raise CannotFuse(error_lines(stop)[0]) from stop

    def loop(self, interrupts: Interrupts) -> None:
        """The steps, and what is due after some of them."""
        self.each(self.leave_at_the_end)
        networks: Any = None
        trained: list[Member] = []
        while self.members and not interrupts.caught:
            if trained != self.members:
                networks, trained = together([m.task for m in self.members]), list(self.members)
            first, mark = self.step, time.perf_counter()
            due = self.members[0].trainer.next_pause(first)
            while self.step < due and not interrupts.caught and not networks.failed:
                self.step += 1
                self.take(networks)
            share = (time.perf_counter() - mark) / len(self.members)
            self.stepped((self.step - first) * len(self.members))
            if networks.failed:
                self.each(lambda member: member.task.metrics())
            if interrupts.caught or self.step == due:
                self.each(partial(self.look_at, share=share, interrupted=bool(interrupts.caught)))
                self.save(interrupted=bool(interrupts.caught))
            self.each(self.leave_at_the_end)
        if interrupts.caught:
            raise Interrupted(interrupts.caught)

    def take(self, networks: Any) -> None:
        """One step; what fails here, such as a lack of memory, is nobody's in particular."""
        try:
            networks.step(self.step)
        except Exception as stop:
            raise CannotFuse(f"step {self.step}: {error_lines(stop)[0]}") from stop

    def start(self, member: Member) -> None:
        """Opens its folder, and goes back to the moment of its checkpoint if there is one."""
        member.open()
        self.step = member.trainer.record.steps

    def look_at(self, member: Member, share: float, interrupted: bool) -> None:
        """What is due but the checkpoint; its share of the time that all took is booked on it."""
        trainer, task = member.trainer, member.task
        trainer.record.steps = self.step
        trainer.mark = time.perf_counter() - share
        if not interrupted:
            trainer.look_at(task, task.metrics())

    def save(self, interrupted: bool) -> None:
        """The checkpoints that are due, several at a time: the disk takes them almost as one."""
        due = [m for m in self.members if interrupted or m.trainer.saves(m.task)]
        mark = time.perf_counter()
        with ThreadPoolExecutor(SAVED_AT_ONCE) as pool:
            saves = {m: pool.submit(m.trainer.save, m.task) for m in due}
        share = (time.perf_counter() - mark) / max(1, len(due))
        for member in due:
            member.trainer.mark = time.perf_counter() - share
            member.trainer.lap("checkpoint_seconds")
        self.each(lambda member: saves[member].result() if member in saves else None)

    def leave_at_the_end(self, member: Member) -> None:
        """Who has taken the last step, or was stopped early, reports and leaves."""
        if member.trainer.over(member.task):
            result = member.run.finish()
            self.leave(member, result=result)

    def each(self, act: Callable[[Member], None]) -> None:
        """One member after another, each speaking to its own log; who fails leaves alone."""
        for member in list(self.members):
            with speaking(member.folder):
                try:
                    act(member)
                except Diverged as stop:
                    if member.run.result["status"] != "diverged":  # else it is written already
                        member.run.diverged(stop)
                    self.leave(member, result=member.run.result, error=error_lines(stop)[0])
                except Exception as stop:
                    log.exception("mine-run: %s", error_lines(stop)[0])
                    self.leave(member, error=error_lines(stop)[0])

    def leave(
        self, member: Member, result: dict[str, Any] | None = None, error: str | None = None
    ) -> None:
        self.members.remove(member)
        member.close()
        self.ended(Ended(member.cfg, member.folder, result, error))


def together(tasks: Sequence[Any]) -> Any:
    """What steps the networks of these tasks as one."""
    return tasks[0].together_with(tasks[1:])


def same_moment(folders: Sequence[Path]) -> list[dict[str, Any] | None]:
    """The checkpoints from which jobs go on together: the latest step that all of them have.

    A training that was killed while it saved left some jobs a checkpoint ahead of the others;
    their earlier one is kept for that. Nothing but None where they have no step in common.
    """
    found = [saved(folder) for folder in folders]
    step = min(max(states, default=-1) for states in found)
    return [states[step] if all(step in s for s in found) else None for states in found]


def saved(folder: Path) -> dict[int, dict[str, Any]]:
    """Step -> checkpoint, for what a folder has."""
    paths = [folder / "checkpoints" / name for name in ("earlier.pt", "last.pt")]
    states = [checkpoint.load(path) for path in paths if path.exists()]
    return {state["step"]: state for state in states}
