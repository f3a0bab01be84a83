"""The tasks by their names: what a configuration becomes, made ready to run."""

from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from mine_cli.config.validation import validate
from mine_cli.errors import BadInput
from mine_cli.tasks.classifier import ClassifierExperiment
from mine_cli.tasks.gan.experiment import GANExperiment, compare
from mine_cli.tasks.infobottleneck.experiment import InfoBottleneckExperiment, gather
from mine_cli.tasks.mi_estimate.experiment import MIEstimateExperiment
from mine_cli.tasks.objective import names
from mine_cli.tasks.protocol import Experiment
from mine_cli.training.device import device

__all__ = ["EXPERIMENTS", "after_sweep_job", "check", "dry_run", "experiment_of"]


EXPERIMENTS: dict[str, Callable[[DictConfig], Experiment]] = {
    "mi-estimate": MIEstimateExperiment,
    "gan": GANExperiment,
    "infobottleneck": InfoBottleneckExperiment,
    "classifier": ClassifierExperiment,
}

OF_SWEEPS: dict[str, Callable[[Path], None]] = {
    "gan": compare,
    "infobottleneck": gather,
}
"""Task -> what draws the pictures of its sweeps, from the runs that have ended."""


def experiment_of(cfg: DictConfig) -> Experiment:
    """The experiment of a configuration that `validate` found nothing against."""
    return EXPERIMENTS[cfg.task.name](cfg)


def check(cfg: DictConfig) -> None:
    """Raise BadInput with whatever would stop this run: before any folder exists."""
    faults = validate(cfg)
    if faults:
        raise BadInput(*faults)
    device(cfg.trainer.device)
    experiment = experiment_of(cfg)
    experiment.check()
    if cfg.objective is not None:
        known = names(experiment.head(), experiment.compared(experiment.head() | {"metrics": {}}))
        if cfg.objective not in known:
            raise BadInput(f"objective={cfg.objective}: want one of {', '.join(known)}, or null")


def after_sweep_job(cfg: DictConfig, sweep: Path) -> None:
    """What a finished job of a sweep draws of its siblings and itself."""
    if cfg.task.name in OF_SWEEPS:
        OF_SWEEPS[cfg.task.name](sweep)


def dry_run(cfg: DictConfig) -> str:
    """Build everything, pass a few rows forward, and say what would run; writes nothing."""
    check(cfg)
    lines = experiment_of(cfg).listing()
    width = max(map(len, lines))
    listing = "\n".join(f"{key:{width}}  {value}" for key, value in lines.items())
    return f"{listing}\nEverything builds and one forward pass ran; nothing was written."
