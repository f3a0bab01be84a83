"""The launcher of `-m`: jobs of one shape trained as one model, groups of them side by side."""

import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from omegaconf import DictConfig, open_dict, read_write
from tqdm import tqdm

from mine_cli.config.compose import import_from, own_config_folders, without_hydra
from mine_cli.results.ledger import Ledger, Row
from mine_cli.sweep import forkserver, records
from mine_cli.sweep.compose import Composer
from mine_cli.sweep.folder import held_lock
from mine_cli.sweep.grouping import Work, constant, grouped, subject
from mine_cli.sweep.sweeper import at_work
from mine_cli.sweep.worker import Kept, unfinished, work_on
from mine_cli.tasks.objective import worst
from mine_cli.training.device import device

__all__ = ["launch"]

log = logging.getLogger(__name__)

SECONDS_BETWEEN_TABLES = 5.0


def launch(
    launcher: Any, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
) -> list[JobReturn]:
    """Runs the jobs of a batch; what a sweeper is given for each.

    Arguments:
        launcher: Ours, set up by Hydra, with the configurations if they are composed already.
        job_overrides: of each job.
        initial_job_idx: the number of the first.
    """
    setup_globals()
    config = launcher.config
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    import_from([Path.cwd(), *own_config_folders(config.hydra)])
    sweep = Path(config.hydra.sweep.dir).absolute()
    configurations, checked = launcher.composed, launcher.composed is not None
    if configurations is None:  # by a sweeper that has composed nothing
        composer = Composer(launcher.hydra_context.config_loader, config)
        numbered = enumerate(job_overrides, initial_job_idx)
        configurations = [composer.job(overrides, number) for number, overrides in numbered]
    for cfg in configurations:  # a name that holds the time of day is the same for all
        with read_write(cfg), open_dict(cfg):
            cfg.hydra.sweep.dir = str(config.hydra.sweep.dir)
    numbers = range(initial_job_idx, initial_job_idx + len(configurations))
    works = [Work.of(*job, checked) for job in zip(numbers, configurations, strict=True)]
    processes = launcher.processes or processors(configurations[0])
    memory = None if launcher.memory_gb is None else launcher.memory_gb * 2**30
    groups = grouped(works, sweep, processes, memory)
    crew = Crew([g for g in groups if any(map(unfinished, g))], sweep, processes, launcher)
    crew.run()
    return [returned(work, crew.objectives.get(work.number)) for work in works]


def processors(cfg: DictConfig) -> int:
    """How many groups train side by side: one a core on a CPU, one on any other device."""
    if device(cfg.trainer.device).type != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // (cfg.trainer.threads or cores or 1))


def returned(work: Work, objective: float | None) -> JobReturn:
    """What Hydra's sweepers want to know of a job."""
    if objective is None:  # finished in an earlier attempt, or without a number
        objective = records.read_record(work.folder).get("objective")
    found = JobReturn()
    found.overrides = list(work.cfg.hydra.overrides.task)
    found.cfg, found.hydra_cfg = without_hydra(work.cfg), work.cfg
    found.working_dir, found.task_name = os.getcwd(), "mine-run"
    found.status = JobStatus.COMPLETED
    found.return_value = worst(work.cfg.hydra.sweeper) if objective is None else objective
    return found


@dataclass
class Worker:
    """A process, the group that it works on, and the line that it is heard on."""

    group: list[Work]
    process: BaseProcess
    news: Connection
    told: set[int] = field(default_factory=set)


