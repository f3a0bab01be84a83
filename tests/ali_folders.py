"""Folders as `task=ali` leaves them, made without training."""

from pathlib import Path
from typing import Any

import numpy

from mine_cli.results.files import write_json
from mine_cli.results.folder import RunFolder
from tests.gan_folders import CENTRES, blots

__all__ = ["encoded_run"]

STEPS = (100, 200, 300)


def encoded_run(
    path: Path, method: str = "ali_mine", seed: int = 0, images: bool = False, n: int = 64,
    **changes: Any,
) -> Path:  # fmt: skip
    """The files of a run that kept so many samples at three steps: points or images."""
    rng = numpy.random.default_rng(seed)
    folder = RunFolder(path, tensorboard=False)
    (path / "samples").mkdir(exist_ok=True)
    label = rng.integers(10, size=n)
    metrics = {"own_mode": 0.5, "reconstruction_error": 1.0, "modes": 10.0, "kl": 0.1}
    for step in STEPS:
        if images:
            rows = blots(n, 1, 10, rng)
            arrays = {"x": blots(n, 1, 10, rng), "rows": rows, "rebuilt": rows // 2}
        else:
            rows = CENTRES[label] + 0.05 * rng.standard_normal((n, 2))
            arrays = {"x": rows, "rows": rows, "rebuilt": rows + 0.1}
        arrays |= {"code": rng.standard_normal((n, 2)), "label": label}
        numpy.savez_compressed(path / "samples" / f"{step:08d}.npz", **arrays)
        folder.log(step, {f"ali/{key}": value for key, value in metrics.items()})
    told = {"method": method, "seed": seed}
    numpy.savez_compressed(path / "samples" / "data.npz", x=arrays["rows"], **told)
    folder.close()
    result = {"task": "ali", "status": "ok", "seed": seed, "method": {"name": method}}
    write_json(path / "result.json", result | {"metrics": metrics, "steps": STEPS[-1]} | changes)
    return path
