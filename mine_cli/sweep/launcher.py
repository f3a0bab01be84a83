"""The launcher of `-m`: trains groups of jobs, each as one model, in parallel processes."""

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
from omegaconf import open_dict, read_write
from tqdm import tqdm

from mine_cli.config.compose import import_from, own_config_folders, without_hydra
from mine_cli.errors import RunFailed
from mine_cli.results import locks
from mine_cli.results.ledger import Ledger, Row
from mine_cli.results.pace import SILENCE, in_words
from mine_cli.sweep import forkserver, records
from mine_cli.sweep.compose import Composer
from mine_cli.sweep.grouping import constant, grouped, processors, subject
from mine_cli.sweep.planning import PlannedJob, Planner, at_work
from mine_cli.sweep.worker import Kept, work_on
from mine_cli.tasks.objective import worst

__all__ = ["launch"]

log = logging.getLogger(__name__)

SECONDS_BETWEEN_TABLES = 5.0
SECONDS_BETWEEN_NEWS = 30.0  # where no bar moves, as in a file


def launch(
    launcher: Any, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
) -> list[JobReturn]:
    """Runs the jobs of a batch; returns what Hydra's sweepers want to know of each.

    Arguments:
        launcher: Ours, set up by Hydra, with the jobs if they are planned already.
        job_overrides: of each job.
        initial_job_idx: the number of the first.
    """
    setup_globals()
    config = launcher.config
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    import_from([Path.cwd(), *own_config_folders(config.hydra)])
    sweep = Path(config.hydra.sweep.dir).absolute()
    jobs = launcher.planned
    if jobs is None:  # by a sweeper that has composed nothing
        jobs = planned(launcher, job_overrides, initial_job_idx, sweep)
    for job in jobs:  # a name that holds the time of day is the same for all
        with read_write(job.cfg), open_dict(job.cfg):
            job.cfg.hydra.sweep.dir = str(config.hydra.sweep.dir)
    processes = launcher.processes or processors(jobs[0].cfg)
    memory = None if launcher.memory_gb is None else launcher.memory_gb * 2**30
    groups = grouped(jobs, sweep, processes, memory)
    left = [group for group in groups if any(job.unfinished for job in group)]
    pool = WorkerPool(left, sweep, processes, launcher)
    pool.run()
    return [returned(job, pool.objectives.get(job.number)) for job in jobs]


def planned(
    launcher: Any, job_overrides: Sequence[Sequence[str]], first: int, sweep: Path
) -> list[PlannedJob]:
    """Composes and checks the trials of a search; one with a fault runs, fails and says so."""
    composer = Composer(launcher.hydra_context.config_loader, launcher.config)
    planner = Planner(begin=forkserver.get_ready)
    jobs = []
    for number, overrides in enumerate(job_overrides, first):
        job = PlannedJob(number, [*overrides], composer.job(overrides, number), sweep)
        try:
            planner.check(job)
        except Exception as stop:
            job.reason = str(stop).splitlines()[0]
        jobs.append(job)
    return jobs


def returned(job: PlannedJob, objective: float | None) -> JobReturn:
    """Returns what Hydra's sweepers want to know of a job."""
    if objective is None:  # finished in an earlier attempt, or without a number
        objective = records.read_record(job.folder).get("objective")
    found = JobReturn()
    found.overrides = list(job.cfg.hydra.overrides.task)
    found.cfg, found.hydra_cfg = without_hydra(job.cfg), job.cfg
    found.working_dir, found.task_name = os.getcwd(), "mine-run"
    found.status = JobStatus.COMPLETED
    found.return_value = worst(job.cfg.hydra.sweeper) if objective is None else objective
    return found


@dataclass
class Worker:
    """One process, the group that it trains, and the connection to it."""

    group: list[PlannedJob]
    process: BaseProcess
    news: Connection
    told: set[int] = field(default_factory=set)
    stopped: str | None = None


