"""Runs the sweeps of a row through the program, and reads what they left."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mine_cli.results.files import read_json, write_atomically, write_json
from mine_cli.results.ledger import Ledger

__all__ = [
    "classifier",
    "curves",
    "origin",
    "read_table",
    "results",
    "run",
    "write_table",
]

CLOCK = "seconds.json"  # in a row's folder: what each sweep took, over all that resumed it


def run(arguments: Sequence[str], folder: Path) -> None:
    """Runs what is missing of a sweep; a run that diverged is a result as well.

    Raises:
        CalledProcessError: a job failed, or bad input; the program has said why.
        KeyboardInterrupt: it was interrupted; the same call goes on.
    """
    started = time.time()
    try:
        call([*arguments, "retry_diverged=false", f"sweep_dir={folder}"])
    finally:
        clock(folder, time.time() - started)


def classifier(settings: Sequence[str], folder: Path, key: str) -> str:
    """The setting that names all rows' classifier of MNIST, trained where there is none yet."""
    kept = folder / "classifier.pt"
    if not kept.exists():
        run_folder = folder / f"classifier-{time.time_ns()}"
        call(["task=classifier", f"task.path={kept}", *settings, f"hydra.run.dir={run_folder}"])
    return f"{key}={kept}"


def call(arguments: Sequence[str]) -> None:
    """Runs the program, which speaks for itself, and saves where it is interrupted."""
    program = [sys.executable, "-m", "mine_cli", *arguments]
    with subprocess.Popen(program) as process:
        # Ctrl-C reaches the program as well; a second one would end it before it has saved.
        handlers = {
            signal.SIGINT: lambda *_: None,
            signal.SIGTERM: lambda *_: process.terminate(),
        }
        before = {number: signal.signal(number, act) for number, act in handlers.items()}
        try:
            code = process.wait()
        finally:
            for number, act in before.items():
                signal.signal(number, act)
    if code in (130, 143):
        raise KeyboardInterrupt
    if code:
        raise subprocess.CalledProcessError(code, program)


def clock(folder: Path, seconds: float) -> None:
    """Adds to the time that a sweep has taken."""
    path = folder.parent / CLOCK
    known = read_json(path) if path.exists() else {}
    write_json(path, known | {folder.name: known.get(folder.name, 0.0) + seconds})


def read_table(path: Path) -> pd.DataFrame:
    """A CSV as it was written: to the last digit, and with `null` as a value that was swept."""
    options: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}
    return pd.read_csv(path, float_precision="round_trip", **options)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A CSV, whole or not at all."""
    write_atomically(path, table.to_csv(index=False).encode())


def results(folder: Path, *more: str) -> pd.DataFrame:
    """The jobs of a sweep with what they were given and what they found, from results.csv.

    Arguments:
        more: keys of result.json, each a further column.
    """
    frame = read_table(folder / "results.csv").drop(columns=["job", "seconds", "task"])
    if more:
        runs = [read_json(folder / str(name) / "result.json") for name in frame["folder"]]
        frame = frame.assign(**{key: [run[key] for run in runs] for key in more})
    return frame


def curves(folder: Path, tags: Mapping[str, str]) -> pd.DataFrame:
    """Logged numbers of all jobs of a sweep, a row for each job and step.

    Arguments:
        tags: column of metrics.csv -> what it shall be called.
    """
    jobs = results(folder)
    swept = jobs.columns[: jobs.columns.get_loc("seed") + 1]
    found = []
    for _, job in jobs.iterrows():
        metrics = read_table(folder / str(job["folder"]) / "metrics.csv")
        logged = metrics[["step", *tags]].dropna(subset=list(tags)).rename(columns=dict(tags))
        found.append(logged.assign(**{key: job[key] for key in swept}))
    return pd.concat(found, ignore_index=True)[[*swept, "step", *tags.values()]]


def origin(folders: Mapping[str, Path]) -> dict[str, Any]:
    """Where the results of a row's sweeps come from, as their folders tell it."""
    ledgers = {name: Ledger(folder) for name, folder in folders.items()}
    rows = [row for ledger in ledgers.values() for row in ledger.rows]
    found = [row.result for row in rows if row.result]
    newest = max(path.stat().st_mtime for row in rows for path in row.folder.glob("result.json"))
    clocks = {folder.parent / CLOCK for folder in folders.values()}
    statuses = [row.status for row in rows]
    return {
        "jobs": len(rows),
        "statuses": {word: statuses.count(word) for word in sorted(set(statuses))},
        "seeds": sorted({result["seed"] for result in found}),
        "commits": sorted({str(result["commit"]) for result in found}),
        "devices": sorted({result["device"] for result in found}),
        "versions": distinct(result["versions"] for result in found),
        "date": time.strftime("%Y-%m-%d", time.localtime(newest)),
        "seconds": round(sum(sum(read_json(path).values()) for path in clocks)),
    }


def distinct(trees: Any) -> list[Any]:
    """Each value once, in the order in which they come."""
    return [json.loads(text) for text in dict.fromkeys(json.dumps(tree) for tree in trees)]
