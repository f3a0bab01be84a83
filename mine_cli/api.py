"""The program from Python: the same code path and defaults as the command line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mine_cli.config.compose import conf_dir, validate
from mine_cli.config.hydra_errors import refusal
from mine_cli.config.overrides import override
from mine_cli.data.arrays import from_memory
from mine_cli.errors import BadInput, Diverged
from mine_cli.figures.report.run import in_notebook
from mine_cli.sweep.folder import saved_sweep
from mine_cli.tasks import run
from mine_cli.tasks.mi_estimate.experiment import MIEstimateExperiment
from mine_cli.tasks.protocol import Result
from mine_cli.tasks.run import undisturbed

__all__ = ["Estimate", "estimate"]

# What the command line knows and a call from Python has no use for.
NOT_HERE = {
    "dataset": "x and z are the data",
    "dataset.path": "x and z are the data",
    "dataset.x": "x and z are the data",
    "dataset.z": "x and z are the data",
    "dataset.given": "want given=w",
    "dataset.categorical": "want categorical=[...]",
    "resume": "want mine-run resume=FOLDER in a terminal",
    "trust": "nothing is resumed here",
    "dry_run": "nothing is written without a folder",
}


class Overrides(TypedDict, total=False):
    """The keys that a type checker lets :func:`estimate` take beside its parameters.

    At run time it takes every key of the configuration. One with a dot is no Python name: a type
    checker takes it in ``options: dict[str, Any] = {"trainer.steps": 1000}``, as ``**options``.
    """

    marginals: str
    task: str
    trainer: str
    experiment: str
    deterministic: bool
    units: str
    references: str
    folds: int | None
    portfolio: str
    margins: str
    split: str
    objective: str | None
    retry_diverged: bool
    data_dir: str | Path
    cache_dir: str | Path


@dataclass(frozen=True)
class Estimate:
    """An estimate of mutual information, in nats.

    Arguments:
        mi: the bound on the report rows; None when training diverged.
        standard_error: of ``mi``, for these networks.
        lower_bound: a lower bound in expectation, which ``mi`` itself may not be.
        interval: the ends of a 95 % interval for the information; None where critics in closed
            form take no part, as with ``given``.
        status: ``ok``, ``below_reference``, ``not_converged``, ``at_ceiling``, ``high_variance``
            or ``diverged``.
        curve: the bound on the select rows at each evaluation.
        result: everything that result.json holds.
    """

    mi: float | None
    standard_error: float | None
    lower_bound: float | None
    interval: list[float] | None
    status: str
    curve: list[float] = field(repr=False)
    result: Result = field(repr=False)

    def _repr_html_(self) -> str:
        """Returns what a notebook shows: the number in words, whether to believe it, the curve."""
        return in_notebook(self.result, self.curve)


def estimate(
    x: object,
    z: object,
    bound: str = "mine",
    network: str = "mlp_deep",
    seed: int = 0,
    *,
    folder: str | Path | None = None,
    categorical: Sequence[str] = (),
    groups: object = None,
    given: object = None,
    **overrides: Unpack[Overrides],
) -> Estimate:
    """Estimate the mutual information of paired rows x ``[n, ...]`` and z ``[n, ...]``, in nats.

    Arguments:
        x, z: with as many rows: NumPy, torch, pandas, polars or xarray, as they are; text, and
            columns of text in a frame, are classes.
        bound, network, seed: as on the command line.
        folder: where to keep the run (metrics, checkpoints, result); nothing is written without.
        categorical: whose numbers are classes, one-hot coded: ``x``, ``z``, ``given``, a frame's
            columns.
        groups: labels ``[n]`` of rows that no split may part.
        given: w, as many rows: the information is that of x and z given w,
            I(x, w; z) - I(w; z), both by the same recipe on the same rows.
        overrides: any other key, ``folds=5`` or ``**{"trainer.steps": 1000}``; groups too.
            See :class:`Overrides` for what a type checker makes of them.

    Raises:
        BadInput: for data, a key or a value that cannot be used, with every fault in it.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(2000, 1))
        >>> z = x + rng.normal(size=(2000, 1))
        >>> e = estimate(x, z, **{"trainer.steps": 200, "trainer.progress": False})
        >>> 0.1 < e.mi < 0.6        # the truth is log(2) / 2 = 0.347
        True
    """
    experiment = experiment_on(
        x, z, categorical, groups, given, bound=bound, network=network, seed=seed, **overrides
    )
    with undisturbed():
        experiment.check()
        if folder is not None:
            keep_configuration(experiment.cfg, Path(folder))
        try:
            result = run.run_experiment(experiment, None if folder is None else Path(folder))
        except Diverged as error:
            result = {"status": "diverged", "note": str(error), "curve": []}
    curve, _ = result.pop("curve"), result.pop("objective", None)
    kept = {key: result.get(key) for key in ("standard_error", "lower_bound", "interval")}
    return Estimate(
        mi=result.get("estimate"), status=result["status"], curve=curve, result=result, **kept
    )


def experiment_on(
    x: object,
    z: object,
    categorical: Sequence[str] = (),
    groups: object = None,
    given: object = None,
    **chosen: object,
) -> MIEstimateExperiment:
    """Makes an estimate of rows in memory ready to run; arguments and faults as `estimate`."""
    faults = [f"{key}: {why}" for key, why in NOT_HERE.items() if key in chosen]
    if faults:
        raise BadInput(*faults)
    if groups is not None:
        chosen = {"split": "groups:groups", **chosen}
    if given is not None:
        chosen = {"dataset.given": "given", **chosen}
    cfg = composed(["dataset=arrays", "dataset.path=memory", *map(override, chosen.items())])
    data = from_memory(x, z, categorical, groups, cfg.dataset.missing, cfg.dataset.lag, given)
    return MIEstimateExperiment(cfg, data)


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration that the command line would compose, also inside another Hydra program.

    Raises:
        BadInput: for what Hydra refuses, and for every value that breaks a rule.
    """
    outer, version_base = GlobalHydra.instance().hydra, VersionBase.instance().version_base
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(conf_dir(), version_base="1.3"):
            cfg = compose("config", list(overrides))
    except (HydraException, OmegaConfBaseException) as stop:
        raise BadInput(refusal(stop) or " ".join(str(stop).split())) from stop
    finally:
        # Not the instance of before: Hydra put a copy in its place.
        GlobalHydra.instance().hydra = outer
        VersionBase.instance().version_base = version_base
    faults = validate(cfg)
    if faults:
        raise BadInput(*faults)
    return cfg


def keep_configuration(cfg: DictConfig, folder: Path) -> None:
    """The same .hydra/config.yaml that a run from the command line leaves."""
    if saved_sweep(folder) is not None:
        raise BadInput(f"folder={folder}: holds a sweep; want a new folder")
    if (folder / "result.json").exists() or (folder / ".hydra").exists():
        raise BadInput(f"folder={folder}: holds a run already; want a new folder")
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(cfg, folder / ".hydra" / "config.yaml")
