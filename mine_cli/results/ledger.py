"""The jobs of a sweep, read from their folders: status, numbers, how they failed.

Imports no torch and no matplotlib: every job writes the sweep's tables anew when it ends.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev

import yaml

from mine_cli.results.files import Result, read_json, write_csv
from mine_cli.results.metrics import NUMBERS, Metric, compared
from mine_cli.results.names import key_and_value, swept_keys
from mine_cli.results.numbers import WITH_OWN, known, standard_error

__all__ = ["UNFINISHED", "WITHOUT_NUMBERS", "Ledger", "Row", "Setting", "counted"]

UNFINISHED = ("failed", "interrupted", "pending")
"""The statuses of jobs that a resumed sweep runs, beside what diverged."""

WITHOUT_NUMBERS = ("diverged", *UNFINISHED)
"""The statuses of jobs that are counted, but not averaged."""


@dataclass(frozen=True)
class Row:
    """Holds one job of a sweep as its folder tells it.

    Arguments:
        job: Its number in the sweep, from 0.
        name: Its folder, relative to the sweep's.
        folder: The same, as a path.
        overrides: Key -> value, as typed, of everything that the job was given.
        result: What stands in result.json; empty where there is none.
        record: What stands in job.json; empty where there is none.
    """

    job: int
    name: str
    folder: Path
    overrides: Mapping[str, str]
    result: Result
    record: Result

    @classmethod
    def read(cls, job: int, name: str, sweep: Path, overrides: Sequence[str] | None) -> "Row":
        """Reads a job's folder below a sweep's; overrides are Hydra's record where not given."""
        folder = sweep / name
        given = recorded_overrides(folder) if overrides is None else overrides
        files = (folder / "result.json", folder / "job.json")
        result, record = map(read_or_nothing, files)
        return cls(job, name, folder, dict(map(key_and_value, given)), result, record)

    @property
    def status(self) -> str:
        """The result's word; of a job without one `failed`, `interrupted` or `pending`.

        A job that is running counts as interrupted: a killed one leaves the same folder.
        """
        if self.result.get("status", "running") != "running":
            return str(self.result["status"])
        if not self.record:
            return "pending"
        return "failed" if self.record.get("status") == "failed" else "interrupted"

    @property
    def seed(self) -> str:
        """As the result has it; what was typed may be a reference, the same in every job."""
        found = self.result.get("seed", self.overrides.get("seed"))
        return "" if found is None else str(found)

    @property
    def seconds(self) -> float | None:
        """Of the whole job where it says so, else of its training."""
        own = known(self.record, "seconds")
        return known(self.result, "seconds") if own is None else own

    @property
    def complaint(self) -> str | None:
        """What went wrong, in one line: why the job failed, or how the run diverged."""
        note = {"failed": self.record.get("error"), "diverged": self.result.get("note")}
        return note.get(self.status)

    @property
    def log(self) -> Path:
        return self.folder / "mine-run.log"

    @cached_property
    def numbers(self) -> dict[str, float | int]:
        """The known numbers of the result by their columns: nats, and metrics as they are."""
        found = {name: self.result.get(name) for name in (*NUMBERS, "fit_value")}
        ends = self.result.get("interval") or [None, None]
        found |= dict(zip(("interval_low", "interval_high"), ends, strict=True))
        metrics = self.result.get("metrics") or {}
        found |= {f"metrics.{name}": value for name, value in metrics.items()}
        kinds = (int, float)
        return {k: v for k, v in found.items() if isinstance(v, kinds) and not isinstance(v, bool)}

    def line(self, keys: Sequence[str], numbers: Sequence[str]) -> dict[str, object]:
        """Returns one line of results.csv."""
        return {
            "job": self.job,
            **{key: self.overrides.get(key) for key in keys},
            "seed": self.seed,
            "status": self.status,
            **{name: self.numbers.get(name) for name in NUMBERS},
            "seconds": self.seconds,
            **{name: self.numbers.get(name) for name in numbers if name not in NUMBERS},
            "task": self.result.get("task"),
            "folder": self.name,
        }


