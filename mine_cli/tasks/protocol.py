"""What a run needs to know of its task: its parts, its checks, what it reports and draws."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import torch
from omegaconf import DictConfig
from torch import Generator, Tensor

from mine_cli.data import HasFiles
from mine_cli.data.samples import Verdict
from mine_cli.results.files import Result
from mine_cli.results.folder import Charts, RunFolder
from mine_cli.training.task import Task

__all__ = [
    "Experiment", "JudgedSamples", "PairSampler", "Result", "RunTask", "Samples", "StagedSampler",
]  # fmt: skip


@runtime_checkable
class PairSampler(Protocol):
    """A data set of pairs that are drawn anew for every batch."""

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws n rows of x and z, float32, on the generator's device."""


@runtime_checkable
class StagedSampler(PairSampler, Protocol):
    """A sampler whose law changes during the training; alone it draws from the last stage."""

    stages: Sequence[PairSampler]
    """The laws of equally long stretches of the training, in their order."""


@runtime_checkable
class Samples(Protocol):
    """A data set of samples without a partner, such as images."""

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws n samples, float32, on the generator's device."""


@runtime_checkable
class JudgedSamples(Samples, Protocol):
    """Samples of several modes, with a judge that tells which a sample is of."""

    true_histogram: Tensor

    def judge(self, x: Tensor) -> Verdict:
        """Returns the mode of each sample ``[n, ...]``, and which are good ones."""


class RunTask(Task, Protocol):
    """A task of the trainer's that ends in a result."""

    def result(self) -> Result:
        """Returns what is found, in the keys of result.json; nats."""


class Experiment(Protocol):
    """One configuration made ready to run; what a task has no need of has a default here.

    `metrics` are the results by which runs are compared, the first of which is the objective of a
    sweep unless another is named; `charts` are TensorBoard's: category -> title -> kind and tags;
    `opening` and `closing` say what takes its time before the first step and after the last, and
    `counted` what a step is called, in the plural.
    """

    metrics: tuple[str, ...]
    charts: ClassVar[Charts] = {}
    opening: str = ""
    closing: str = ""
    counted: str = "steps"
    cfg: DictConfig
    dataset: object
    warnings: list[str]
    inputs: list[Path]

    def __init__(self, cfg: DictConfig, dataset: object) -> None:
        self.cfg, self.dataset, self.warnings = cfg, dataset, []
        # Before a run changes its working directory, as `hydra.job.chdir` lets it.
        files = dataset.files if isinstance(dataset, HasFiles) else ()
        self.inputs = [Path(file).absolute() for file in files]

    def check(self) -> None:
        """Raises BadInput with whatever would stop this run; nothing has been written yet."""

    def listing(self) -> dict[str, str]:
        """Returns what a dry run says of the parts that it built."""

    def start(self, where: torch.device) -> RunTask:
        """Builds the task on a device, anew at each call."""

    def head(self) -> Result:
        """Returns what a result says of how it was made; the numbers are unknown as yet."""

    def settings(self) -> Result:
        """Returns the settings by which runs are compared in TensorBoard's table."""
        trainer = self.cfg.trainer
        return {"seed": self.cfg.seed, "lr": trainer.lr, "batch_size": trainer.batch_size}

    @classmethod
    def compared(cls, result: Result) -> dict[str, float | None]:
        """Returns the results by which runs are compared there; the first comes first."""
        found = result["metrics"]
        return {f"result/{name}": found.get(name, result.get(name)) for name in cls.metrics}

    def fusion_key(self) -> str | None:
        """Returns what jobs must share to be trained as one model; None: they never are."""
        return None

    def files(self) -> list[Path]:
        """Returns the input files that decide the numbers."""
        return self.inputs

    def content(self) -> str | None:
        """Returns what a fingerprint knows of data beside the contents of `files`."""
        return getattr(self.dataset, "content", None)

    def begin(self, files: RunFolder) -> None:
        """Writes what the run's folder holds from the start."""
        return

    def look(self, folder: Path, step: int) -> Mapping[str, Path]:
        """Draws pictures of the training so far, from the run's files."""
        return {}

    def after(self, result: Result) -> Result:
        """Returns what is added to a result once the training is over."""
        return {}

    def finish(self, folder: Path) -> None:
        """Writes what a finished run's folder holds beside its result."""
        return

    def close(self) -> None:
        """Ends what `start` has started beside this process; safe to call twice."""
        return

    def pictures(self, folder: Path) -> Mapping[str, Path]:
        """Draws the pictures of a finished run, from its files."""
        return {}
