"""What a run needs to know of its task: its parts, its checks, what it reports and draws."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from omegaconf import DictConfig

from mine_cli.results.folder import RunFolder
from mine_cli.training.trainer import Task

__all__ = ["Experiment", "RunTask"]


class RunTask(Task, Protocol):
    """A task of the trainer's that ends in a result."""

    def result(self) -> dict[str, Any]:
        """Returns what is found, in the keys of result.json; nats."""


class Experiment(Protocol):
    """One configuration made ready to run; what a task has no need of has a default here.

    `metrics` are the results by which runs are compared, the first of which is the objective of a
    sweep unless another is named; `charts` are TensorBoard's: category -> title -> kind and tags.
    """

    metrics: tuple[str, ...]
    charts: Mapping[str, Any] = {}
    cfg: DictConfig
    dataset: Any
    warnings: list[str]

    def __init__(self, cfg: DictConfig, dataset: Any) -> None:
        self.cfg, self.dataset, self.warnings = cfg, dataset, []

    def check(self) -> None:
        """Raises BadInput with whatever would stop this run; nothing has been written yet."""

    def listing(self) -> dict[str, str]:
        """Returns what a dry run says of the parts that it built."""

    def start(self, where: torch.device) -> RunTask:
        """Builds the task on a device, anew at each call."""

    def head(self) -> dict[str, Any]:
        """Returns what a result says of how it was made; the numbers are unknown as yet."""

    def settings(self) -> dict[str, Any]:
        """Returns the settings by which runs are compared in TensorBoard's table."""

    @classmethod
    def compared(cls, result: Mapping[str, Any]) -> dict[str, float | None]:
        """Returns the results by which runs are compared there; the first comes first."""
        found = result["metrics"]
        return {f"result/{name}": found.get(name, result.get(name)) for name in cls.metrics}

    def fusion_key(self) -> str | None:
        """Returns what jobs must share to be trained as one model; None: they never are."""
        return None

    def files(self) -> list[Path]:
        """Returns the input files that decide the numbers."""
        return list(getattr(self.dataset, "files", []))

    def content(self) -> str | None:
        """Returns what a fingerprint knows of data that come from no file."""
        return getattr(self.dataset, "content", None)

    def begin(self, files: RunFolder) -> None:
        """Writes what the run's folder holds from the start."""
        return

    def look(self, folder: Path, step: int) -> Mapping[str, Path]:
        """Draws pictures of the training so far, from the run's files."""
        return {}

    def after(self, result: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Returns what is added to a result once the training is over, which took so long."""
        return {}

    def pictures(self, folder: Path) -> Mapping[str, Path]:
        """Draws the pictures of a finished run, from its files."""
        return {}
