"""Which jobs of a sweep are trained as one model, and in what portions."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from mine_cli.config.compose import run_configuration, without_hydra
from mine_cli.results.files import read_json, write_json
from mine_cli.sweep.sweeper import at_work
from mine_cli.tasks.registry import check, experiment_of
from mine_cli.training.device import device

__all__ = ["GROUPS_JSON", "Work", "constant", "grouped", "portions", "subject"]

log = logging.getLogger(__name__)

GROUPS_JSON = "groups.json"
MOST = 256  # jobs in one process: each keeps two files open
SHARE_OF_MEMORY = 0.5  # that all groups together may take


@dataclass(frozen=True)
class Work:
    """A job to be run: its configuration with Hydra's node, its folder, and whether it was found
    good already (a trial of a search was not)."""

    number: int
    cfg: DictConfig
    folder: Path
    checked: bool = True

    @classmethod
    def of(cls, number: int, cfg: DictConfig, checked: bool = True) -> "Work":
        """The job that Hydra composed; its folder is known from now on."""
        with at_work(cfg):
            folder = Path(cfg.hydra.sweep.dir).absolute() / cfg.hydra.sweep.subdir
        return cls(number, cfg, folder, checked)

    def configuration(self) -> DictConfig:
        """What the run itself is given, with what it refers to by `${hydra:...}` its own."""
        with at_work(self.cfg):
            cfg = run_configuration(without_hydra(self.cfg), self.cfg.hydra)
            OmegaConf.resolve(cfg)
        return cfg


def grouped(
    works: Sequence[Work], sweep: Path, processes: int, memory: float | None
) -> list[list[Work]]:
    """The jobs in groups that are trained as one model each; lone ones are groups of one.

    A sweep that is gone on with finds the groups that it had: a network's rounding depends on its
    neighbours, so that only the same groups give the same numbers bit for bit.

    Arguments:
        works: of the jobs that may have to run.
        sweep: their folder.
        processes: how many groups train side by side.
        memory: the bytes that one group may take; None: what fits.
    """
    known = {name: i for i, group in enumerate(saved(sweep)) for name in group}
    before: dict[int, list[Work]] = {}
    new = []
    for work in works:
        name = work.folder.name
        if name in known:
            before.setdefault(known[name], []).append(work)
        else:
            new.append(work)
    groups = [group for alike in alike_ones(new) for group in portions(alike, processes, memory)]
    if new:
        names = [[work.folder.name for work in group] for group in groups]
        write_json(sweep / GROUPS_JSON, {"groups": [*saved(sweep), *names]})
    return [*before.values(), *groups]


def saved(sweep: Path) -> list[list[str]]:
    """The groups that a sweep has had, by their folders' names."""
    with suppress(OSError, ValueError):
        return [*read_json(sweep / GROUPS_JSON)["groups"]]
    return []


def alike_ones(works: Sequence[Work]) -> list[list[Work]]:
    """The jobs that can be trained as one model, set by set; says which cannot, and why."""
    sets: dict[str, list[Work]] = {}
    alone: dict[str, list[Work]] = {}
    for work in works:
        key, reason = shape_of(work)
        sets.setdefault(key or f"alone {work.number}", []).append(work)
        if key is None:
            alone.setdefault(reason, []).append(work)
    shaped = [found for key, found in sets.items() if not key.startswith("alone")]
    single = [found[0] for found in shaped if len(found) == 1]
    if single and len(works) > 1:
        alone["no other job has networks and data of its shape"] = single
    for reason, found in alone.items():
        log.info("%s trained alone: %s", subject(found, constant(works)), reason)
    return [*sets.values()]


def constant(works: Sequence[Work]) -> set[str]:
    """The overrides that tell none of these jobs from another."""
    every = [set(work.cfg.hydra.overrides.task) for work in works]
    return set.intersection(*every) if len(every) > 1 else set()


def subject(works: Sequence[Work], unsaid: set[str]) -> str:
    """What a sentence is about: how many jobs, or the only one by its number and overrides.

    Arguments:
        works: At least one.
        unsaid: Overrides that go without saying.
    """
    if len(works) > 1:
        return f"{len(works)} jobs are"
    swept = " ".join(o for o in works[0].cfg.hydra.overrides.task if o not in unsaid)
    return f"job {works[0].number} ({swept}) is" if swept else f"job {works[0].number} is"


def shape_of(work: Work) -> tuple[str | None, str]:
    """What a job has in common with those it can be trained with; or why there are none."""
    cfg = work.configuration()
    try:
        if not work.checked:
            check(cfg)
        shape = experiment_of(cfg).alike()
    except Exception as stop:  # told where the job runs
        return None, str(stop).splitlines()[0]
    return shape, f"jobs of task={cfg.task.name} are not trained together"


def portions(works: Sequence[Work], processes: int, memory: float | None) -> list[list[Work]]:
    """Jobs of one shape in groups of about one size: so many that every process has one, and so
    small that each fits into memory."""
    if len(works) == 1:
        return [[*works]]
    if memory is None:
        where = device(works[0].cfg.trainer.device)
        memory = SHARE_OF_MEMORY * free_memory(where) / processes
    own, shared = taken_by_one(works)
    most = min(MOST, max(1, int((memory - shared) / own)))
    number = max(-(-len(works) // most), min(processes, len(works) // 2))
    cuts = [len(works) * i // number for i in range(number + 1)]
    return [[*works[a:b]] for a, b in pairwise(cuts)]


def free_memory(where: torch.device) -> float:
    """The bytes of a device that are free, or of the machine."""
    if where.type == "cuda":
        return torch.cuda.mem_get_info(where)[0]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def taken_by_one(works: Sequence[Work]) -> tuple[int, int]:
    """The bytes of one of these jobs, and those of the data that it shares with the others; of
    the first that can take a step at all."""
    for work in works:
        # What stops it is told where the job runs.
        with suppress(Exception):
            return bytes_of(work.configuration())
    return 1, 0


def bytes_of(cfg: DictConfig) -> tuple[int, int]:
    """What one job takes, and what it shares.

    Its own are its data, its networks with their moments, and what a step keeps.
    """
    task: Any = experiment_of(cfg).start(torch.device("cpu"))
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        task.train_step(1)
    # Parameters, gradients, two moments, and the best state of each.
    networks = 5 * sum(p.nbytes for p in task.parameters())
    data, shared = (
        sum(tensor.untyped_storage().nbytes() for tensor in tensors)
        for tensors in (task.data(), task.shared_data())
    )
    return sum(kept.values()) + networks + data, shared
