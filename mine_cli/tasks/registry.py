"""What a run needs to know of its task: its parts, its checks, what it reports and draws.

A *job* is one configuration made ready to run; `runs` runs it without knowing which task it is.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from omegaconf import DictConfig

from mine_cli.config.validation import validate
from mine_cli.errors import BadInput
from mine_cli.results.folder import RunFolder
from mine_cli.tasks.classifier_experiment import ClassifierJob
from mine_cli.tasks.gan.experiment import GANJob, compare
from mine_cli.tasks.infobottleneck.experiment import InfoBottleneckJob, gather
from mine_cli.tasks.mi_estimate.experiment import MIEstimateJob
from mine_cli.tasks.objective import names
from mine_cli.training.device import device
from mine_cli.training.trainer import Task

__all__ = ["JOBS", "Job", "RunTask", "after_sweep_job", "check", "dry_run", "job_of"]


class RunTask(Task, Protocol):
    """A task of the trainer's that ends in a result."""

    def result(self) -> dict[str, Any]:
        """What is found, in the keys of result.json; nats."""


class Job(Protocol):
    """One configuration made ready to run."""

    cfg: DictConfig
    charts: Mapping[str, Any]  # of TensorBoard: category -> title -> kind and tags
    warnings: list[str]

    def check(self) -> None:
        """Raise BadInput with whatever would stop this run; nothing has been written yet."""

    def listing(self) -> dict[str, str]:
        """What a dry run says of the parts that it built."""

    def alike(self) -> str | None:
        """What jobs have in common that can be trained as one model; None for none at all."""

    def start(self, where: torch.device) -> RunTask:
        """The task on a device."""

    def head(self) -> dict[str, Any]:
        """What a result says of how it was made; the numbers are unknown as yet."""

    def files(self) -> list[Path]:
        """The input files that decide the numbers."""

    def content(self) -> str | None:
        """What a fingerprint knows of data that come from no file."""

    def begin(self, files: RunFolder) -> None:
        """What the run's folder holds from the start."""

    def look(self, folder: Path, step: int) -> Mapping[str, Path]:
        """Pictures of the training so far, drawn from the run's files."""

    def after(self, result: dict[str, Any], seconds: float) -> dict[str, Any]:
        """What is added to a result once the training is over."""

    def pictures(self, folder: Path) -> Mapping[str, Path]:
        """The pictures of a finished run, drawn from its files."""

    def settings(self) -> dict[str, Any]:
        """The settings by which runs are compared in TensorBoard's table."""

    def compared(self, result: Mapping[str, Any]) -> dict[str, float | None]:
        """The results by which runs are compared there; the first comes first (`objective`)."""


JOBS: dict[str, Callable[[DictConfig], Job]] = {
    "mi-estimate": MIEstimateJob,
    "gan": GANJob,
    "infobottleneck": InfoBottleneckJob,
    "classifier": ClassifierJob,
}

OF_SWEEPS: dict[str, Callable[[Path], None]] = {
    "gan": compare,
    "infobottleneck": gather,
}
"""Task -> what draws the pictures of its sweeps, from the runs that have ended."""


def job_of(cfg: DictConfig) -> Job:
    """The job of a configuration that `validate` found nothing against."""
    return JOBS[cfg.task.name](cfg)


def check(cfg: DictConfig) -> None:
    """Raise BadInput with whatever would stop this run: before any folder exists."""
    faults = validate(cfg)
    if faults:
        raise BadInput(*faults)
    device(cfg.trainer.device)
    job = job_of(cfg)
    job.check()
    if cfg.objective is not None:
        known = names(job.head(), job.compared(job.head() | {"metrics": {}}))
        if cfg.objective not in known:
            raise BadInput(f"objective={cfg.objective}: want one of {', '.join(known)}, or null")


def after_sweep_job(cfg: DictConfig, sweep: Path) -> None:
    """What a finished job of a sweep draws of its siblings and itself."""
    if cfg.task.name in OF_SWEEPS:
        OF_SWEEPS[cfg.task.name](sweep)


def dry_run(cfg: DictConfig) -> str:
    """Build everything, pass a few rows forward, and say what would run; writes nothing."""
    check(cfg)
    lines = job_of(cfg).listing()
    width = max(map(len, lines))
    listing = "\n".join(f"{key:{width}}  {value}" for key, value in lines.items())
    return f"{listing}\nEverything builds and one forward pass ran; nothing was written."
