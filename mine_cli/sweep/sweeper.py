"""What the sweeper of `-m` does: every job is composed and checked before the first one starts."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from mine_cli.config.hydra_errors import refusal
from mine_cli.config.overrides import quoted
from mine_cli.config.validation import values_of
from mine_cli.errors import BadInput, RunFailed, error_lines, exit_code, tell
from mine_cli.results.locks import check_place
from mine_cli.results.names import job_names
from mine_cli.results.pace import Pace
from mine_cli.sweep import records
from mine_cli.sweep.compose import Composer
from mine_cli.sweep.folder import claim, release, saved_sweep
from mine_cli.sweep.forkserver import get_ready
from mine_cli.sweep.outlook import outlook
from mine_cli.sweep.planning import PlannedJob, Planner

__all__ = ["launch", "plan", "sweep"]

log = logging.getLogger(__name__)

MOST_JOBS = 100_000  # each is composed and checked before the first one starts


def sweep(sweeper: BasicSweeper, arguments: list[str]) -> list[Sequence[JobReturn]]:
    """Runs all jobs of a grid; a fault in any of them ends the program before there is a folder.

    Whether a job failed stands in its folder: its return value says nothing.
    """
    assert sweeper.config is not None
    try:
        jobs = plan(sweeper, arguments)
        if sweeper.config.dry_run:
            print(outlook(jobs, sweeper.launcher if fuses(sweeper) else None))
            return []
        folder = Path(sweeper.config.hydra.sweep.dir)
        listed = [{"folder": str(job.subfolder), "overrides": job.overrides} for job in jobs]
        claim(folder, listed, sweeper.config.units)
        check_results(jobs, folder)
        OmegaConf.save(sweeper.config, folder / "multirun.yaml")
    except (RunFailed, OSError) as stop:  # Hydra would show a traceback
        release()  # nothing has changed that were to be collected
        raise ended(stop) from None
    left = missing(jobs)
    if not left:
        log.info("nothing left to run: every job of this sweep has ended")
    try:
        # Ours wants the finished ones as well: it knows by them who was trained with whom.
        return launch(sweeper, jobs if fuses(sweeper) else left)
    except (RunFailed, OSError) as stop:  # a full disk
        raise ended(stop) from None


def ended(stop: RunFailed | OSError) -> SystemExit:
    """Returns what ends the program, after it has said why in a line."""
    tell(stop)
    return SystemExit(exit_code(stop))


def fuses(sweeper: BasicSweeper) -> bool:
    """Whether the launcher is ours, which trains several jobs as one model."""
    return hasattr(sweeper.launcher, "planned")


def plan(sweeper: BasicSweeper, arguments: list[str]) -> list[PlannedJob]:
    """Returns the jobs of a grid, in Hydra's order, each composed and checked.

    Raises:
        BadInput: with every fault of every job.
    """
    assert sweeper.config is not None
    assert sweeper.hydra_context is not None
    loader = sweeper.hydra_context.config_loader
    parser = OverridesParser.create(config_loader=loader)
    parsed = parser.parse_overrides([*sweeper._parse_config(), *arguments])
    parsed = [override for override in parsed if override.key_or_group != "dry_run"]
    refuse_too_many(parsed)
    (every,) = sweeper.split_arguments(parsed, None)
    if not every:
        raise BadInput("the sweep has no jobs: want at least one value for each key")
    forks = fuses(sweeper) and not sweeper.config.dry_run
    composer = Composer(loader, sweeper.config)
    planner = Planner(fuses(sweeper), begin=get_ready if forks else bool)
    folder = Path(sweeper.config.hydra.sweep.dir)
    check_place("sweep_dir", folder)
    names = folder_names(sweeper.config, every)
    jobs: list[PlannedJob] = []
    faults: dict[str, list[int]] = {}
    pace = Pace(f"composing and checking {len(every)} jobs")
    for number, overrides in enumerate(every):
        pace.reached(f"{number} of {len(every)} jobs composed and checked")
        try:
            cfg = composer.job(overrides, number)
            if names:
                with open_dict(cfg):
                    cfg.hydra.sweep.subdir = names[number]
            jobs.append(PlannedJob(number, overrides, cfg, folder))
            planner.check(jobs[-1])
        except (HydraException, RunFailed, OSError) as stop:
            for fault in fault_lines(stop):
                faults.setdefault(fault, []).append(number)
    if faults:
        raise BadInput(*(f"{told(every, who)}: {fault}" for fault, who in faults.items()))
    return jobs


def refuse_too_many(parsed: Sequence[Override]) -> None:
    """Raises BadInput where a grid has more jobs than anybody waits for, before it is spelled out.

    A range of a billion seeds would fill the memory with their names.
    """
    swept = [override for override in parsed if override.is_sweep_override()]
    sizes = {o.key_or_group: size(o.key_or_group, o.value()) for o in swept}
    number = math.prod(sizes.values())
    if number > MOST_JOBS:
        largest = max(sizes, key=lambda key: sizes[key])
        raise BadInput(
            f"{largest}: {sizes[largest]:,} values, for {number:,} jobs in all; want at most "
            f"{MOST_JOBS:,} jobs in one sweep"
        )


def size(key: str, values: object) -> int:
    """Returns how many values a key is swept over; raises BadInput for a range without an end."""
    if isinstance(values, RangeSweep):
        start, stop, step = (float(v or 0) for v in (values.start, values.stop, values.step))
        if not step or not math.isfinite((stop - start) / step):
            raise BadInput(
                f"{key}=range({start:g},{stop:g},{step:g}): has no end; want a step to it"
            )
        return max(0, math.ceil((stop - start) / step))
    return len(values.list) if isinstance(values, ChoiceSweep) else 1


def folder_names(config: DictConfig, every: Sequence[Sequence[str]]) -> list[str]:
    """Returns the names of the jobs' folders; none where the user has said how they are called.

    A sweep that was begun goes on in the folders that it has.
    """
    if values_of(config.hydra.sweep, resolve=False)["subdir"] != "${hydra.job.num}":
        return []
    begun = (saved_sweep(Path(config.hydra.sweep.dir)) or {}).get("jobs") or []
    return [job["folder"] for job in begun] if len(begun) == len(every) else job_names(every)


def check_results(jobs: Sequence[PlannedJob], folder: Path) -> None:
    """Raises BadInput where a job's folder holds results of another configuration."""
    others = [
        job.number
        for job in jobs
        if job.fingerprint and records.recorded(job.folder) not in (None, job.fingerprint)
    ]
    if others:
        raise BadInput(
            f"sweep_dir={folder}: what {told([job.overrides for job in jobs], others)} left there "
            "is of another configuration, data or code; name another folder"
        )


