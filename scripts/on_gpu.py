"""Stacked digits by maximum entropy generators on one GPU, in so many minutes.

    python scripts/on_gpu.py data_dir=FOLDER_WITH_MNIST [minutes=13] [runs=FOLDER] [KEY=VALUE ...]

From a checkout in which the requirements are installed. Trains a judge of digits where there is
none, then both arms side by side: at half the channels to their end, and with what time is left at
full width. A minute before the end it stops what still trains, which saves, and writes what was
reached into the record (RUNS/record), at the length that it was reached. The same command goes on.
Every KEY=VALUE is a setting of `mine-run`: `trainer.device=cpu trainer.steps=4 ...` tries it all
without a GPU.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "scripts" / "reproduce"), str(HERE)]

import record  # noqa: E402
import sweeps  # noqa: E402
from rows import ROWS  # noqa: E402

from mine_cli.results.ledger import Ledger  # noqa: E402
from mine_cli.results.provenance import cpu_model  # noqa: E402

ROW = "table1_meg"
SIZES = {"half": "gan/stacked_mnist_meg_half", "full": "gan/stacked_mnist_meg"}
FAST = {"trainer.device": "cuda", "trainer.compile": "true", "trainer.dtype": "tf32"}
ARMS = ("task.beta=0,1", "seed=0", "hydra.launcher.processes=2")
WRITING = 60.0  # seconds that are kept for stopping, and for the record


def main() -> None:
    """Trains until the time is over, then writes the record of what there is."""
    end = time.monotonic() - WRITING
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    end += 60 * float(given.pop("minutes", 13))
    runs = Path(given.pop("runs", HERE / "outputs" / "on_gpu")).resolve()
    runs.mkdir(parents=True, exist_ok=True)
    data = [f"data_dir={given['data_dir']}"] if "data_dir" in given else []
    settings = [f"{key}={value}" for key, value in (FAST | given).items()]
    settings.append(sweeps.classifier(data, runs))
    folders = {size: runs / size for size in SIZES}
    for size, experiment in SIZES.items():
        if not train(["-m", f"experiment={experiment}", *ARMS, *settings], folders[size], end):
            break
    write(runs, {size: folder for size, folder in folders.items() if judged(folder)})


def train(arguments: Sequence[str], folder: Path, end: float) -> bool:
    """Whether a sweep came to its end; one that has no time left is interrupted, and saves."""
    started = time.monotonic()
    if end <= started:
        return False
    command = [sys.executable, "-m", "mine_cli", *arguments, f"sweep_dir={folder}"]
    with subprocess.Popen(command) as process:
        try:
            done = process.wait(end - started)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            done = process.wait()
    sweeps.clock(folder, time.monotonic() - started)
    return done == 0


def judged(folder: Path) -> bool:
    """Whether both arms of a sweep have been evaluated."""
    rows = Ledger(folder).rows if folder.exists() else []
    return len(rows) == 2 and all((row.folder / "metrics.csv").exists() for row in rows)


def write(runs: Path, folders: dict[str, Path]) -> None:
    """Writes the record of what was reached, in RUNS/record."""
    if not folders:
        sys.exit("on_gpu: no arm was evaluated; the same command goes on")
    row = ROWS[ROW]
    origin = {
        "name": ROW,
        "budget": "gpu",
        "command": " ".join(["python scripts/on_gpu.py", *sys.argv[1:]]),
        "sweeps": {size: SIZES[size] for size in folders},
        "hardware": f"{cpu_model()}, {os.cpu_count()} cores",
        **sweeps.origin(folders),
        "drawn_with": {package: version(package) for package in ("matplotlib", "pandas")},
    }
    record.write(runs / "record" / ROW, row, row.gather(folders), origin)
    record.render(runs / "record")
    print(f"record: {runs / 'record' / 'README.md'}")


if __name__ == "__main__":
    main()
