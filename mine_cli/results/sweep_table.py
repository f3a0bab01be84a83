"""The table of a sweep on the terminal: its settings or jobs, what failed, where it lies."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from mine_cli.results.commands import as_typed, resume_command
from mine_cli.results.ledger import UNFINISHED, Ledger, Row, Setting, counted
from mine_cli.results.metrics import Metric
from mine_cli.results.numbers import in_words, p_value
from mine_cli.results.summary import STATUS_ADVICE, row

__all__ = ["table"]

MOST_LINES = 40
MOST_NAMED = 20  # of the jobs that failed, each with two lines
GAP = "  "
ZERO = re.compile(r"± 0(?![.\d])")  # no spread at all

Cells = Sequence[str]


def table(ledger: Ledger, units: str = "nats") -> str:
    """Returns the table of a sweep for the terminal.

    A line for each setting where jobs differ in nothing but their seed (the mean of those that
    have numbers), else a line for each job, with its p-value; at most forty. Behind ± is one
    standard error, as in the summary of a run.

    Arguments:
        units: "nats" or "bits": the unit of display.
    """
    lines = [heading(ledger), *numbers(ledger, units), *named(ledger)]
    return "\n".join([*lines, "", *best(ledger), *places(ledger)])


def heading(ledger: Ledger) -> str:
    """How many jobs there are, and how they ended."""
    count = len(ledger.rows)
    if ledger.comparison:
        return f"{count} runs side by side: {counted(ledger.rows)}"
    jobs = "1 job" if count == 1 else f"{count} jobs"
    return f"sweep of {jobs}: {counted(ledger.rows)}" if count else "sweep: no job has started"


def numbers(ledger: Ledger, units: str) -> list[str]:
    """The settings or the jobs, aligned under their titles."""
    if not ledger.rows:
        return []
    metrics = ledger.metrics
    by_setting = any(len(setting.seeds) > 1 for setting in ledger.settings)
    titles = [metric.headed(units) for metric in metrics]
    if by_setting:
        head = [*ledger.keys, "n", *titles, "status"]
        found = [of_setting(setting, metrics, units) for setting in ledger.settings]
    else:
        seed = ["seed"] if len({row.seed for row in ledger.rows if row.seed}) > 1 else []
        keys = [*ledger.keys, *seed]
        tests = ["p-value"] if any(p_value(row.result) for row in ledger.rows) else []
        head = ["job", *keys, *titles, *tests, "seconds", "status"]
        found = [of_job(row, keys, metrics, units, bool(tests)) for row in ledger.rows]
    lines = ["", *aligned([head, *found[:MOST_LINES]], text={*ledger.keys, "status"})]
    if (more := len(found) - MOST_LINES) > 0:
        file = "summary.csv" if by_setting else "results.csv"
        lines.append(f"{GAP}... and {more} more in {file}")
    if any("±" in line for line in lines):
        own = any(setting.known("standard_error") for setting in ledger.settings)
        names = [metric.column for metric in metrics]
        which = in_words(names, own) if by_setting else "one standard error"
        equal = by_setting and any(ZERO.search(line) for line in lines)
        note = "; 0: every seed gave the same" if equal else ""
        lines.append(f"{GAP}± {which}{note}")
    if by_setting and any(len(s.averaged) < len(s.numbered) for s in ledger.settings):
        lines.append(f"{GAP}of jobs that share their seed as well one is averaged")
    if units != "nats" and any(metric.kind == "nats" for metric in metrics):
        lines.append(f"{GAP}shown in {units}; results.csv and summary.csv are in nats")
    return lines


def of_setting(setting: Setting, metrics: Sequence[Metric], units: str) -> Cells:
    """Mean ± one standard error over seeds of each number, and how the jobs ended."""
    jobs, averaged = len(setting.rows), len(setting.averaged)
    count = str(jobs) if averaged == jobs else f"{averaged} of {jobs}"
    # The truth has no spread, and the error has that of the estimate.
    bare = ("true_mi", "error")
    errors = [None if m.column in bare else setting.standard_error(m.column) for m in metrics]
    found = [
        with_spread(metric, setting.mean, error, units)
        for metric, error in zip(metrics, errors, strict=True)
    ]
    values = (value or "" for value in setting.values.values())
    return [*values, count, *found, counted(setting.rows)]


def of_job(
    job: Row, keys: Sequence[str], metrics: Sequence[Metric], units: str, tested: bool = False
) -> Cells:
    """The numbers of one job, the estimate with its standard error."""
    values, own = {**job.overrides, "seed": job.seed}, job.numbers.get("standard_error")
    found = [
        with_spread(m, job.numbers.get, own if m.column == "estimate" else None, units, alone=True)
        for m in metrics
    ]
    seconds = "" if job.seconds is None else f"{job.seconds:.1f}"
    given = (values.get(key, "") for key in keys)
    tests = [p_value(job.result)] if tested else []
    return [str(job.job), *given, *found, *tests, seconds, job.status]


def with_spread(
    metric: Metric, find: Callable[[str], float | None], error: float | None, units: str,
    alone: bool = False,
) -> str:  # fmt: skip
    """A metric among those of a job or setting, with its standard error."""
    value = find(metric.column)
    shown = "" if value is None else metric.or_more(find) + metric.shown(value, units, alone)
    return shown if error is None else f"{shown} ± {metric.shown_spread(error, units)}"


def aligned(lines: Sequence[Cells], text: set[str]) -> list[str]:
    """Lines of cells under their titles: text on the left, numbers at their decimal points."""
    columns = []
    for title, *cells in zip(*lines, strict=True):
        if title not in text:
            cells = padded(cells)
        width = max(map(len, (title, *cells)))
        side = "<" if title in text else ">"
        columns.append([f"{cell:{side}{width}}" for cell in (title, *cells)])
    return [GAP + GAP.join(cells).rstrip() for cells in zip(*columns, strict=True)]


def padded(cells: Sequence[str]) -> list[str]:
    """As much room after a lone number as its neighbours' spread takes."""
    parts = [cell.partition(" ± ") for cell in cells]
    width = max(len(sign + spread) for _, sign, spread in parts)
    return [number + (sign + spread).ljust(width) for number, sign, spread in parts]


