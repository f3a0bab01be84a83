"""What the sweeper of `-m` does: every job is composed and checked before the first one starts."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from mine_cli.config.compose import run_configuration, validate, without_hydra
from mine_cli.config.hydra_errors import refusal
from mine_cli.errors import BadInput, RunFailed, error_lines, tell
from mine_cli.sweep import records
from mine_cli.sweep.compose import Composer
from mine_cli.sweep.folder import claim, release

__all__ = ["PlannedJob", "launch", "plan", "sweep"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlannedJob:
    """A job that was composed and found good."""

    number: int
    overrides: list[str]
    cfg: DictConfig  # with its `hydra` node

    @property
    def folder(self) -> Path:
        """In the sweep's folder; the names are the user's to choose, by hydra.sweep.subdir."""
        with at_work(self.cfg):
            return Path(self.cfg.hydra.sweep.subdir)


def sweep(sweeper: BasicSweeper, arguments: list[str]) -> list[Sequence[JobReturn]]:
    """All jobs of a grid; a fault in any of them ends the program before there is a folder.

    Whether a job failed stands in its folder: its return value says nothing.
    """
    assert sweeper.config is not None
    try:
        jobs = plan(sweeper, arguments)
        folder = Path(sweeper.config.hydra.sweep.dir)
        listed = [{"folder": str(job.folder), "overrides": job.overrides} for job in jobs]
        claim(folder, listed, sweeper.config.units)
        check_results(jobs, folder)
    except RunFailed as stop:  # Hydra would show a traceback
        release()  # nothing has changed that were to be collected
        tell(stop)
        raise SystemExit(stop.exit_code) from None
    OmegaConf.save(sweeper.config, folder / "multirun.yaml")
    # Ours wants the finished ones as well: it knows by them who was trained with whom.
    fused, left = hasattr(sweeper.launcher, "composed"), missing(jobs, folder)
    if not left:
        log.info("nothing left to run: every job of this sweep has ended")
    return launch(sweeper, jobs if fused else left)


def plan(sweeper: BasicSweeper, arguments: list[str]) -> list[PlannedJob]:
    """The jobs of a grid, in Hydra's order.

    Raises:
        BadInput: with every fault of every job.
    """
    assert sweeper.config is not None
    assert sweeper.hydra_context is not None
    loader = sweeper.hydra_context.config_loader
    parser = OverridesParser.create(config_loader=loader)
    parsed = parser.parse_overrides([*sweeper._parse_config(), *arguments])
    (every,) = sweeper.split_arguments(parsed, None)
    if not every:
        raise BadInput("the sweep has no jobs: want at least one value for each key")
    composer, checks = Composer(loader, sweeper.config), Checks()
    jobs: list[PlannedJob] = []
    faults: dict[str, list[int]] = {}
    for number, overrides in enumerate(every):
        try:
            jobs.append(PlannedJob(number, overrides, composer.job(overrides, number)))
            checks.check(jobs[-1])
        except (HydraException, RunFailed, OSError) as stop:
            for fault in fault_lines(stop):
                faults.setdefault(fault, []).append(number)
    if faults:
        raise BadInput(*(f"{told(every, who)}: {fault}" for fault, who in faults.items()))
    return jobs


class Checks:
    """Checks one job after another; of those that differ in the seed alone one is built."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Exception | None] = {}

    def check(self, job: PlannedJob) -> None:
        """Raise BadInput with whatever would stop this job."""
        with configuration(job) as cfg:
            faults = validate(cfg)
            if faults:
                raise BadInput(*faults)
            alike = but_for_seed(cfg)
            if alike not in self.verdicts:
                self.verdicts[alike] = verdict(cfg)
        stop = self.verdicts[alike]
        if stop is not None:
            raise stop


def but_for_seed(cfg: DictConfig) -> str:
    """What is the same for jobs that differ in the seed, and in what follows it."""
    seed, cfg.seed = cfg.seed, 0
    resolved = OmegaConf.to_container(cfg, resolve=True)
    cfg.seed = seed
    return json.dumps(resolved, sort_keys=True, default=str)


