"""Plans the jobs of a sweep: each is built at most once, checked and measured."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from mine_cli.config.compose import run_configuration, without_hydra
from mine_cli.config.imports import kept
from mine_cli.config.validation import validate, values_of
from mine_cli.errors import BadInput, RunFailed
from mine_cli.sweep import records

if TYPE_CHECKING:
    from torch import Tensor

    from mine_cli.tasks.build import Datasets
    from mine_cli.tasks.protocol import Experiment

__all__ = ["PlannedJob", "Planner", "Shape", "at_work", "bytes_of"]

LONGEST_NAME = 255  # bytes, of nearly all file systems


@dataclass(eq=False)
class Shape:
    """Stands for the jobs of one `fusion_key`, which can be trained as one model.

    Arguments:
        jobs: How many have been found.
        own: Bytes of one job; None until a second job is found, with which the first may train.
        shared: Bytes of the data that all of them use together.
    """

    jobs: int = 0
    own: int | None = None
    shared: int = 0


@dataclass(eq=False)
class PlannedJob:
    """A job that Hydra has composed. Holds no data: a sweep may have thousands of these.

    Arguments:
        number: Its place in the sweep.
        overrides: Those that make this job of the sweep's configuration.
        cfg: Its configuration with Hydra's node.
        sweep: The sweep's folder.
        shape: What it shares with the jobs that it can be trained with; None for none.
        reason: Why it is trained alone.
        fingerprint: Of its configuration, data and code, where its folder holds a job already.
        steps: Of its training, where the data decide them.
    """

    number: int
    overrides: list[str]
    cfg: DictConfig
    sweep: Path
    shape: Shape | None = None
    reason: str = ""
    fingerprint: str | None = None
    steps: int = 0

    def __post_init__(self) -> None:
        self.steps = OmegaConf.select(self.cfg, "trainer.steps") or 0
        # The names are the user's to choose, also by the time of day: they are read once.
        with at_work(self.cfg):
            self.subfolder = Path(self.cfg.hydra.sweep.subdir)
        self.folder = self.sweep.absolute() / self.subfolder

    @property
    def unfinished(self) -> bool:
        """Whether it has no result that counts."""
        return records.finished(self.folder, self.cfg.retry_diverged) is None

    def configuration(self) -> DictConfig:
        """Returns what its run is given; with `${hydra:...}` only inside `at_work`."""
        return run_configuration(without_hydra(self.cfg), self.cfg.hydra)

    def resolved(self) -> DictConfig:
        """Returns the same with every reference replaced by its value."""
        with at_work(self.cfg):
            cfg = self.configuration()
            OmegaConf.resolve(cfg)
        return cfg


@contextmanager
def at_work(cfg: DictConfig) -> Iterator[None]:
    """Lets `${hydra:...}` refer to a job's own node."""
    instance: Any = HydraConfig.instance()
    before = instance.cfg
    instance.cfg = cfg  # set_config would copy it, and forbid to write
    try:
        yield
    finally:
        instance.cfg = before


