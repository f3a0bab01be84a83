"""Regenerates the figures and tables of the paper: ``python scripts/reproduce [NAME ...]``.

Without a name all of them. Runs what is missing, so that the same command goes on after an
interruption; then writes the record: figures, their data, and the paper's numbers beside ours.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import record
import sweeps
from plan import BUDGETS, Row
from rows import MISSING, ROWS

from mine_cli.config.hydra_errors import wanted
from mine_cli.errors import BadInput, RunFailed, tell
from mine_cli.results.commands import as_typed
from mine_cli.results.provenance import cpu_model, decides_numbers

__all__ = ["main"]

HERE = Path(__file__).resolve().parents[2]
RECORD = HERE / "outputs" / "paper"  # committed
SETTINGS = {
    "budget": "; ".join(f"{name}: {what}" for name, what in BUDGETS.items()),
    "runs": "folder of the runs; default outputs/reproduce/BUDGET",
    "record": "folder of the record; default outputs/paper, of a smoke run RUNS/record",
    "draw": "true: draw the record anew from its CSVs, and run nothing",
}


@dataclass(frozen=True)
class Plan:
    """What was asked for.

    Arguments:
        names: of rows, in their order.
        passed: settings of `mine-run` that decide no numbers, such as trainer.device.
    """

    names: Sequence[str]
    budget: str
    runs: Path
    record: Path
    draw: bool
    passed: Sequence[str]


def main() -> int:
    """The exit code: 0; 1 a sweep failed; 2 bad input; 130 interrupted."""
    try:
        plan = planned(sys.argv[1:])
        failed = drawn(plan) if plan.draw else run(plan)
        found = record.render(plan.record)
        if plan.record == RECORD:
            record.publish(found, HERE / "docs" / "results" / "index.md")
        print()
        for name, findings in found.items():
            print(f"{name:24}{record.counted(findings)}")
        print(f"\nrecord: {as_typed(plan.record / 'README.md')}")
        if failed:
            print(f"reproduce: failed, see above: {', '.join(failed)}", file=sys.stderr)
        return int(bool(failed))
    except KeyboardInterrupt:
        print("reproduce: interrupted; the same command goes on", file=sys.stderr)
        return 130
    except RunFailed as stop:
        tell(stop)
        return stop.exit_code


def planned(arguments: Sequence[str]) -> Plan:
    """What the command line asks for.

    Raises:
        BadInput: with everything that is wrong with it.
    """
    parser = argparse.ArgumentParser(
        prog="scripts/reproduce",
        description=__doc__,
        epilog="settings: " + "  ".join(f"{key}= {what}." for key, what in SETTINGS.items()),
    )
    known = f"of {', '.join(ROWS)}; or KEY=VALUE"
    parser.add_argument("names", nargs="*", metavar="NAME", help=known)
    given = parser.parse_args(arguments).names
    names = [word for word in given if "=" not in word]
    settings = dict(word.split("=", 1) for word in given if "=" in word)
    passed = [f"{key}={value}" for key, value in settings.items() if key not in SETTINGS]
    budget = settings.get("budget", "cpu")
    faults = [fault_of(name) for name in names if name not in ROWS]
    faults += [
        f"{setting}: the experiments decide the numbers; want one of "
        f"{', '.join(f'{key}=' for key in SETTINGS)} or one such as trainer.device=, data_dir="
        for setting in passed
        if decides_numbers(setting)
    ]
    if budget not in BUDGETS:
        faults.append(f"budget={budget}: want one of {', '.join(BUDGETS)}")
    if faults:
        raise BadInput(*faults)
    runs = Path(settings.get("runs", f"outputs/reproduce/{budget}")).resolve()
    place = runs / "record" if budget == "smoke" else RECORD
    return Plan(
        [name for name in ROWS if name in (names or ROWS)],
        budget,
        runs,
        Path(settings.get("record", place)).resolve(),
        settings.get("draw", "false") == "true",
        passed,
    )


def drawn(plan: Plan) -> list[str]:
    """What `run` returns, with nothing run.

    Raises:
        BadInput: there is nothing to draw.
    """
    places = [plan.record / name for name in plan.names]
    if not any((place / "record.json").exists() for place in places):
        where = places[0] if len(places) == 1 else plan.record
        raise BadInput(f"{as_typed(where)}: no record to draw; run it without draw=true first")
    return []


def fault_of(name: str) -> str:
    """Why there is no such row."""
    if name in MISSING:
        return f"{name}: {MISSING[name]} is not in this version"
    return f"{name}: no such figure or table; {wanted(name, [*ROWS])}"


def run(plan: Plan) -> list[str]:
    """Runs what is asked for, row by row, each recorded as soon as it is whole.

    Returns:
        The names of rows whose sweeps failed.
    """
    expected = {name: ROWS[name].expected(plan.budget) for name in plan.names}
    for name, seconds in expected.items():
        print(f"{name:24}{in_words(seconds)}")
    print(f"{'together':24}{in_words(together(expected.values()))}")
    failed = []
    for number, name in enumerate(plan.names):
        left = in_words(together([expected[name] for name in plan.names[number:]]))
        head = f"[{number + 1} of {len(plan.names)}] {name}: {ROWS[name].title}"
        print(f"\n{head} (for all that is left: {left})", flush=True)
        try:
            reproduce(name, ROWS[name], plan)
        except subprocess.CalledProcessError:  # the program has said why; the others go on
            failed.append(name)
    return failed


def together(seconds: Iterable[float | None]) -> float | None:
    """The sum, where all are known."""
    parts = list(seconds)
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def in_words(seconds: float | None) -> str:
    """A time that is expected."""
    if seconds is None:
        return "a time that nobody has measured"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} min" if minutes < 100 else f"about {minutes / 60:.1f} h"


def reproduce(name: str, row: Row, plan: Plan) -> None:
    """Runs what is missing of one row, and writes its record."""
    folder = plan.runs / name
    folder.mkdir(parents=True, exist_ok=True)
    settings = list(plan.passed)
    if row.classified:
        settings.append(sweeps.classifier(settings, plan.runs, row.classified))
    commands = {key: sweep.arguments(plan.budget) for key, sweep in row.sweeps.items()}
    folders = {key: folder / key for key in commands}
    for key, arguments in commands.items():
        sweeps.run([*arguments, *settings], folders[key])
    tables = row.gather(folders)
    origin = {
        "name": name,
        "budget": plan.budget,
        "command": f"scripts/reproduce {name} budget={plan.budget}",
        "sweeps": {key: " ".join(["mine-run", *words]) for key, words in commands.items()},
        "hardware": f"{cpu_model()}, {os.cpu_count()} cores",
        **sweeps.origin(folders),
        "drawn_with": {package: version(package) for package in ("matplotlib", "pandas")},
    }
    record.write(plan.record / name, row, tables, origin)


if __name__ == "__main__":
    sys.exit(main())