def verdict(cfg: DictConfig) -> Exception | None:
    """What building a job's parts has against it, None for nothing."""
    import torch

    from mine_cli.tasks import registry

    if cfg.resume is not None or cfg.dry_run:
        return BadInput("resume and dry_run look at one run; leave them out of a sweep")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a few rows: to wake other threads takes longer than to score them
    try:
        registry.check(cfg)
    except (RunFailed, OSError) as stop:
        return stop
    finally:
        torch.set_num_threads(threads)
    return None


def check_results(jobs: Sequence[PlannedJob], folder: Path) -> None:
    """Raise BadInput where a job's folder holds results of another configuration."""
    from mine_cli.tasks.registry import experiment_of
    from mine_cli.tasks.run import fingerprint_of

    others = []
    for job in jobs:
        if records.recorded(folder / job.folder) is None:
            continue
        with configuration(job) as cfg:
            mark = fingerprint_of(experiment_of(cfg))
        if records.recorded(folder / job.folder) != mark:
            others.append(job.number)
    if others:
        every = {job.number: job.overrides for job in jobs}
        raise BadInput(
            f"sweep_dir={folder}: what {told([*every.values()], others)} left there is of another "
            "configuration, data or code; name another folder"
        )


def missing(jobs: Sequence[PlannedJob], folder: Path) -> list[PlannedJob]:
    """The jobs without those at either end that are finished.

    Those in between find their results themselves: a launcher numbers jobs without gaps.
    """
    open_ = [
        index
        for index, job in enumerate(jobs)
        if records.finished(folder / job.folder, job.cfg.retry_diverged) is None
    ]
    return list(jobs[open_[0] : open_[-1] + 1]) if open_ else []


def launch(sweeper: BasicSweeper, jobs: Sequence[PlannedJob]) -> list[Sequence[JobReturn]]:
    """Hands jobs to Hydra's launcher, in batches if they are limited."""
    launcher: Any = sweeper.launcher
    size = sweeper.max_batch_size or max(1, len(jobs))
    returns = []
    for batch in (jobs[start : start + size] for start in range(0, len(jobs), size)):
        if hasattr(launcher, "composed"):  # ours needs not compose them again
            launcher.composed = [job.cfg for job in batch]
        overrides = [job.overrides for job in batch]
        returns.append(launcher.launch(overrides, initial_job_idx=batch[0].number))
    return returns


@contextmanager
def configuration(job: PlannedJob) -> Iterator[DictConfig]:
    """A job's configuration as its run is given it, with the `hydra:` resolver at work."""
    with at_work(job.cfg):
        yield run_configuration(without_hydra(job.cfg), job.cfg.hydra)


@contextmanager
def at_work(cfg: DictConfig) -> Iterator[None]:
    """What a job refers to by `${hydra:...}` is its own."""
    instance: Any = HydraConfig.instance()
    before = instance.cfg
    instance.cfg = cfg  # set_config would copy it, and forbid to write
    try:
        yield
    finally:
        instance.cfg = before


def fault_lines(stop: Exception) -> list[str]:
    """What is wrong with a job; where we have no words for it, Hydra's first lines."""
    if not isinstance(stop, HydraException):
        return error_lines(stop)
    if (line := refusal(stop)) is not None:
        return [line]
    said = [str(part).strip().splitlines()[:1] for part in (stop, stop.__cause__) if part]
    return [": ".join(line for lines in said for line in lines)]


def told(every: Sequence[Sequence[str]], who: Sequence[int]) -> str:
    """The jobs by number, and what of the swept values they have in common.

    Arguments:
        every: The overrides of all jobs of the sweep.
        who: The numbers of those that are meant.
    """
    constant = set.intersection(*map(set, every)) if len(every) > 1 else set()
    shared = set.intersection(*(set(every[number]) for number in who))
    shown = " ".join(o for o in every[who[0]] if o in shared and o not in constant)
    numbers = f"job {who[0]}" if len(who) == 1 else f"jobs {ranges(who)}"
    return f"{numbers} ({shown})" if shown else numbers


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in few words: 0 to 3, 7, 9."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in spans)
