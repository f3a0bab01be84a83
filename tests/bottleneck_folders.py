"""Folders as `task=infobottleneck` leaves them, made without training."""

import math
from pathlib import Path
from typing import Any

import numpy

from mine_cli.results.files import write_json
from mine_cli.results.folder import RunFolder

STEPS = tuple(range(0, 12_001, 600))
TEST_ROWS = 10_000
H_Y = 2.301
ENCODERS = {
    "vib": "Gaussian", "mine_gaussian": "Gaussian", "vib_additive": "Additive",
    "mine_additive": "Additive", "mine_propagated": "Propagated",
}  # fmt: skip
# Roughly what a test set says: the error of one sample, and by how much averaging lowers it.
ERRORS = {
    "none": (1.38, 0.0), "dropout": (1.34, 0.0), "confidence_penalty": (1.36, 0.0),
    "label_smoothing": (1.40, 0.0), "vib": (1.62, 0.42), "vib_additive": (1.40, 0.3),
    "mine_gaussian": (1.55, 0.4), "mine_propagated": (1.45, 0.3), "mine_additive": (1.3, 0.27),
}  # fmt: skip


def information(method: str) -> str:
    """What the method weighs I(X; Z) by."""
    prefixes = {"vib": "kl", "mine": "mine"}
    return prefixes.get(method.partition("_")[0], "none")


def level(beta: float) -> float:
    """I(X; Z) in nats that a weight leaves at the end."""
    return 2.1 + 10 / (1 + (beta / 1e-3) ** 0.7) if beta < 1 else 0.35


def share(step: int) -> float:
    """How much of the training is done, in [0, 1)."""
    return 1 - math.exp(-step / 2500)


def measures(method: str, true: float, rng: numpy.random.Generator) -> dict[str, float]:
    """What is known of an information of so many nats: names as in metrics.csv."""
    kind, encoder = information(method), ENCODERS.get(method)
    found = {}
    if kind == "mine":
        found["mi/estimate"] = true * rng.uniform(0.93, 0.99)
    if encoder == "Gaussian":
        found["mi/reference"] = min(true, math.log(TEST_ROWS) - 0.02) - 0.02
        found["mi/reference_upper"] = true + 0.03 + math.exp(true - 7)
    if kind == "kl":
        found["mi/kl"] = 1.7 * true + 2
    return found


def bottleneck_run(
    path: Path, method: str = "mine_gaussian", beta: float = 1e-3, seed: int = 0,
    steps: tuple[int, ...] = STEPS, drop: tuple[str, ...] = (), **changes: Any,
) -> Path:  # fmt: skip
    """The files of a finished run; metrics of `changes` replace those that are made up.

    Arguments:
        drop: Columns of metrics.csv that were never logged.
    """
    rng = numpy.random.default_rng(100 + seed)
    folder = RunFolder(path, tensorboard=False)
    metrics: dict[str, float] = {}
    for step in steps:
        row = evaluation(method, beta, step, rng)
        metrics = row
        folder.log(step, {tag: value for tag, value in row.items() if tag not in drop})
        for between in range(step + 50, step + 600, 50) if len(steps) > 1 else ():
            batch = {"loss/cross_entropy": 0.02 + 2 * (1 - share(between)) * rng.uniform(0.5, 1.5)}
            if "mi/estimate" in row:
                batch["train/value"] = row["mi/estimate"] * rng.uniform(0.9, 1.2)
            kept = {tag: value for tag, value in batch.items() if tag not in drop}
            if between < steps[-1] and kept:
                folder.log(between, kept)
    folder.close()
    result = head(method, beta, seed) | {"metrics": final(metrics)}
    if method not in ENCODERS:
        result["metrics"]["samples"] = 1  # nothing is random
    changes["metrics"] = result["metrics"] | changes.get("metrics", {})
    write_json(folder.result_json, result | changes)
    return path


def evaluation(
    method: str, beta: float, step: int, rng: numpy.random.Generator
) -> dict[str, float]:
    """A row of metrics.csv."""
    first, gain = ERRORS[method]
    last = min((first + 300 * beta**1.5 + rng.normal(0, 0.05)) / 100, 0.85)
    error = last + (0.88 - last) * math.exp(-step / 400)
    entropy = 1.1 * (first / 25) + 2.4 * math.exp(-step / 500) + min(beta, 1) * 2
    true = (
        (0.85 if method == "vib" else 1.0) * level(beta) + 4 * (1 - share(step)) if step else 0.6
    )
    return {
        "ib/error": error,
        "ib/error_averaged": error - gain / 100 * share(step),
        "ib/cross_entropy": entropy,
        "ib/cross_entropy_averaged": 0.8 * entropy,
        "mi/z_y": H_Y - entropy,
        "mi/h_y": H_Y,
        **measures(method, true, rng),
    }


def head(method: str, beta: float, seed: int) -> dict[str, Any]:
    """How the run was made."""
    target = f"mine_cli.networks.encoders.{ENCODERS.get(method, 'Deterministic')}"
    arm = {"name": method, "beta": beta, "information": information(method)}
    start = {"task": "infobottleneck", "status": "ok", "seed": seed, "method": arm}
    return start | {"encoder": {"_target_": target}}


def final(row: dict[str, float]) -> dict[str, Any]:
    """The metrics of a result, from the last evaluation."""
    error = row["ib/error_averaged"]
    return {
        "error": row["ib/error"],
        "error_averaged": error,
        "cross_entropy": row["ib/cross_entropy"],
        "cross_entropy_averaged": row["ib/cross_entropy_averaged"],
        "calibration": 0.006,
        "calibration_averaged": 0.004,
        "i_xz_term": row.get("mi/estimate"),
        "i_xz_reference": row.get("mi/reference"),
        "i_xz_reference_upper": row.get("mi/reference_upper"),
        "kl": row.get("mi/kl"),
        "i_zy": row["mi/z_y"],
        "h_y": H_Y,
        "noise_errors": {str(s): min(error * math.exp(4 * s), 0.9) for s in (0.0, 0.1, 0.3, 0.5)},
        "fgsm_errors": {str(s): min(error + 2.5 * s, 0.95) for s in (0.0, 0.05, 0.1, 0.2, 0.3)},
        "samples": 12,
        "test_rows": TEST_ROWS,
        "attacked_rows": 1000,
    }