def named(ledger: Ledger) -> list[str]:
    """The jobs that failed or diverged one by one, each with the reason and its log."""
    jobs = ledger.of("failed", "diverged")
    lines = [""] if jobs else []
    for job in jobs[:MOST_NAMED]:
        swept = [key for key in (*ledger.keys, "seed") if key in job.overrides]
        given = f" ({settings({key: job.overrides[key] for key in swept})})" if swept else ""
        reason = job.complaint or STATUS_ADVICE.get(job.status, "it did not say why")
        lines += [f"job {job.job}{given} {job.status}: {reason}", f"    {as_typed(job.log)}"]
    if (more := len(jobs) - MOST_NAMED) > 0:
        lines.append(f"... and {more} more: see the column status in results.csv")
    return lines


def settings(values: Mapping[str, object]) -> str:
    """Settings as they are typed."""
    return " ".join(f"{key}={value}" for key, value in values.items())


def best(ledger: Ledger) -> list[str]:
    """What an Optuna search found, from the file that its sweeper leaves."""
    path = ledger.folder / "optimization_results.yaml"
    if not path.exists():
        return []
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "best_value" not in found:  # several objectives: a front, no best
        return [row("best trials", f" {as_typed(path)}")]
    if not math.isfinite(found["best_value"]):
        return [row("best trial", " none: no trial has an objective")]
    trials = [r.job for r in ledger.rows if r.record.get("objective") == found["best_value"]]
    which = f"job {trials[0]}, " if trials else ""
    told = f"objective {found['best_value']:.6g}: {settings(found['best_params'])}"
    return [row("best trial", f" {which}{told}")]


def places(ledger: Ledger) -> list[str]:
    """The files of the sweep, and the command that goes on with it where a job is missing."""
    lines = listed("results", ledger.folder, "results.csv")
    lines += listed("pictures", ledger.folder, "sweep.png")
    if (ledger.folder / "report.html").exists():
        lines.append(row("to read", f" {as_typed(ledger.folder / 'report.html')}"))
    if ledger.rows and sum(bool(point.averaged) for point in ledger.points) < 2:
        lines.append(row("no sweep.png", " fewer than two settings have numbers to compare"))
    if ledger.resumable and ledger.of(*UNFINISHED):
        lines.append(row("go on with it", f" {resume_command(ledger.folder)}"))
    return lines


def listed(label: str, folder: Path, first: str) -> list[str]:
    """A line for each file of a kind in a sweep's folder, the chief one first."""
    files = sorted(folder.glob(f"*{Path(first).suffix}"), key=lambda f: (f.name != first, f.name))
    return [row("" if k else label, f" {as_typed(file)}") for k, file in enumerate(files)]
