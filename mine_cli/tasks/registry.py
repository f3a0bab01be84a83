"""The tasks by their names: what a configuration becomes, made ready to run."""

from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from mine_cli.config.validation import validate
from mine_cli.errors import BadInput
from mine_cli.results.files import Result
from mine_cli.tasks.ali.experiment import ALIExperiment
from mine_cli.tasks.ali.experiment import compare as compare_ali
from mine_cli.tasks.build import Datasets
from mine_cli.tasks.classifier import ClassifierExperiment
from mine_cli.tasks.gan.experiment import GANExperiment, compare
from mine_cli.tasks.infobottleneck.experiment import InfoBottleneckExperiment, gather
from mine_cli.tasks.mi_estimate.experiment import MIEstimateExperiment
from mine_cli.tasks.objective import names, objective
from mine_cli.tasks.protocol import Experiment
from mine_cli.tasks.screen.experiment import ScreenExperiment
from mine_cli.training.device import device

__all__ = [
    "EXPERIMENTS", "after_sweep_job", "check", "checked", "dry_run", "experiment_of",
    "objective_of", "prepared",
]  # fmt: skip


EXPERIMENTS: dict[str, type[Experiment]] = {
    "mi-estimate": MIEstimateExperiment,
    "gan": GANExperiment,
    "infobottleneck": InfoBottleneckExperiment,
    "ali": ALIExperiment,
    "classifier": ClassifierExperiment,
    "screen": ScreenExperiment,
}

OF_SWEEPS: dict[str, Callable[[Path], None]] = {
    "gan": compare,
    "infobottleneck": gather,
    "ali": compare_ali,
}
"""Task -> what draws the pictures of its sweeps, from the runs that have ended."""


def experiment_of(cfg: DictConfig, datasets: Datasets | None = None) -> Experiment:
    """Builds the experiment of a configuration that `validate` found nothing against.

    Arguments:
        cfg: of the run.
        datasets: builds the data set; one that several experiments may share.
    """
    return EXPERIMENTS[cfg.task.name](cfg, (datasets or Datasets()).of(cfg))


def checked(cfg: DictConfig) -> Experiment:
    """Builds the experiment of a configuration that nobody has looked at yet.

    Raises:
        BadInput: with whatever would stop this run, before any folder exists.
    """
    faults = validate(cfg)
    if faults:
        raise BadInput(*faults)
    return prepared(cfg)


def prepared(cfg: DictConfig, datasets: Datasets | None = None) -> Experiment:
    """Builds an experiment and checks it, as `experiment_of` and `check`."""
    device(cfg.trainer.device)  # before a large file is read
    experiment = experiment_of(cfg, datasets)
    check(experiment)
    return experiment


def check(experiment: Experiment) -> None:
    """Raises BadInput with whatever would stop the run of an experiment."""
    cfg = experiment.cfg
    device(cfg.trainer.device)
    experiment.check()
    if cfg.objective is not None:
        head = experiment.head()
        known = names(head, experiment.compared(head | {"metrics": {}}))
        if cfg.objective not in known:
            raise BadInput(f"objective={cfg.objective}: want one of {', '.join(known)}, or null")


def objective_of(result: Result, name: str | None) -> float | None:
    """Returns what a finished job is worth, from its result alone; see `objective`."""
    return objective(result, EXPERIMENTS[result["task"]].compared(result), name)


def after_sweep_job(cfg: DictConfig, sweep: Path) -> None:
    """Draws what a finished job of a sweep and its siblings have in common."""
    if cfg.task.name in OF_SWEEPS:
        OF_SWEEPS[cfg.task.name](sweep)


def dry_run(experiment: Experiment) -> str:
    """Says what a checked experiment would run; writes nothing."""
    lines = experiment.listing()
    width = max(map(len, lines))
    listing = "\n".join(f"{key:{width}}  {value}" for key, value in lines.items())
    noticed = "".join(f"\n! {warning}" for warning in dict.fromkeys(experiment.warnings))
    return f"{listing}{noticed}\nEverything builds and one forward pass ran; nothing was written."
