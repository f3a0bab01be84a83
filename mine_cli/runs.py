"""A run from start to end: check, train, report, and write down what was found."""

import logging
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from mine_cli import checkpoint, jobs, ranks
from mine_cli.errors import BadInput, Diverged
from mine_cli.jobs import Job
from mine_cli.machine import device, seed_everything
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
from mine_cli.trainer import Trainer

__all__ = ["run", "run_job"]

log = logging.getLogger("mine_cli")


def run(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    """Run a configuration in its folder; the result, which also stands in result.json."""
    jobs.check(cfg)
    ranks.join(device(cfg.trainer.device))
    return run_job(jobs.job_of(cfg), ranks.broadcast(folder))


def run_job(job: Job, folder: Path | None) -> dict[str, Any]:
    """Train, evaluate and report; without a folder nothing is written.

    Raises:
        Diverged: after a result with that status was written.
        Interrupted: after the run was saved.
    """
    cfg = job.cfg
    if cfg.trainer.threads is not None:
        torch.set_num_threads(cfg.trainer.threads)
    seed_everything(cfg.seed, cfg.deterministic)
    where = device(cfg.trainer.device)
    task = job.start(where)
    for line in job.warnings:
        log.warning("%s", line)
    state = ranks.broadcast(checkpoint.latest(folder) if cfg.resume and folder else None)
    if state is not None and state["step"] > cfg.trainer.steps:
        raise BadInput(
            f"trainer.steps={cfg.trainer.steps}: the run has done {state['step']} steps already; "
            "want as many or more"
        )
    files = None
    if folder is not None and ranks.leads():
        step = state["step"] if state else None
        files = RunFolder(folder, step, cfg.trainer.tensorboard, job.charts)
    trainer = Trainer(task.trainer, files, cfg.units, look=job.look)
    result = head_of(job, where)
    try:
        if files and state is None:
            files.text("configuration", f"```yaml\n{OmegaConf.to_yaml(cfg, resolve=True)}```")
            job.begin(files)
        try:
            trainer.fit(task, state)
            if not ranks.leads():
                return result | {"curve": task.curve, "objective": None}
            result |= task.result()
        except Diverged as error:
            finish(job, files, trainer, result | {"status": "diverged", "note": str(error)})
            raise
        result |= job.after(result, trainer.record.seconds)
        finish(job, files, trainer, result)
    finally:
        if files:
            files.close()
    if result["status"] == "diverged":
        raise Diverged("the estimate is not finite; try a smaller trainer.lr or network")
    objective = next(iter(job.compared(result).values()))
    return result | {"curve": task.curve, "objective": objective}


def head_of(job: Job, where: torch.device) -> dict[str, Any]:
    """What a result says of how it was made; the numbers are unknown as yet."""
    cfg = job.cfg
    resolved: Any = OmegaConf.to_container(cfg, resolve=True)
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else str(where)
    return {
        "schema": SCHEMA,
        "task": cfg.task.name,
        "status": "running",
        **job.head(),
        "unit": "nats",
        "seed": cfg.seed,
        "device": name,
        "dtype": cfg.trainer.dtype,
        "metrics": {},
        "versions": versions(),
        "commit": commit(),
        "fingerprint": fingerprint({**resolved, "memory": job.content()}, job.files()),
        "warnings": job.warnings,
    }


def finish(job: Job, files: RunFolder | None, trainer: Trainer, result: dict[str, Any]) -> None:
    """Write the result and its figures, and tell it."""
    record, cfg = trainer.record, job.cfg
    result |= {
        "steps": record.steps,
        "seconds": record.seconds,
        "steps_per_second": record.steps_per_second,
        "peak_memory": peak_memory(str(device(cfg.trainer.device))),
    }
    if files is None:
        return
    write_json(files.result_json, result)
    files.hparams(job.settings(), job.compared(result))
    for tag, picture in job.pictures(files.path).items():
        files.picture(tag, picture, record.steps)
    log.info("%s", summary(result, cfg.units, files.path))
