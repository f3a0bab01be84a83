"""The launcher of `-m`. Hydra imports this at every start, and the rest when it is needed."""

from collections.abc import Sequence
from typing import Any

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
        self.planned: Sequence[Any] | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        from mine_cli.errors import BadInput, tell

        if faults := self.faults():
            stop = BadInput(*faults)
            tell(stop)
            raise SystemExit(stop.exit_code)  # Hydra would show a traceback of anything else
        self.hydra_context, self.config = hydra_context, config
        self.task_function = task_function

    def faults(self) -> list[str]:
        """What is wrong with the options, a line each."""
        found = []
        if not is_number(self.processes, int, least=1):
            wanted = "must be a whole number of at least 1, or null"
            found.append(f"hydra.launcher.processes={self.processes}: {wanted}")
        if not is_number(self.memory_gb, (int, float), least=0) or self.memory_gb == 0:
            wanted = "must be a positive number, or null"
            found.append(f"hydra.launcher.memory_gb={self.memory_gb}: {wanted}")
        return found

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from mine_cli.sweep.launcher import launch

        return launch(self, job_overrides, initial_job_idx)


def is_number(value: float | None, kind: type | tuple[type, ...], least: float) -> bool:
    """Whether a value is None, or of that kind and not below the least."""
    return value is None or (isinstance(value, kind) and value >= least)
