"""Sweeps through the program itself, from the command line to the last table."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["FIGURE_1", "GRID", "Launched", "correlations", "difference", "launch", "seeds"]

QUIET = ("references=none", "trainer.device=cpu")
GRID = (
    *QUIET, "network=mlp", "network.widths=[64,64]", "trainer.batch_size=128",
    "trainer.lr=0.002",
    "dataset=gaussian", "dataset.dim=2", "bound=mine,mine_f",
)  # fmt: skip
FIGURE_1 = (
    *QUIET, "network=mlp", "network.widths=[100,100]", "trainer.batch_size=512",
    "trainer.lr=0.002",
    "dataset=gaussian", "dataset.dim=2,20", "bound=mine,mine_f",
)  # fmt: skip


@dataclass(frozen=True)
class Launched:
    """One sweep: how long it took, and where the time went, in seconds."""

    seconds: float
    setup: float
    stepping: float
    jobs: int
    estimates: dict[tuple[str, ...], float]

    def detail(self) -> str:
        return (
            f"{self.seconds:.0f} s for {self.jobs} jobs: {self.setup:.0f} s until the first "
            f"starts, {self.stepping:.0f} s of steps in sum over the processes"
        )


def launch(launcher: str, arguments: Sequence[str]) -> Launched:
    """Runs `mine-run -m ARGUMENTS` through one of Hydra's launchers, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mine_cli", "-m", *arguments, "sweep_dir=sweep"]
        started = time.time()
        done = subprocess.run(
            [*command, f"hydra/launcher={launcher}", *OPTIONS.get(launcher, ())],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        seconds = time.time() - started
        if done.returncode:
            raise RuntimeError(f"{launcher}: {done.stderr[-2000:]}")
        sweep = Path(folder, "sweep")
        paths = sorted(sweep.glob("*/result.json"))
        results = [json.loads(path.read_text()) for path in paths]
        return Launched(
            seconds,
            min(path.stat().st_ctime for path in sweep.glob("*/.hydra")) - started,
            sum(r["steps"] / r["steps_per_second"] for r in results),
            len(results),
            {cell(result): result["estimate"] for result in results},
        )


OPTIONS = {"joblib": ("hydra.launcher.n_jobs=2",)}


def cell(result: dict[str, Any]) -> tuple[str, ...]:
    """What tells a job of a grid from the others."""
    dataset = result["dataset"]
    keys = (dataset["dim"], dataset["rho"], result["bound"]["_target_"], result["seed"])
    return tuple(map(str, keys))


def correlations(number: int, largest: float) -> str:
    """So many correlations, evenly spaced on both sides of zero, as a sweep takes them."""
    values = [largest * (2 * i / (number - 1) - 1) for i in range(number)]
    return "dataset.rho=" + ",".join(f"{value:.3g}" for value in values)


def seeds(number: int) -> str:
    return f"seed=range({number})"


def difference(first: Launched, second: Launched) -> float:
    """The largest difference of estimates, over the jobs that both have; nats."""
    shared = first.estimates.keys() & second.estimates.keys()
    return max(abs(first.estimates[key] - second.estimates[key]) for key in shared)
