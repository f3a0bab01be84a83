"""Folders as sweeps leave them, made without training: grids of jobs and how each ended."""

import math
import random
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from mine_cli.results.files import write_json

Arms = Mapping[str, Sequence[Any]]
Job = dict[str, Any]

BIAS = {"mine": -0.04, "mine_f": -0.07, "infonce": -0.12}
"""How far short a bound falls, in shares of the truth."""


def jobs_of(grid: Arms) -> list[Job]:
    """All combinations of a grid, the last key fastest, as Hydra orders them."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def sweep_folder(path: Path, jobs: Sequence[Job], listed: bool = True) -> Path:
    """The folder of a sweep none of whose jobs has started.

    Arguments:
        listed: Whether sweep.json lists the jobs, as that of a grid does and Optuna's does not.
    """
    lines = [
        {"folder": str(number), "overrides": [f"{key}={value}" for key, value in job.items()]}
        for number, job in enumerate(jobs)
    ]
    path.mkdir(parents=True)
    (path / "multirun.yaml").write_text("hydra: {}\n")
    listing = {"schema": 1, "arguments": ["-m"], "cwd": str(path), "jobs": lines if listed else []}
    write_json(path / "sweep.json", listing)
    return path


def record(folder: Path, status: str = "finished", error: str | None = None, **of: Any) -> None:
    """The job.json of a job that is running or has ended."""
    told = {"status": status, "error": error, "seconds": 12.5, "objective": None}
    write_json(folder / "job.json", told | of)


def finish(folder: Path, status: str = "ok", **result: Any) -> None:
    """The files of a finished job."""
    found = {"task": "mi-estimate", "status": status, "seconds": 11.5, "metrics": {}}
    write_json(folder / "result.json", found | result)
    record(folder)


def truth_of(rho: float, dim: int = 1) -> float:
    """Of Gaussians with that correlation in each of so many pairs, in nats."""
    return -0.5 * dim * math.log(1 - rho**2)


def estimated(job: Job, spread: float = 0.02) -> dict[str, Any]:
    """A result on the Gaussian that a job asks for: short of the truth by its bound's bias."""
    draw = random.Random(str(job))
    rho, dim = float(job.get("dataset.rho", 0.8)), int(job.get("dataset.dim", 1))
    truth, bias = truth_of(rho, dim), BIAS.get(str(job.get("bound")), -0.03)
    estimate = truth * (1 + bias) + spread * (0.3 + truth) * draw.gauss(0, 1)
    rows = {"report_rows": 10_000, "negatives": 100, "best_steps": [1000]}
    return {
        "estimate": estimate, "standard_error": 0.01 + 0.01 * truth, "true_mi": truth,
        "error": estimate - truth, "seed": job.get("seed", 0), "metrics": rows,
    }  # fmt: skip


def gaussian_sweep(path: Path, grid: Arms, ended: Mapping[int, str] | None = None) -> Path:
    """A sweep over Gaussians whose jobs all ended `ok`, but for those of `ended`.

    Arguments:
        ended: Job -> `failed`, `running` (killed), `pending`, or the status word of its result.
    """
    jobs = jobs_of(grid)
    sweep = sweep_folder(path, jobs)
    for number, job in enumerate(jobs):
        status, folder = (ended or {}).get(number, "ok"), sweep / str(number)
        if status == "failed":
            record(folder, "failed", "RuntimeError: OWN_FLAG is not set")
        elif status == "running":
            record(folder, "running", seconds=None)
        elif status == "diverged":
            lost = dict.fromkeys(("estimate", "standard_error", "error"))
            note = "the loss is not finite at step 40"
            finish(folder, status, **(estimated(job) | lost), note=note)
        elif status != "pending":
            finish(folder, status, **estimated(job))
    return sweep
