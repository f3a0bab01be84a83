"""A run from start to end: build, train, evaluate, refer, and write down what was found."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import torch
from omegaconf import DictConfig, OmegaConf

from mine_cli import baselines, build, checkpoint, figures
from mine_cli.data import Rows
from mine_cli.errors import BadInput, Diverged
from mine_cli.machine import autocast, device, seed_everything
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
from mine_cli.tasks.mi_estimate import MIEstimate
from mine_cli.tasks.parts import Parts
from mine_cli.trainer import Trainer

__all__ = ["run", "run_on"]

log = logging.getLogger("mine_cli")


def run(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    """Run a configuration in its folder; the result, which also stands in result.json."""
    build.check(cfg)
    return run_on(cfg, build.data_of(cfg), folder)


def run_on(cfg: DictConfig, data: build.Data, folder: Path | None) -> dict[str, Any]:
    """Train, evaluate and report on a data set; without a folder nothing is written.

    Raises:
        Diverged: after a result with that status was written.
        Interrupted: after the run was saved.
    """
    if cfg.trainer.threads is not None:
        torch.set_num_threads(cfg.trainer.threads)
    seed_everything(cfg.seed, cfg.deterministic)
    where = device(cfg.trainer.device)
    parts = build.split(cfg, data, where)
    warnings = [*(data.rows.warnings if data.rows else []), *parts[0].warnings]
    for line in warnings:
        log.warning("%s", line)
    task = mi_estimate(cfg, data, parts, where)
    state = checkpoint.latest(folder) if cfg.resume and folder else None
    if state is not None and state["step"] > cfg.trainer.steps:
        raise BadInput(
            f"trainer.steps={cfg.trainer.steps}: the run has done {state['step']} steps already; "
            "want as many or more"
        )
    files = None
    if folder is not None:
        files = RunFolder(folder, state["step"] if state else None, cfg.trainer.tensorboard)
    trainer = Trainer(task.trainer, files, cfg.units)
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


def mi_estimate(
    cfg: DictConfig, data: build.Data, parts: list[Parts], where: torch.device
) -> MIEstimate:
    """The configured task on these parts of the data."""
    task_conf: Any = OmegaConf.to_object(cfg.task)
    trainer_conf: Any = OmegaConf.to_object(cfg.trainer)
    return MIEstimate(
        task_conf,
        trainer_conf,
        make_term=partial(build.term, cfg, *data.shapes()),
        parts=parts,
        seed=cfg.seed,
        true_mi=data.true_mi,
        autocast=partial(autocast, where, cfg.trainer.dtype),
    )


def head_of(cfg: DictConfig, data: build.Data, where: torch.device) -> dict[str, Any]:
    """What a result says of how it was made; the numbers are unknown as yet."""
    resolved: Any = OmegaConf.to_container(cfg, resolve=True)
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
        "fingerprint": fingerprint({**resolved, "memory": data.content}, data.files),
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
        numpy.savez_compressed(files.path / "split.npz", **rows)


def references(
    cfg: DictConfig, data: build.Data, parts: list[Parts], seconds: float
) -> dict[str, dict[str, Any]]:
    """KSG and Gaussian estimates of the same data, beside the estimate and never mixed into it."""
    if cfg.references == "none":
        return {}
    x, z = parts[0].report
    rows = data.rows or Rows(x.cpu(), z.cpu())
    return baselines.references(
        rows.x,
        rows.z,
        seconds_allowed=max(seconds, 1.0),  # a second is never worth skipping
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
        "dataset": build.type_name(cfg.dataset), "network": build.type_name(cfg.network),
        "bound": build.type_name(cfg.bound), "marginals": build.type_name(cfg.marginals),
        "seed": cfg.seed, "lr": cfg.trainer.lr, "batch_size": cfg.trainer.batch_size,
    }  # fmt: skip
    files.hparams(
        settings, {"result/estimate": result["estimate"], "result/error": result["error"]}
    )
    curve = figures.curve(files.path, cfg.units)
    files.picture("curve", curve, record.steps)
    log.info("%s", summary(result, cfg.units, files.path))
