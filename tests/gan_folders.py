"""Folders as `task=gan` leaves them, made without training: covered or collapsed."""

import math
from pathlib import Path
from typing import Any

import numpy

from mine_cli.results.files import write_json
from mine_cli.results.folder import RunFolder

STEPS = tuple(range(1000, 8001, 1000))
CENTRES = numpy.stack(numpy.meshgrid(*[numpy.arange(-4.0, 5.0, 2.0)] * 2), -1).reshape(25, 2)
GRID = {"_target_": "mine_cli.data.mixtures.GaussianGrid", "sigma": 0.05}
STACKS = {"_target_": "mine_cli.data.digits.StackedMNIST", "name": "mnist", "data_dir": "/data"}


def divergence(histogram: numpy.ndarray) -> float:
    """KL of counts against uniform, in nats."""
    shares = histogram[histogram > 0] / histogram.sum()
    return float((shares * numpy.log(shares * len(histogram))).sum())


def grid_points(
    modes: int, spread: float, rng: numpy.random.Generator, n: int = 2500
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Points about the first so many centres, their histogram and that of the good ones."""
    points = CENTRES[rng.integers(modes, size=n)] + spread * rng.standard_normal((n, 2))
    distances = numpy.linalg.norm(points[:, None] - CENTRES, axis=-1)
    nearest, good = distances.argmin(1), distances.min(1) < 3 * 0.05
    counts = [numpy.bincount(chosen, minlength=25) for chosen in (nearest, nearest[good])]
    return points.astype(numpy.float32), *counts


def blots(n: int, channels: int, kinds: int, rng: numpy.random.Generator) -> numpy.ndarray:
    """Images [n, channels, 28, 28] of bytes: each channel a bright spot at one of so many."""
    place = rng.integers(kinds, size=(n, channels)) * 2 * math.pi / 10
    row, column = numpy.mgrid[:28, :28]
    far = (row - 14 - 7 * numpy.sin(place)[..., None, None]) ** 2
    far = far + (column - 14 - 7 * numpy.cos(place)[..., None, None]) ** 2
    return (255 * numpy.exp(-far / 18)).astype(numpy.uint8)


def write(
    path: Path, beta: float, seed: int, kept: dict[int, dict[str, numpy.ndarray]], **changes: Any
) -> Path:
    """The files of a run that kept these samples at these steps."""
    folder = RunFolder(path, tensorboard=False)
    (path / "samples").mkdir()
    metrics: dict[str, float | None] = {}
    rng = numpy.random.default_rng(seed)
    for step, arrays in kept.items():
        numpy.savez_compressed(path / "samples" / f"{step:08d}.npz", **arrays)
        metrics = scores(arrays)
        mutual = beta * float(rng.uniform(0.01, 0.4))
        norms = {
            "norm/adversarial": float(rng.uniform(0.05, 0.2)),
            "norm/information": mutual,
            "norm/clipped": min(mutual, 0.1),
        }
        tags = {f"gan/{key}": value for key, value in metrics.items() if key != "kl_floor"}
        estimate = 5 * (1 - math.exp(-step / 3000))
        folder.log(step, tags | norms | {"mi/estimate": estimate, "loss/generator": 0.7})
    folder.close()
    result = {"task": "gan", "status": "ok", "seed": seed, "gan": {"beta": beta}}
    result |= {"steps": max(kept, default=0), "metrics": metrics, "dataset": GRID}
    write_json(folder.result_json, result | changes)
    return path


def scores(arrays: dict[str, numpy.ndarray]) -> dict[str, float | None]:
    """What the task would say of these counts."""
    counts, good = arrays["histogram"], arrays.get("good_histogram")
    captured = counts if good is None else good
    return {
        "modes": float((captured > 0).sum()),
        "kl": divergence(counts),
        "kl_floor": (len(counts) - 1) / (2 * counts.sum()),
        "high_quality": None if good is None else float(good.sum() / counts.sum()),
    }


def points_run(
    path: Path, beta: float = 1.0, seed: int = 0, modes: int = 25, spread: float = 0.08,
    steps: tuple[int, ...] = STEPS, **changes: Any,
) -> Path:  # fmt: skip
    """A run on the 5 x 5 grid that finds more modes with time, up to so many."""
    rng = numpy.random.default_rng(seed)
    kept = {}
    for k, step in enumerate(steps):
        share = (k + 1) / len(steps)
        x, counts, good = grid_points(max(1, round(modes * share)), spread / share, rng)
        kept[step] = {"x": x, "histogram": counts, "good_histogram": good}
    write(path, beta, seed, kept, **changes)
    numpy.savez_compressed(path / "samples" / "data.npz", x=grid_points(25, 0.05, rng)[0])
    return path


def images_run(
    path: Path, beta: float = 1.0, seed: int = 0, kinds: int = 10, channels: int = 3,
    steps: tuple[int, ...] = STEPS, **changes: Any,
) -> Path:  # fmt: skip
    """A run on stacks (three channels) or single digits that knows so many of the ten kinds."""
    rng = numpy.random.default_rng(seed)
    kept = {}
    for k, step in enumerate(steps):
        known = max(1, round(kinds * (k + 1) / len(steps)))
        digits = rng.integers(known, size=(26_000, channels))
        counts = numpy.bincount(digits @ 10 ** numpy.arange(channels), minlength=10**channels)
        kept[step] = {"x": blots(64, channels, known, rng), "histogram": counts}
    write(path, beta, seed, kept, **({"dataset": STACKS} | changes))
    numpy.savez_compressed(path / "samples" / "data.npz", x=blots(64, channels, 10, rng))
    return path