class Crew:
    """Processes, each of which trains one group at a time.

    Arguments:
        groups: What is to be done; the largest come first.
        sweep: Its folder, whose tables are kept up to date.
        processes: How many work side by side.
        launcher: Ours, for the user's callbacks: they are told in this process, of a job's start
            when its group starts.
    """

    def __init__(
        self, groups: Sequence[list[Work]], sweep: Path, processes: int, launcher: Any
    ) -> None:
        self.callbacks, self.function = launcher.hydra_context.callbacks, launcher.task_function
        self.queue = sorted(groups, key=len)
        self.sweep, self.processes = sweep, processes
        self.objectives: dict[int, float | None] = {}
        self.workers: list[Worker] = []
        works = [work for group in groups for work in group]
        self.constant = constant(works)
        self.written = time.monotonic()
        self.context = forkserver.context()
        # What ended in an earlier attempt is no part of what there is to do.
        self.steps = {w.number: int(w.cfg.trainer.steps) for w in works if unfinished(w)}
        self.taken = dict.fromkeys(self.steps, 0)
        total, shown = sum(self.steps.values()), bool(self.steps) and sys.stderr.isatty()
        shown = shown and all(work.cfg.trainer.progress for work in works)
        self.bar = tqdm(total=total, unit=" steps", unit_scale=True, disable=not shown)

    def run(self) -> None:
        """Until all is done, or the sweep is interrupted."""
        if self.steps:
            jobs = "1 job" if len(self.steps) == 1 else f"{len(self.steps)} jobs"
            groups = "1 group" if len(self.queue) == 1 else f"{len(self.queue)} groups"
            self.say(f"{jobs} in {groups}, {min(self.processes, len(self.queue))} at a time")
        try:
            while self.queue or self.workers:
                while self.queue and len(self.workers) < self.processes:
                    self.start(self.queue.pop())
                self.listen()
        except KeyboardInterrupt:
            self.stop()
            raise
        finally:
            self.bar.close()

    def start(self, group: list[Work]) -> None:
        for work in group:
            with at_work(work.cfg):
                self.callbacks.on_job_start(config=work.cfg, task_function=self.function)
        news, theirs = self.context.Pipe()
        # With the lock on the folder: who outlives the sweep, to save, keeps others out of it.
        lock = held_lock()
        kept = None if lock is None else Kept(lock)
        process = self.context.Process(target=work_on, args=(group, theirs, list(sys.path), kept))
        process.start()
        theirs.close()
        self.workers.append(Worker(group, process, news))

    def listen(self) -> None:
        """What the processes have to say, or that they have ended."""
        ready = wait([worker.news for worker in self.workers])
        for worker in [worker for worker in self.workers if worker.news in ready]:
            try:
                self.hear(worker, *worker.news.recv())
            except (EOFError, OSError):
                self.workers.remove(worker)
                worker.process.join()
                self.missing(worker)

    def hear(self, worker: Worker, what: str, *said: Any) -> None:
        """One message of `worker.work_on`."""
        if what == "at":
            self.reached(*said)
        elif what == "alone":
            left = [work for work in worker.group if work.number in said[0]]
            self.say(f"{subject(left, self.constant)} trained alone: {said[1]}")
        else:
            number, self.objectives[said[0]] = said
            worker.told.add(number)
            work = next(work for work in worker.group if work.number == number)
            with at_work(work.cfg):
                told = returned(work, self.objectives[number])
                self.callbacks.on_job_end(config=work.cfg, job_return=told)
            overrides = work.cfg.hydra.overrides.task
            row = Row.read(number, work.folder.name, self.sweep, overrides)
            swept = " ".join(o for o in overrides if o not in self.constant)
            ended = f"#{number} {row.status}"
            self.say(f"{ended}: {swept}" if swept else ended)
            if row.status == "failed" and row.complaint:  # of `diverged` the table's end tells why
                self.complain(work, row.complaint)
            self.reached(work.cfg.trainer.steps, [number])
        if time.monotonic() - self.written > SECONDS_BETWEEN_TABLES:
            with suppress(OSError):
                Ledger(self.sweep).write()
            self.written = time.monotonic()

    def reached(self, step: int, numbers: Sequence[int]) -> None:
        """Jobs are at a step: a bar on a terminal, elsewhere a line for each fifth of the sweep.

        A job that has ended, at whatever step, has nothing left to do.
        """
        before, total = sum(self.taken.values()), sum(self.steps.values())
        self.taken |= {number: step for number in numbers if number in self.steps}
        taken = sum(self.taken.values())
        self.bar.update(taken - before)
        if self.bar.disable and 5 * taken // total > 5 * before // total:
            self.say(f"{100 * taken // total} % of {total:,} steps")

    def missing(self, worker: Worker) -> None:
        """Jobs of a process that was killed: it has not said how they ended."""
        code = worker.process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        for work in worker.group:
            record = records.read_record(work.folder)
            begun = record.get("status", "running") == "running"
            if work.number not in worker.told and begun and unfinished(work):
                error = f"its process ended with {how}"
                lost = {"status": "failed", "error": error, "killed": True}
                records.write_record(work.folder, **{**record, **lost})
                self.complain(work, error)
            self.reached(work.cfg.trainer.steps, [work.number])

    def stop(self) -> None:
        """Lets the processes finish their step and save."""
        self.queue.clear()
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()

    def complain(self, work: Work, complaint: str) -> None:
        """What went wrong with a job, as a single run tells it."""
        shown = os.path.relpath(work.folder)
        tqdm.write(f"mine-run: {shown}: {complaint.splitlines()[0]}", file=sys.stderr)

    def say(self, line: str) -> None:
        with tqdm.external_write_mode():
            log.info("%s", line)
