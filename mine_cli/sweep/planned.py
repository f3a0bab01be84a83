"""A job of a sweep before it is run: its configuration, its folder, and what planning found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from mine_cli.config.compose import run_configuration, without_hydra
from mine_cli.sweep import records

__all__ = ["PlannedJob", "Shape", "at_work"]


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
    """

    number: int
    overrides: list[str]
    cfg: DictConfig
    sweep: Path
    shape: Shape | None = None
    reason: str = ""
    fingerprint: str | None = None

    def __post_init__(self) -> None:
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
