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
        """What is found, in the keys of result.json; nats."""


class Experiment(Protocol):
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