def missing(jobs: Sequence[PlannedJob]) -> list[PlannedJob]:
    """Returns the jobs without those at either end that are finished.

    Those in between find their results themselves: a launcher numbers jobs without gaps.
    """
    open_ = [index for index, job in enumerate(jobs) if job.unfinished]
    return list(jobs[open_[0] : open_[-1] + 1]) if open_ else []


def launch(sweeper: BasicSweeper, jobs: Sequence[PlannedJob]) -> list[Sequence[JobReturn]]:
    """Hands jobs to Hydra's launcher, in batches if they are limited."""
    launcher: Any = sweeper.launcher
    size = sweeper.max_batch_size or max(1, len(jobs))
    returns = []
    for batch in (jobs[start : start + size] for start in range(0, len(jobs), size)):
        if fuses(sweeper):  # need not compose them again
            launcher.planned = batch
        # Another launcher composes them itself, and has to be told where they go.
        overrides = [job.overrides if fuses(sweeper) else placed(job) for job in batch]
        returns.append(launcher.launch(overrides, initial_job_idx=batch[0].number))
    return returns


def placed(job: PlannedJob) -> list[str]:
    """Returns the overrides of a job with that of its folder."""
    return [*job.overrides, f"hydra.sweep.subdir={quoted(str(job.subfolder))}"]


def fault_lines(stop: Exception) -> list[str]:
    """Returns what is wrong with a job, a line for each fault."""
    line = refusal(stop) if isinstance(stop, HydraException) else None
    return error_lines(stop) if line is None else [line]


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