class Planner:
    """Checks one job after another; none is built twice, and no experiment outlives its check.

    Of jobs that differ in the seed alone one is built; a second of each shape tells how much
    memory one takes, and those whose folders hold something are built for their fingerprints.

    Arguments:
        sizes: Whether the memory of a job is of interest.
        begin: Called as soon as a job has no fault that shows before it is built.
    """

    def __init__(self, sizes: bool = True, begin: Callable[[], object] = bool) -> None:
        self.sizes, self.begin = sizes, begin
        self.datasets: Datasets | None = None
        self.verdicts: dict[str, Exception | Shape | str] = {}
        self.steps: dict[str, int] = {}
        self.shapes: dict[str, Shape] = {}
        self.folders: dict[Path, int] = {}

    def check(self, job: PlannedJob) -> None:
        """Notes what sweeping needs to know of a job.

        Raises:
            BadInput: with whatever would stop this job.
        """
        self.check_folder(job)
        with at_work(job.cfg):
            cfg = job.configuration()
            faults = validate(cfg)
            if faults:
                raise BadInput(*faults)
            key = but_for_seed(cfg)
            if key not in self.verdicts or self.wants_size(self.verdicts[key]) or is_taken(job):
                self.verdicts[key] = self.verdict(cfg, job, key)
        found, job.steps = self.verdicts[key], self.steps.get(key, 0)
        if isinstance(found, Exception):
            raise found
        if isinstance(found, Shape):
            job.shape = found
            found.jobs += 1
        else:
            job.reason = found

    def check_folder(self, job: PlannedJob) -> None:
        """Raises BadInput where a job's folder is outside the sweep's, or another job's."""
        wanted = "want a name of its own for each job, such as ${hydra.job.num}"
        fault = ""
        if Path(os.path.normpath(job.folder)).parent != job.sweep.absolute():
            fault = "not a folder right inside the sweep's"
        elif self.folders.setdefault(job.folder, job.number) != job.number:
            fault = f"the folder of job {self.folders[job.folder]} too"
        elif len(os.fsencode(job.folder.name)) > LONGEST_NAME:
            fault = f"a name of more than {LONGEST_NAME} bytes"
        if fault:
            raise BadInput(f"hydra.sweep.subdir={job.subfolder}: {fault}; {wanted}")

    def wants_size(self, shape: object) -> bool:
        """Whether a job is the second of its shape, or a later one if none could be measured."""
        return self.sizes and isinstance(shape, Shape) and shape.jobs > 0 and shape.own is None

    def verdict(self, cfg: DictConfig, job: PlannedJob, key: str) -> Exception | Shape | str:
        """Builds a job and lets go of it; returns its fault, its shape, or why it trains alone."""
        if cfg.resume is not None or cfg.dry_run:
            return BadInput("resume and dry_run look at one run; leave them out of a sweep")
        self.begin()
        with kept():  # torch, for which a mistyped number need not wait
            import torch

            from mine_cli.tasks.build import Datasets
            from mine_cli.tasks.registry import prepared
            from mine_cli.tasks.run import fingerprint_of

        self.datasets = self.datasets or Datasets()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a few rows: to wake other threads takes longer than to score
        try:
            experiment = prepared(cfg, self.datasets)
            self.steps[key] = experiment.cfg.trainer.steps
            if is_taken(job):
                job.fingerprint = fingerprint_of(experiment)
            return self.shape_of(experiment)
        except (RunFailed, OSError) as stop:
            return stop
        finally:
            torch.set_num_threads(threads)

    def shape_of(self, experiment: "Experiment") -> Shape | str:
        """Returns the shape of an experiment, measured if that is due; or why there is none."""
        try:
            key = experiment.fusion_key()
        except Exception as stop:  # told where the job runs
            return str(stop).splitlines()[0]
        if key is None:
            return f"jobs of task={experiment.cfg.task.name} are not trained together"
        shape = self.shapes.setdefault(key, Shape())
        if self.wants_size(shape):
            with suppress(Exception):  # told where the job runs
                shape.own, shape.shared = bytes_of(experiment)
        return shape


def is_taken(job: PlannedJob) -> bool:
    """Whether a job's folder holds a result or a checkpoint already."""
    return records.recorded(job.folder) is not None


def but_for_seed(cfg: DictConfig) -> str:
    """Returns what is the same for jobs that differ in the seed, and in what follows it."""
    seed, cfg.seed = cfg.seed, 0
    resolved = values_of(cfg)
    cfg.seed = seed
    return json.dumps(resolved, sort_keys=True, default=str)


def bytes_of(experiment: "Experiment") -> tuple[int, int]:
    """Returns the bytes that one job takes, and those of the data that it shares with others.

    Its own are its data, its networks with their moments, and what a step keeps.
    """
    import torch

    from mine_cli.training.task import stackable

    task = stackable(experiment.start(torch.device("cpu")))
    kept: dict[int, int] = {}

    def count(tensor: "Tensor") -> "Tensor":
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
