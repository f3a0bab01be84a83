"""A worker process of a sweep: trains one group of jobs, and reports on them to the sweep."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hydra.core.utils import _save_config, setup_globals
from omegaconf import OmegaConf, open_dict, read_write

from mine_cli.config.compose import without_hydra
from mine_cli.errors import Interrupted, RunFailed, error_lines, in_thread, interrupt
from mine_cli.results.folder import log_file, speaking
from mine_cli.sweep import records
from mine_cli.sweep.fused import FusedJob, FusedTraining, same_moment, saved
from mine_cli.sweep.job import job_of_sweep, update
from mine_cli.sweep.planning import PlannedJob, at_work
from mine_cli.tasks import registry
from mine_cli.tasks import run as runs
from mine_cli.tasks.build import Datasets
from mine_cli.tasks.protocol import Experiment
from mine_cli.training.task import CannotFuse

__all__ = ["Kept", "work_on"]

log = logging.getLogger("mine_cli")


def work_on(
    group: Sequence[PlannedJob], news: Connection, path: Sequence[str], lock: "Kept | None"
) -> None:
    """Runs a group of jobs; the main function of a worker process.

    Arguments:
        group: Jobs that are trained as one model, or one by itself.
        news: The connection to the sweep, which is sent ``("ended", number, objective)``,
            ``("at", step, numbers of jobs)`` and ``("stopped", why)``; the end of the process
            closes it.
        path: Python's search path of the sweep, with a user's own folders.
        lock: On the sweep's folder, held until this process ends; None where there is none.
    """
    sys.path[:] = path
    setup_globals()  # Hydra's resolvers, `hydra` and `now`
    try:
        with_the_sweep(news)  # from here on a SIGTERM may come at any moment
        logging.getLogger().addHandler(logging.NullHandler())
        log.setLevel(logging.INFO)
        # On a full disk the logs and TensorBoard fail as well: the sweep says it once.
        logging.raiseExceptions = False
        threading.excepthook = in_thread
        Group(group, news).run()
    except Interrupted as stop:
        sys.exit(stop.exit_code)
    except (RunFailed, OSError) as stop:
        with suppress(OSError):
            news.send(("stopped", error_lines(stop)[0]))
        sys.exit(RunFailed.exit_code)


class Kept:
    """Holds a file descriptor, such as a lock, and is pickled with it into another process."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __reduce__(self) -> tuple[object, ...]:
        return taken, (reduction.DupFd(self.descriptor),)


def taken(handed: Any) -> Kept:
    return Kept(handed.detach())


def with_the_sweep(news: Connection) -> None:
    """Ends this process with the sweep, however that ends.

    Ctrl-C is left to the sweep, which terminates its processes. A SIGTERM lets a training finish
    its step and save.
    """
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, interrupt)

    def wait() -> None:
        with suppress(EOFError, OSError):
            news.recv()  # the sweep sends nothing: this returns when it is gone
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