class WorkerPool:
    """Starts processes, each of which trains one group, and follows their progress.

    Arguments:
        groups: What is to be done; the largest come first.
        sweep: Its folder, whose tables are kept up to date.
        processes: How many groups train side by side.
        launcher: Ours, for the user's callbacks: they are told in this process, of a job's start
            when its group starts.
    """

    def __init__(
        self, groups: Sequence[list[PlannedJob]], sweep: Path, processes: int, launcher: Any
    ) -> None:
        self.callbacks, self.function = launcher.hydra_context.callbacks, launcher.task_function
        self.queue = sorted(groups, key=len)
        self.sweep, self.processes = sweep, processes
        self.objectives: dict[int, float | None] = {}
        self.workers: list[Worker] = []
        jobs = [job for group in groups for job in group]
        self.constant = constant(jobs)
        self.began = self.spoken = self.written = time.monotonic()
        self.context = forkserver.context()
        # What ended in an earlier attempt is no part of what there is to do.
        self.steps = {w.number: w.steps for w in jobs if w.unfinished}
        self.taken = dict.fromkeys(self.steps, 0)
        total, shown = sum(self.steps.values()), bool(self.steps) and sys.stderr.isatty()
        shown = shown and all(job.cfg.trainer.progress for job in jobs)
        self.bar = tqdm(total=total, unit=" steps", unit_scale=True, disable=not shown)

    def run(self) -> None:
        """Trains all groups, until the end or an interruption."""
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

    def start(self, group: list[PlannedJob]) -> None:
        for job in group:
            with at_work(job.cfg):
                self.callbacks.on_job_start(config=job.cfg, task_function=self.function)
        news, theirs = self.context.Pipe()
        # With the lock on the folder: who outlives the sweep, to save, keeps others out of it.
        kept = Kept(locks.held[-1]) if locks.held else None
        process = self.context.Process(target=work_on, args=(group, theirs, list(sys.path), kept))
        process.start()
        theirs.close()
        self.workers.append(Worker(group, process, news))

    def listen(self) -> None:
        """Waits for messages from the processes, and notices which have ended."""
        ready = wait([worker.news for worker in self.workers], timeout=1.0)
        if not ready:
            self.still_at_work()
        for worker in [worker for worker in self.workers if worker.news in ready]:
            try:
                self.hear(worker, *worker.news.recv())
            except (EOFError, OSError):
                self.workers.remove(worker)
                worker.process.join()
                self.missing(worker)

    def hear(self, worker: Worker, what: str, *said: Any) -> None:
        """Handles one message of `worker.work_on`."""
        if what == "at":
            self.reached(*said)
        elif what == "alone":
            left = [job for job in worker.group if job.number in said[0]]
            self.say(f"{subject(left, self.constant)} trained alone: {said[1]}")
        elif what == "stopped":
            worker.stopped = said[0]
        else:
            number, self.objectives[said[0]] = said
            worker.told.add(number)
            job = next(job for job in worker.group if job.number == number)
            with at_work(job.cfg):
                told = returned(job, self.objectives[number])
                self.callbacks.on_job_end(config=job.cfg, job_return=told)
            overrides = job.cfg.hydra.overrides.task
            row = Row.read(number, job.folder.name, self.sweep, overrides)
            swept = " ".join(o for o in overrides if o not in self.constant)
            ended = f"#{number} {row.status}"
            self.say(f"{ended}: {swept}" if swept else ended)
            if row.status == "failed" and row.complaint:  # of `diverged` the table's end tells why
                self.complain(job, row.complaint)
            self.reached(job.steps, [number])
        if time.monotonic() - self.written > SECONDS_BETWEEN_TABLES:
            with suppress(OSError, RunFailed):
                Ledger(self.sweep).write()
            self.written = time.monotonic()

    def reached(self, step: int, numbers: Sequence[int]) -> None:
        """Shows the progress: a bar on a terminal, elsewhere a line for each fifth of the sweep.

        A job that has ended, at whatever step, counts as complete.
        """
        before, total = sum(self.taken.values()), sum(self.steps.values())
        self.taken |= {number: step for number in numbers if number in self.steps}
        taken = sum(self.taken.values())
        self.bar.update(taken - before)
        if self.bar.disable and 5 * taken // total > 5 * before // total:
            self.say(f"{100 * taken // total} % of {total:,} steps")

    def still_at_work(self) -> None:
        """Moves the clock of the bar; without one, says now and then how far the sweep is.

        A job that trains alone sends no word of its steps: its metrics.csv tells them.
        """
        self.bar.refresh()
        for job in (job for worker in self.workers for job in worker.group):
            if (step := last_step(job.folder)) > self.taken.get(job.number, step):
                self.reached(step, [job.number])
        taken, now = sum(self.taken.values()), time.monotonic()
        silence = SILENCE if not taken else SECONDS_BETWEEN_NEWS
        if self.bar.disable and self.steps and now - self.spoken > silence:
            total = sum(self.steps.values())
            rate = taken / (now - self.began)
            left = f", about {in_words((total - taken) / rate)} left" if taken else ""
            self.say(f"at work, {100 * taken // total} % done{left}")

    def missing(self, worker: Worker) -> None:
        """Records the jobs of a process that was killed, or had to stop, as failed."""
        code = worker.process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        error = worker.stopped or f"its process ended with {how}"
        for job in worker.group:
            record = records.read_record(job.folder)
            begun = record.get("status", "running") == "running"
            if job.number not in worker.told and begun and job.unfinished:
                lost = {"status": "failed", "error": error, "killed": True}
                with suppress(RunFailed):  # a full disk
                    records.write_record(job.folder, **{**record, **lost})
                self.complain(job, error)
            self.reached(job.steps, [job.number])

    def stop(self) -> None:
        """Terminates the processes, which finish their step and save."""
        self.queue.clear()
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()

    def complain(self, job: PlannedJob, complaint: str) -> None:
        """Prints what went wrong with a job, as a single run does."""
        shown = os.path.relpath(job.folder)
        tqdm.write(f"mine-run: {shown}: {complaint.splitlines()[0]}", file=sys.stderr)

    def say(self, line: str) -> None:
        self.spoken = time.monotonic()
        with tqdm.external_write_mode():
            log.info("%s", line)


def last_step(folder: Path) -> int:
    """Returns the step of the last line of a job's metrics.csv; 0 where there is none."""
    with suppress(OSError, ValueError):
        *_, last = (folder / "metrics.csv").read_text(encoding="utf-8").splitlines() or [""]
        return int(last.partition(",")[0])
    return 0
