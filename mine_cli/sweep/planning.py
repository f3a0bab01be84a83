"""Plans the jobs of a sweep: each is built at most once, checked and measured."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from mine_cli.config.validation import validate
from mine_cli.errors import BadInput, RunFailed
from mine_cli.sweep import records
from mine_cli.sweep.planned import PlannedJob, Shape, at_work
from mine_cli.tasks import registry
from mine_cli.tasks.build import Datasets
from mine_cli.tasks.protocol import Experiment
from mine_cli.tasks.run import fingerprint_of

__all__ = ["Planner", "bytes_of"]


@dataclass
class Verdict:
    """What was found of a job that was built: a fault, or with which others it can be trained."""

    fault: Exception | None = None
    shape: Shape | None = None
    reason: str = ""


class Planner:
    """Checks one job after another; none is built twice, and no experiment outlives its check.

    Of jobs that differ in the seed alone one is built; a second of each shape tells how much
    memory one takes, and those whose folders hold something are built for their fingerprints.

    Arguments:
        sizes: Whether the memory of a job is of interest.
    """

    def __init__(self, sizes: bool = True) -> None:
        self.sizes = sizes
        self.datasets = Datasets()
        self.verdicts: dict[str, Verdict] = {}
        self.shapes: dict[str, Shape] = {}

    def check(self, job: PlannedJob) -> None:
        """Notes what sweeping needs to know of a job.

        Raises:
            BadInput: with whatever would stop this job.
        """
        with at_work(job.cfg):
            cfg = job.configuration()
            faults = validate(cfg)
            if faults:
                raise BadInput(*faults)
            key = but_for_seed(cfg)
            known = self.verdicts.get(key)
            if known is None or self.wants_size(known.shape) or is_taken(job):
                known = self.verdicts[key] = self.build(cfg, job)
        if known.fault is not None:
            raise known.fault
        job.shape, job.reason = known.shape, known.reason
        if job.shape is not None:
            job.shape.jobs += 1

    def wants_size(self, shape: Shape | None) -> bool:
        """Whether a job is the second of its shape, or a later one if none could be measured."""
        return self.sizes and shape is not None and shape.jobs > 0 and shape.own is None

    def build(self, cfg: DictConfig, job: PlannedJob) -> Verdict:
        """Builds a job, looks at it, and lets go of it."""
        if cfg.resume is not None or cfg.dry_run:
            return Verdict(
                BadInput("resume and dry_run look at one run; leave them out of a sweep")
            )
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a few rows: to wake other threads takes longer than to score
        try:
            experiment = registry.prepared(cfg, self.datasets)
            if is_taken(job):
                job.fingerprint = fingerprint_of(experiment)
            return self.measured(experiment)
        except (RunFailed, OSError) as stop:
            return Verdict(stop)
        finally:
            torch.set_num_threads(threads)

    def measured(self, experiment: Experiment) -> Verdict:
        """Finds the shape of an experiment, and the memory that it takes where that is wanted."""
        try:
            key = experiment.fusion_key()
        except Exception as stop:  # told where the job runs
            return Verdict(reason=str(stop).splitlines()[0])
        if key is None:
            name = experiment.cfg.task.name
            return Verdict(reason=f"jobs of task={name} are not trained together")
        shape = self.shapes.setdefault(key, Shape(key))
        if self.wants_size(shape):
            with suppress(Exception):  # told where the job runs
                shape.own, shape.shared = bytes_of(experiment)
        return Verdict(shape=shape)


def is_taken(job: PlannedJob) -> bool:
    """Whether a job's folder holds a result or a checkpoint already."""
    return records.recorded(job.folder) is not None


def but_for_seed(cfg: DictConfig) -> str:
    """Returns what is the same for jobs that differ in the seed, and in what follows it."""
    seed, cfg.seed = cfg.seed, 0
    resolved = OmegaConf.to_container(cfg, resolve=True)
    cfg.seed = seed
    return json.dumps(resolved, sort_keys=True, default=str)


def bytes_of(experiment: Experiment) -> tuple[int, int]:
    """Returns the bytes that one job takes, and those of the data that it shares with others.

    Its own are its data, its networks with their moments, and what a step keeps.
    """
    task: Any = experiment.start(torch.device("cpu"))
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