class Group:
    """Runs the jobs of one process."""

    def __init__(self, jobs: Sequence[PlannedJob], news: Connection) -> None:
        self.jobs, self.news = list(jobs), news

    def run(self) -> None:
        """Runs those of the jobs that have no result yet, each with its own log and `.hydra`."""
        with ExitStack() as logs:
            for job in self.jobs:
                prepare(job)
                logs.enter_context(log_file(job.folder))
            together, alone = self.sorted_out()
            for jobs in together:
                self.fused(jobs)
            for job in alone:
                self.by_itself(job)

    def sorted_out(self) -> tuple[list[list[PlannedJob]], list[PlannedJob]]:
        """Returns the sets of jobs that are trained as one model, and the jobs trained alone.

        A job that ended after the step at which the others resume was trained with them until
        then: it is resumed there too. One that failed is resumed alone.
        """
        if len(self.jobs) == 1:
            return [], self.jobs
        missing = [w for w in self.jobs if w.unfinished]
        fresh = [w for w in missing if diverged(w) or not saved(w.folder)]
        failed = [w for w in missing if w not in fresh and status(w) == "failed"]
        under_way = [w for w in missing if w not in fresh and w not in failed]
        if under_way and any(status(w) == "running" for w in fresh):
            # Killed before each of them had a checkpoint: all begin anew.
            fresh, under_way = [w for w in missing if w not in failed], []
        if under_way:
            back_to = min(max(saved(w.folder)) for w in under_way)
            under_way = [w for w in self.jobs if w in under_way or steps(w) > back_to]
        sets = [jobs for jobs in (under_way, fresh) if jobs]
        ones = [jobs[0] for jobs in sets if len(jobs) == 1]
        return [jobs for jobs in sets if len(jobs) > 1], [*failed, *ones]

    def fused(self, jobs: Sequence[PlannedJob]) -> None:
        """Trains jobs as one model; one by one where that cannot be done."""
        datasets = Datasets()
        planned: dict[FusedJob, PlannedJob] = {}
        for job, state in zip(jobs, same_moment([job.folder for job in jobs]), strict=True):
            experiment = registry.experiment_of(job.resolved(), datasets)
            planned[FusedJob(experiment, job.folder, state)] = job
            if state is None:
                records.start_over(job.folder)
            mark = runs.fingerprint_of(experiment)
            records.write_record(job.folder, "running", fingerprint=mark)
        training = FusedTraining(list(planned))
        try:
            for ended in training.train():
                for fused in ended:
                    self.ended(planned[fused], fused)
                numbers = [planned[fused].number for fused in training.jobs]
                self.tell("at", training.step, numbers)
            update(jobs[0].cfg, jobs[0].folder.parent)
        except CannotFuse as stop:
            left = list(training.jobs)
            self.tell("alone", [planned[fused].number for fused in left], str(stop))
            for fused in left:
                self.by_itself(planned[fused], fused.experiment)
        except Interrupted:
            for fused in training.jobs:
                self.record(fused.folder, "interrupted")
            raise

    def ended(self, job: PlannedJob, fused: FusedJob) -> None:
        """Records how a job ended, and tells the sweep."""
        found, result = None, fused.result
        if result is None:
            self.record(job.folder, "failed", error=fused.error)
        else:
            if result["status"] != "diverged":
                found = registry.objective_of(result, fused.experiment.cfg.objective)
            self.record(job.folder, "finished", objective=found, seconds=result["seconds"])
        self.tell("ended", job.number, found)

    def tell(self, *said: object) -> None:
        """Sends a message to the sweep; if that is gone, `with_the_sweep` ends this process."""
        with suppress(OSError):
            self.news.send(said)

    @staticmethod
    def record(folder: Path, status: str, **found: object) -> None:
        mark = records.read_record(folder).get("fingerprint")
        records.write_record(folder, status, fingerprint=mark, **found)

    def by_itself(self, job: PlannedJob, experiment: Experiment | None = None) -> None:
        """Runs one job as Hydra's own launcher would, from its experiment if that is built."""
        with at_work(job.cfg), speaking(job.folder):
            found = job_of_sweep(without_hydra(job.cfg), job.folder, job.cfg.hydra, experiment)
        self.tell("ended", job.number, found)


def prepare(job: PlannedJob) -> None:
    """Makes a job's folder, with the `.hydra` that Hydra's own launchers write."""
    with read_write(job.cfg.hydra.runtime), open_dict(job.cfg.hydra.runtime):
        job.cfg.hydra.runtime.output_dir = str(job.folder)
    job.folder.mkdir(parents=True, exist_ok=True)
    subfolder = job.cfg.hydra.output_subdir
    if subfolder is not None:
        hydra = OmegaConf.create({"hydra": job.cfg.hydra})
        _save_config(without_hydra(job.cfg), "config.yaml", job.folder / subfolder)
        _save_config(hydra, "hydra.yaml", job.folder / subfolder)
        _save_config(job.cfg.hydra.overrides.task, "overrides.yaml", job.folder / subfolder)


def diverged(job: PlannedJob) -> bool:
    return job.unfinished and (job.folder / "result.json").exists()


def status(job: PlannedJob) -> str | None:
    """Returns how an earlier attempt at a job ended: "running" where its process was killed."""
    record = records.read_record(job.folder)
    return "running" if record.get("killed") else record.get("status")


def steps(job: PlannedJob) -> int:
    """Returns how many steps a finished job has taken; -1 for one that is not finished."""
    result = records.finished(job.folder, job.cfg.retry_diverged)
    return -1 if result is None else int(result["steps"])
