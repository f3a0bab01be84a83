"""Divides the jobs of a sweep into groups, each of which is trained as one model."""

import logging
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from omegaconf import DictConfig

from mine_cli.errors import BadInput
from mine_cli.results.files import write_json
from mine_cli.sweep.planning import PlannedJob
from mine_cli.sweep.records import read_mapping
from mine_cli.training.device import device

__all__ = ["GROUPS_JSON", "constant", "divided", "grouped", "portions", "processors", "subject"]

log = logging.getLogger(__name__)

GROUPS_JSON = "groups.json"
MOST = 256  # jobs in one process: each keeps two files open
SHARE_OF_MEMORY = 0.5  # that all groups together may take


def grouped(
    jobs: Sequence[PlannedJob], sweep: Path, processes: int, memory: float | None
) -> list[list[PlannedJob]]:
    """Returns the jobs in groups that are trained as one model each; a lone job is a group of one.

    A resumed sweep keeps the groups that it had: a network's rounding depends on its
    neighbours, so that only the same groups give the same numbers bit for bit.

    Arguments:
        jobs: of the jobs that may have to run.
        sweep: their folder.
        processes: how many groups train side by side.
        memory: the bytes that one group may take; None: what fits.
    """
    known = {name: i for i, group in enumerate(saved(sweep)) for name in group}
    before: dict[int, list[PlannedJob]] = {}
    new = []
    for job in jobs:
        name = job.folder.name
        if name in known:
            before.setdefault(known[name], []).append(job)
        else:
            new.append(job)
    groups = divided(new, processes, memory)
    if new:
        names = [[job.folder.name for job in group] for group in groups]
        write_json(sweep / GROUPS_JSON, {"groups": [*saved(sweep), *names]})
    return [*before.values(), *groups]


def divided(
    jobs: Sequence[PlannedJob], processes: int, memory: float | None
) -> list[list[PlannedJob]]:
    """Returns jobs that none has trained yet in groups, with the arguments of `grouped`."""
    return [group for alike in alike_ones(jobs) for group in portions(alike, processes, memory)]


def saved(sweep: Path) -> list[list[str]]:
    """Returns the groups of an earlier attempt, as the names of the jobs' folders.

    Raises:
        BadInput: their file is damaged.
    """
    groups = read_mapping(sweep / GROUPS_JSON).get("groups", [])
    lists = isinstance(groups, list) and all(isinstance(group, list) for group in groups)
    if not lists or not all(isinstance(name, str) for group in groups for name in group):
        raise BadInput(f"{sweep / GROUPS_JSON}: damaged: no lists of names; take it away")
    return [*groups]


def alike_ones(jobs: Sequence[PlannedJob]) -> list[list[PlannedJob]]:
    """Returns the sets of jobs that can be trained as one model; logs which cannot, and why."""
    sets: dict[object, list[PlannedJob]] = {}
    alone: dict[str, list[PlannedJob]] = {}
    for job in jobs:
        sets.setdefault(job.shape or job, []).append(job)
        if job.shape is None:
            alone.setdefault(job.reason, []).append(job)
    single = [found[0] for found in sets.values() if len(found) == 1 and found[0].shape]
    if single and len(jobs) > 1:
        alone["no other job has networks and data of its shape"] = single
    for reason, found in alone.items():
        log.info("%s trained alone: %s", subject(found, constant(jobs)), reason)
    return [*sets.values()]


def constant(jobs: Sequence[PlannedJob]) -> set[str]:
    """Returns the overrides that all of these jobs have in common; none of a single job."""
    every = [set(job.cfg.hydra.overrides.task) for job in jobs]
    return set.intersection(*every) if len(every) > 1 else set()


def subject(jobs: Sequence[PlannedJob], unsaid: set[str]) -> str:
    """Returns the subject of a sentence: how many jobs, or the only one with its overrides.

    Arguments:
        jobs: At least one.
        unsaid: Overrides that are left out.
    """
    if len(jobs) > 1:
        return f"{len(jobs)} jobs are"
    swept = " ".join(o for o in jobs[0].cfg.hydra.overrides.task if o not in unsaid)
    return f"job {jobs[0].number} ({swept}) is" if swept else f"job {jobs[0].number} is"


def processors(cfg: DictConfig) -> int:
    """Returns how many groups train at a time: one a core on a CPU, one on any other device."""
    if device(cfg.trainer.device).type != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // (cfg.trainer.threads or cores or 1))


def portions(
    jobs: Sequence[PlannedJob], processes: int, memory: float | None
) -> list[list[PlannedJob]]:
    """Divides jobs of one shape into groups of about equal size.

    There is a group for every process, and none takes more than the memory.
    """
    if len(jobs) == 1:
        return [[*jobs]]
    if memory is None:
        where = device(jobs[0].cfg.trainer.device)
        memory = SHARE_OF_MEMORY * free_memory(where) / processes
    shape = jobs[0].shape
    own, shared = (shape.own or 1, shape.shared) if shape else (1, 0)
    most = min(MOST, max(1, int((memory - shared) / own)))
    number = max(-(-len(jobs) // most), min(processes, len(jobs) // 2))
    cuts = [len(jobs) * i // number for i in range(number + 1)]
    return [[*jobs[a:b]] for a, b in pairwise(cuts)]


def free_memory(where: torch.device) -> float:
    """Returns the free bytes of a CUDA device, else all bytes of the machine."""
    if where.type == "cuda":
        return torch.cuda.mem_get_info(where)[0]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
