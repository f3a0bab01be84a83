"""From a configuration to objects: the only place that instantiates, and runs what it made."""

import json
import logging
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mine_cli import baselines, checkpoint, figures
from mine_cli.bounds import OneFormula
from mine_cli.data import Rows, finite_rows
from mine_cli.data.split import group_column
from mine_cli.errors import BadInput, Diverged
from mine_cli.estimator import MutualInformation
from mine_cli.results import (
    SCHEMA,
    RunFolder,
    commit,
    fingerprint,
    peak_memory,
    summary,
    versions,
    write_json,
)
from mine_cli.scoring import group_shape
from mine_cli.tasks.feeds import stream
from mine_cli.tasks.mi_estimate import MIEstimate
from mine_cli.tasks.parts import Parts, of_law, of_rows
from mine_cli.trainer import Trainer, autocast, device, seed_everything
from mine_cli.validation import validate

__all__ = ["Data", "check", "check_data", "data_of", "dry_run", "run", "run_on", "term"]

log = logging.getLogger("mine_cli")

FEWEST_ROWS = 20  # to cross with one another in an evaluation


class Data:
    """A data set as configured: the object itself, and its rows if they are finite."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.rows: Rows | None = finite_rows(dataset)
        source = dataset if self.rows is None else self.rows
        self.true_mi: float | None = getattr(source, "true_mi", None)
        self.true_mi_note: str = getattr(source, "true_mi_note", "")
        self.files: list[Path] = list(getattr(dataset, "files", []))

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one x and of one z."""
        if self.rows is not None:
            x, z = self.rows.x, self.rows.z
        else:
            x, z = self.dataset.sample(2, torch.Generator().manual_seed(0))
        return tuple(x.shape[1:]), tuple(z.shape[1:])


# The checks before a run and the run itself need the same data: a large file is read once.
_latest: dict[str, Data] = {}


def data_of(cfg: DictConfig) -> Data:
    """The data set of a configuration; the latest one is kept."""
    conf = OmegaConf.to_container(cfg.dataset, resolve=True)
    column = group_column(cfg.split)
    key = json.dumps([conf, column], sort_keys=True, default=str)
    if key not in _latest:
        options = {} if column is None else {"group_column": column}
        found = Data(make(cfg.dataset, "dataset", **options))
        _latest.clear()
        _latest[key] = found
    return _latest[key]


def make(node: DictConfig, what: str, *args: Any, **options: Any) -> Any:
    """The object that a `_target_` names; what it refuses is one line."""
    try:
        return instantiate(node, *args, **options)
    except InstantiationException as error:
        if isinstance(error.__cause__, BadInput):
            raise error.__cause__ from None
        reason = str(error.__cause__ or error).splitlines()[0]
        raise BadInput(f"{what}: {node.get('_target_')}: {reason}") from error


def term(
    cfg: DictConfig, x_shape: tuple[int, ...], z_shape: tuple[int, ...], seed: int
) -> MutualInformation:
    """The configured MI term, its network initialised from this seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make(cfg.network, "network", x_shape, z_shape)
        bound = make(cfg.bound, "bound")
    if not hasattr(bound, "loss"):
        bound = OneFormula(bound)
    marginals = make(cfg.marginals, "marginals")
    return MutualInformation(network, bound, marginals, lr=cfg.trainer.lr, seed=seed)


def check(cfg: DictConfig) -> None:
    """Raise BadInput with whatever would stop this run: before any folder exists."""
    faults = validate(cfg)
    if faults:
        raise BadInput(*faults)
    device(cfg.trainer.device)
    check_data(cfg, data_of(cfg))


def check_data(cfg: DictConfig, data: Data) -> None:
    """Raise BadInput where data and configuration don't go together."""
    for parts in split(cfg, data, torch.device("cpu")):
        if parts.law is None:
            check_sizes(cfg, parts)
    forward_pass(cfg, data)


def check_sizes(cfg: DictConfig, parts: Parts) -> None:
    """Raise BadInput where the fit rows do not fill a batch, or a part is too small to cross."""
    fit, select, report = (len(part[0]) for part in (parts.fit, parts.select, parts.report))
    faults = []
    if fit < cfg.trainer.batch_size:
        faults.append(
            f"trainer.batch_size={cfg.trainer.batch_size}: larger than the {fit} rows that train; "
            f"want at most {fit}"
        )
    if min(select, report) < FEWEST_ROWS:
        faults.append(
            f"dataset: {select} rows to select and {report} to report; want at least "
            f"{FEWEST_ROWS} of each: more rows, or other task.fractions"
        )
    if faults:
        raise BadInput(*faults)


