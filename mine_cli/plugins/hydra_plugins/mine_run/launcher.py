"""The launcher of `-m`. Hydra imports this at every start, and the rest when it is needed."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

__all__ = ["FusedLauncher"]


class FusedLauncher(Launcher):
    """Trains jobs of one shape as one model, and groups of them side by side.

    Arguments:
        processes: How many groups train at a time; None: one a core, one on a GPU.
        memory_gb: What one group may take; None: its share of half the memory.
    """

    def __init__(self, processes: int | None = None, memory_gb: float | None = None) -> None:
        self.processes, self.memory_gb = processes, memory_gb
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self.task_function: TaskFunction | None = None
        self.composed: list[DictConfig] | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        from mine_cli.sweep.forks import get_ready

        self.hydra_context, self.config = hydra_context, config
        self.task_function = task_function
        get_ready()

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from mine_cli.sweep.launch import launch

        return launch(self, job_overrides, initial_job_idx)
