"""A row of the record whose full protocol wants a GPU, on one of them, in so many minutes.

    python scripts/on_gpu.py [ROW] data_dir=MNIST [minutes=13] [runs=FOLDER] [KEY=VALUE ...]

From a checkout in which the requirements are installed. ROW is `table1_meg` (stacked digits by
maximum entropy generators: trains a judge of digits where there is none, then both arms side by
side, at half the channels to their end, and with what time is left at full width) or `table3_ib`
(bottlenecks: nine methods, the ten seeds of each as one model). A minute before the end it stops
what still trains, which saves, and writes what was reached into the record (RUNS/record), at the
length that it was reached. The same command goes on. Every KEY=VALUE is a setting of `mine-run`:
`trainer.device=cpu trainer.steps=4 ...` tries it all without a GPU.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "scripts" / "reproduce"), str(HERE)]

import record  # noqa: E402
import sweeps  # noqa: E402
from rows import ROWS  # noqa: E402

from mine_cli.results.ledger import Ledger  # noqa: E402
from mine_cli.results.provenance import cpu_model  # noqa: E402

WRITING = 60.0  # seconds that are kept for stopping, and for the record


def both_arms(folder: Path) -> bool:
    """Whether both arms of a sweep have been evaluated."""
    rows = Ledger(folder).rows if folder.exists() else []
    return len(rows) == 2 and all((row.folder / "metrics.csv").exists() for row in rows)


def any_result(folder: Path) -> bool:
    """Whether a run of a sweep has come to its end."""
    return any(folder.glob("*/result.json"))


@dataclass(frozen=True)
class Plan:
    """How a row is run on a GPU.

    Arguments:
        sweeps: one after another, by the names that the row knows them by: their experiments.
        settings: that make it fast.
        arms: what each sweep is given beside.
        judged: whether a sweep's folder holds something to record.
    """

    sweeps: Mapping[str, str]
    settings: Mapping[str, str]
    arms: Sequence[str]
    judged: Callable[[Path], bool]


PLANS = {
    "table1_meg": Plan(
        {"half": "gan/stacked_mnist_meg_half", "full": "gan/stacked_mnist_meg"},
        {"trainer.device": "cuda", "trainer.compile": "true", "trainer.dtype": "tf32"},
        ("task.beta=0,1", "seed=0", "hydra.launcher.processes=2"),
        both_arms,
    ),
    "table3_ib": Plan(
        {"bottlenecks": "paper/table3_ib"},
        {"trainer.device": "cuda", "trainer.dtype": "tf32"},
        (),
        any_result,
    ),
}


def main() -> None:
    """Trains until the time is over, then writes the record of what there is."""
    end = time.monotonic() - WRITING
    names = [word for word in sys.argv[1:] if "=" not in word] or ["table1_meg"]
    if len(names) > 1 or names[0] not in PLANS:
        sys.exit(f"on_gpu: {' '.join(names)}: want one of {', '.join(PLANS)}")
    name, plan = names[0], PLANS[names[0]]
    given = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    end += 60 * float(given.pop("minutes", 13))
    runs = Path(given.pop("runs", HERE / "outputs" / "on_gpu")).resolve()
    runs.mkdir(parents=True, exist_ok=True)
    data = [f"data_dir={given['data_dir']}"] if "data_dir" in given else []
    settings = [f"{key}={value}" for key, value in (plan.settings | given).items()]
    if (key := ROWS[name].classified) is not None:
        settings.append(sweeps.classifier(data, runs, key))
    folders = {sweep: runs / sweep for sweep in plan.sweeps}
    for sweep, experiment in plan.sweeps.items():
        words = ["-m", f"experiment={experiment}", *plan.arms, *settings]
        if not train(words, folders[sweep], end):
            break
    write(name, runs, {sweep: at for sweep, at in folders.items() if plan.judged(at)})


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


def write(name: str, runs: Path, folders: dict[str, Path]) -> None:
    """Writes the record of what was reached, in RUNS/record."""
    if not folders:
        sys.exit("on_gpu: nothing was evaluated; the same command goes on")
    row = ROWS[name]
    origin = {
        "name": name,
        "budget": "gpu",
        "command": " ".join(["python scripts/on_gpu.py", *sys.argv[1:]]),
        "sweeps": {sweep: PLANS[name].sweeps[sweep] for sweep in folders},
        "hardware": f"{cpu_model()}, {os.cpu_count()} cores",
        **sweeps.origin(folders),
        "drawn_with": {package: version(package) for package in ("matplotlib", "pandas")},
    }
    record.write(runs / "record" / name, row, row.gather(folders), origin)
    record.render(runs / "record")
    print(f"record: {runs / 'record' / 'README.md'}")


if __name__ == "__main__":
    main()