@dataclass(frozen=True)
class Setting:
    """Holds the jobs that differ in nothing but their seed, and averages over them.

    Arguments:
        values: Swept key -> value as typed, or None where the jobs were given none.
        rows: At least one.
    """

    values: Mapping[str, str | None]
    rows: Sequence[Row]

    @cached_property
    def seeds(self) -> set[str]:
        return {row.seed for row in self.rows}

    @cached_property
    def numbered(self) -> list[Row]:
        """The rows that have numbers."""
        return [row for row in self.rows if row.status not in WITHOUT_NUMBERS]

    @cached_property
    def averaged(self) -> list[Row]:
        """Those of them that are averaged: of a trial that a search repeats with its seed, one."""
        return list({row.seed: row for row in self.numbered}.values())

    def known(self, name: str) -> list[float]:
        """Returns a number of all rows that have it; the truth also of those that diverged."""
        rows = self.rows if name == "true_mi" else self.averaged
        return [row.numbers[name] for row in rows if name in row.numbers]

    def mean(self, name: str) -> float | None:
        """Returns the mean over seeds; None where no row has the number."""
        found = self.known(name)
        return fmean(found) if found else None

    def sd(self, name: str) -> float | None:
        """Returns the standard deviation over seeds; None of fewer than two."""
        found = self.known(name)
        return stdev(found) if len(found) > 1 else None

    def standard_error(self, name: str) -> float | None:
        """Returns that of the mean over seeds; None where it is not known."""
        return standard_error(name, self.known)

    @property
    def truth(self) -> float | None:
        """The true information in nats; a diverged job knows it as well."""
        return next(iter(self.known("true_mi")), None)

    @cached_property
    def statuses(self) -> Counter[str]:
        """Status -> how many of the jobs ended so."""
        return Counter(row.status for row in self.rows)

    def line(self, numbers: Sequence[str]) -> dict[str, object]:
        """Returns one line of summary.csv."""
        found: dict[str, object] = {
            **self.values,
            "n": len(self.rows),
            "n_ok": sum(row.status == "ok" for row in self.rows),
            "n_averaged": len(self.averaged),
            "statuses": counted(self.rows),
            "true_mi": self.mean("true_mi"),
        }
        metrics = [name for name in numbers if name not in NUMBERS]
        for name in (*WITH_OWN, *metrics):
            found |= {f"{name}_mean": self.mean(name), f"{name}_sd": self.sd(name)}
            if name == "estimate":
                found["estimate_se"] = self.standard_error(name)
        return found


class Ledger:
    """Reads the jobs of a sweep as they stand in their folders at this moment.

    Arguments:
        folder: The sweep's. Without `sweep.json`, or with one that lists no jobs (Optuna's are
            not known beforehand), its jobs are the folders that are there. Runs that are set side
            by side have a `sweep.json` too, whose schema is "comparison".
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        path = self.folder / "sweep.json"
        saved = read_json(path) if path.exists() else {}
        self.comparison = saved.get("schema") == "comparison"
        self.resumable = bool(saved) and not self.comparison
        jobs = saved.get("jobs") or present(self.folder)
        self.rows = [
            Row.read(number, job["folder"], self.folder, job["overrides"])
            for number, job in enumerate(jobs)
        ]

    @cached_property
    def keys(self) -> list[str]:
        """What was swept, the seed apart: the keys whose values are not the same in all jobs."""
        return [key for key in swept_keys([row.overrides for row in self.rows]) if key != "seed"]

    @cached_property
    def numbers(self) -> list[str]:
        """The columns of numbers that any job knows."""
        return list(dict.fromkeys(name for row in self.rows for name in row.numbers))

    @cached_property
    def metrics(self) -> list[Metric]:
        """The numbers by which the jobs are compared; the first is what they are judged by."""
        tasks = (str(row.result["task"]) for row in self.rows if "task" in row.result)
        return compared(dict.fromkeys(tasks), self.numbers)

    @cached_property
    def settings(self) -> list[Setting]:
        """The jobs gathered by everything that was swept but the seed, in their order."""
        return self.gathered(self.keys)

    @cached_property
    def points(self) -> list[Setting]:
        """The settings, or where nothing but the seed was swept the jobs of each seed."""
        return self.settings if self.keys else self.gathered(["seed"])

    def gathered(self, keys: Sequence[str]) -> list[Setting]:
        """Returns the jobs gathered by the values of these keys, in their order."""
        found: dict[tuple[str | None, ...], list[Row]] = {}
        for row in self.rows:
            values = {**row.overrides, "seed": row.seed}
            found.setdefault(tuple(values.get(key) for key in keys), []).append(row)
        return [Setting(dict(zip(keys, each, strict=True)), rows) for each, rows in found.items()]

    def of(self, *statuses: str) -> list[Row]:
        """Returns the jobs with one of these status words."""
        return [row for row in self.rows if row.status in statuses]

    def write(self) -> None:
        """Writes results.csv and summary.csv, each whole or not at all; many may do so at once.

        Raises:
            RunFailed: a file could not be written.
        """
        lines = [row.line(self.keys, self.numbers) for row in self.rows]
        write_csv(self.folder / "results.csv", lines, shared=True)
        settings = [setting.line(self.numbers) for setting in self.settings]
        write_csv(self.folder / "summary.csv", settings, shared=True)


def read_or_nothing(path: Path) -> Result:
    """Returns what a file of a job holds; nothing where it is damaged or not there."""
    with suppress(OSError, ValueError):
        found = read_json(path)
        if isinstance(found, Mapping):
            return found
    return {}


def counted(rows: Sequence[Row]) -> str:
    """Returns the status words of jobs with their numbers, the most frequent first."""
    counts = Counter(row.status for row in rows)
    return ", ".join(f"{count} {status}" for status, count in counts.most_common())


def present(sweep: Path) -> list[Result]:
    """The jobs whose folders are there, in the order of their numbers."""
    traces = ("job.json", "result.json", ".hydra/overrides.yaml")
    found = {path.relative_to(sweep).parts[0] for t in traces for path in sweep.glob(f"*/{t}")}
    ordered = sorted(found, key=lambda name: (not name.isdecimal(), len(name), name))
    return [{"folder": name, "overrides": None} for name in ordered]


def recorded_overrides(folder: Path) -> list[str]:
    """What Hydra wrote down of the job's command line."""
    path = folder / ".hydra" / "overrides.yaml"
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or []) if path.exists() else []