def split(cfg: DictConfig, data: Data, where: torch.device) -> list[Parts]:
    """Each fold's fit, select and report parts."""
    task = cfg.task
    if data.rows is None:
        if cfg.folds > 1:
            raise BadInput(
                f"folds={cfg.folds}: fresh draws have no folds; want folds=1 or dataset.n=..."
            )
        return [of_law(data.dataset, task.select_rows, task.report_rows, cfg.seed, where)]
    return of_rows(data.rows, cfg.folds, cfg.split, list(task.fractions), cfg.seed, where)


def forward_pass(cfg: DictConfig, data: Data) -> MutualInformation:
    """Build the term and score two rows, so that shapes that don't fit are found at once."""
    found = term(cfg, *data.shapes(), seed=stream(cfg.seed, "network"))
    if data.rows is not None:
        x, z = data.rows.x[:4], data.rows.z[:4]
    else:
        x, z = data.dataset.sample(4, torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            scores = found.eval().network(x, z)
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadInput(
            f"network: {type(found.network).__name__} cannot score x {list(x.shape)} with z "
            f"{list(z.shape)}: {str(error).splitlines()[0]}"
        ) from error
    if scores.shape != (len(x),):
        raise BadInput(f"network: scores of {len(x)} rows have shape {list(scores.shape)}")
    return found


def dry_run(cfg: DictConfig) -> str:
    """Build everything, pass a few rows forward, and say what would run; writes nothing."""
    check(cfg)
    data = data_of(cfg)
    found = forward_pass(cfg, data)
    x_shape, z_shape = data.shapes()
    count = sum(p.numel() for p in found.parameters())
    truth = "not known" if data.true_mi is None else f"{data.true_mi:.4f} nats"
    rows = "fresh draws" if data.rows is None else f"{len(data.rows)} rows"
    groups, size = group_shape(cfg.trainer.batch_size, found.marginals)
    pairs = groups * size * (size - 1) or cfg.trainer.batch_size * getattr(
        found.marginals, "num", 1
    )
    lines = {
        "dataset": f"{type(data.dataset).__name__}, {rows}; x {x_shape}, z {z_shape}",
        "truth": truth,
        "network": f"{type_name(cfg.network)}, {count:,} parameters",
        "bound": type_name(cfg.bound),
        "marginals": f"{type(found.marginals).__name__}, {pairs:,} pairs a batch",
        "training": f"{cfg.trainer.steps} steps of {cfg.trainer.batch_size} rows on "
        f"{device(cfg.trainer.device)}, {cfg.folds} network(s)",
    }
    width = max(map(len, lines))
    listing = "\n".join(f"{key:{width}}  {value}" for key, value in lines.items())
    return f"{listing}\nEverything builds and one forward pass ran; nothing was written."


def run(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    """Run a configuration in its folder; the result, which also stands in result.json."""
    check(cfg)
    return run_on(cfg, data_of(cfg), folder)


def run_on(cfg: DictConfig, data: Data, folder: Path | None) -> dict[str, Any]:
    """Train, evaluate and report on a data set; without a folder nothing is written.

    Raises:
        Diverged: after a result with that status was written.
        Interrupted: after the run was saved.
    """
    if cfg.trainer.threads is not None:
        torch.set_num_threads(cfg.trainer.threads)
    seed_everything(cfg.seed, cfg.deterministic)
    where = device(cfg.trainer.device)
    trainer_conf = OmegaConf.to_object(cfg.trainer)
    parts = split(cfg, data, where)
    warnings = [*(data.rows.warnings if data.rows else []), *parts[0].warnings]
    for line in warnings:
        log.warning("%s", line)

    def cast() -> AbstractContextManager[Any]:
        return autocast(where, cfg.trainer.dtype)

    task = MIEstimate(
        OmegaConf.to_object(cfg.task),
        trainer_conf,
        partial(term, cfg, *data.shapes()),
        parts,
        cfg.seed,
        data.true_mi,
        cast,
    )
    state = checkpoint.latest(folder) if cfg.resume and folder else None
    files = folder and RunFolder(folder, state and state["step"], cfg.trainer.tensorboard)
    trainer = Trainer(trainer_conf, files or None, cfg.units)
    result = head_of(cfg, data, where) | {"warnings": warnings}
    try:
        if files and state is None:
            begin(files, cfg, parts)
        try:
            trainer.fit(task, state)
            result |= task.result()
        except Diverged as error:
            finish(files, cfg, trainer, result | {"status": "diverged", "note": str(error)})
            raise
        result["references"] = references(cfg, data, parts, trainer.record.seconds)
        finish(files, cfg, trainer, result)
    finally:
        if files:
            files.close()
    if result["status"] == "diverged":
        raise Diverged("the estimate is not finite; try a smaller trainer.lr or network")
    return result | {"curve": task.curve}


def head_of(cfg: DictConfig, data: Data, where: torch.device) -> dict[str, Any]:
    """What a result says of how it was made; the numbers are unknown as yet."""
    resolved = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(resolved, dict)
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else str(where)
    unknown = (
        "estimate", "standard_error", "lower_bound", "error", "fit_value", "fold_sd",
        "effective_sample_size", "marginal_pairs",
    )  # fmt: skip
    return {
        "schema": SCHEMA,
        "task": cfg.task.name,
        "status": "running",
        **dict.fromkeys(unknown),
        "true_mi": data.true_mi,
        "true_mi_note": data.true_mi_note,
        "unit": "nats",
        **{group: resolved[group] for group in ("dataset", "network", "bound", "marginals")},
        "seed": cfg.seed,
        "folds": cfg.folds,
        "split": cfg.split,
        "device": name,
        "dtype": cfg.trainer.dtype,
        "metrics": {},
        "references": {},
        "versions": versions(),
        "commit": commit(),
        "fingerprint": fingerprint(resolved, data.files),
    }


def begin(files: RunFolder, cfg: DictConfig, parts: list[Parts]) -> None:
    """What a run's folder holds from the start: its configuration as text and its split."""
    files.text("configuration", "```yaml\n" + OmegaConf.to_yaml(cfg, resolve=True) + "```")
    rows = {
        f"{name}_{k}": getattr(part.split, name).numpy()
        for k, part in enumerate(parts)
        if part.split is not None
        for name in ("fit", "select", "report")
    }
    if rows:
        numpy.savez_compressed(files.path / "split.npz", **rows)  # type: ignore[arg-type]


def references(
    cfg: DictConfig, data: Data, parts: list[Parts], seconds: float
) -> dict[str, dict[str, Any]]:
    """KSG and Gaussian estimates of the same data, beside the estimate and never mixed into it."""
    if cfg.references == "none":
        return {}
    rows = data.rows or Rows(*(side.cpu() for side in parts[0].report))
    return baselines.references(
        rows.x,
        rows.z,
        seconds_allowed=seconds,
        x_categorical=rows.x_categorical,
        z_categorical=rows.z_categorical,
        seed=cfg.seed,
    )


def finish(
    files: RunFolder | None, cfg: DictConfig, trainer: Trainer, result: dict[str, Any]
) -> None:
    """Write the result and its figure, and tell it."""
    record = trainer.record
    result |= {
        "steps": record.steps,
        "seconds": record.seconds,
        "steps_per_second": record.steps_per_second,
        "peak_memory": peak_memory(str(device(cfg.trainer.device))),
    }
    if files is None:
        return
    write_json(files.result_json, result)
    settings = {
        "dataset": type_name(cfg.dataset), "network": type_name(cfg.network),
        "bound": type_name(cfg.bound), "marginals": type_name(cfg.marginals),
        "seed": cfg.seed, "lr": cfg.trainer.lr, "batch_size": cfg.trainer.batch_size,
    }  # fmt: skip
    files.hparams(
        settings, {"result/estimate": result["estimate"], "result/error": result["error"]}
    )
    curve = figures.curve(files.path, cfg.units)
    files.picture("curve", curve, record.steps)
    log.info("%s", summary(result, cfg.units, files.path))


def type_name(node: DictConfig) -> str:
    return str(node.get("_target_", "")).rsplit(".", 1)[-1]
