"""The page of a sweep: its table, its pictures, what failed, and a link to each job's page."""

from collections.abc import Iterator
from html import escape
from math import inf
from pathlib import Path
from urllib.parse import quote

from mine_cli.figures.report.page import bullets, page, paragraph, picture, section, table
from mine_cli.results.files import write_atomically
from mine_cli.results.ledger import Ledger, Setting, counted
from mine_cli.results.metrics import Metric
from mine_cli.results.names import brief
from mine_cli.results.numbers import in_words, p_value
from mine_cli.results.summary import STATUS_ADVICE

__all__ = ["report_of_sweep"]

MOST_JOBS = 200


def report_of_sweep(folder: Path, units: str = "nats") -> Path | None:
    """Writes report.html in the folder of a sweep, from its jobs' files; None without a job.

    Arguments:
        units: "nats" or "bits": the unit of display.
    """
    ledger = Ledger(folder)
    if not ledger.rows:
        return None
    swept = ", ".join(ledger.keys or ["seed"])
    own = any(point.known("standard_error") for point in ledger.points)
    several = max(len(point.averaged) for point in ledger.points) > 1
    spread = in_words((m.column for m in ledger.metrics), own) if several else "one standard error"
    drawn = sorted(folder.glob("*.png"), key=lambda file: (file.name != "sweep.png", file.name))
    count = len(ledger.rows)
    text = page(
        f"{count} runs side by side" if ledger.comparison else f"{count} jobs over {swept}",
        paragraph(f"How they ended: {counted(ledger.rows)}."),
        section("What was found", extremes(ledger, units), of_settings(ledger, units),
                paragraph(f"Behind ±: {spread}.", "soft")),
        section("Pictures", *(picture(file, file.stem) for file in drawn)),
        section("With care", bullets([*cautions(ledger)])),
        section("The jobs", jobs(ledger)),
        "<footer><p>Made by mine-run. results.csv has a row for each job, summary.csv for each "
        "setting.</p></footer>",
    )  # fmt: skip
    path = folder / "report.html"
    write_atomically(path, text.encode())
    return path


def extremes(ledger: Ledger, units: str) -> str:
    """Which setting has the largest and the smallest number, in words."""
    if not ledger.metrics:
        return ""
    metric = ledger.metrics[0]
    known = [(m, p) for p in ledger.points if (m := p.mean(metric.column)) is not None]
    if len(known) < 2:
        return ""
    names = {k: brief([p.values[k] or "" for p in ledger.points]) for k in known[0][1].values}

    def called(point: Setting) -> str:
        return ", ".join(f"{k}={names[k][v]}" for k, v in point.values.items() if v is not None)

    (low, least), (high, most) = (f(known, key=lambda item: item[0]) for f in (min, max))
    if low == high:
        return paragraph(f"All settings have the same {metric.title}.")
    words = [
        f"{metric.shown(value, units)} with {called(point)}"
        for value, point in ((high, most), (low, least))
    ]
    return paragraph(f"{metric.title.capitalize()}: largest {words[0]}, smallest {words[1]}.")


def of_settings(ledger: Ledger, units: str) -> str:
    """A row for each setting, the largest of the first number on top."""
    metrics, points = ledger.metrics, ledger.points
    keys = list(points[0].values)
    names = {key: brief([point.values[key] or "" for point in points]) for key in keys}
    first = metrics[0].column if metrics else ""
    ordered = sorted(points, key=lambda p: -inf if (m := p.mean(first)) is None else m)[::-1]
    rows = [
        [
            *(names[key][point.values[key] or ""] for key in keys),
            counted(point.rows),
            *(cell(point, metric, units) for metric in metrics),
        ]
        for point in ordered
    ]
    head = [*keys, "status", *(metric.headed(units) for metric in metrics)]
    alone = all(len(point.rows) == 1 for point in points)  # a mean of p-values is none
    if alone and any(p_value(point.rows[0].result) for point in points):
        head.append("p-value")
        for point, row in zip(ordered, rows, strict=True):
            row.append(p_value(point.rows[0].result))
    return table(head, rows, text=len(keys) + 1)


def cell(point: Setting, metric: Metric, units: str) -> str:
    """The mean of a number over seeds, with its standard error."""
    value, error = point.mean(metric.column), point.standard_error(metric.column)
    if value is None:
        return ""
    bare = error is None or metric.column in ("true_mi", "error")
    spread = "" if bare else f" ± {metric.shown_spread(error or 0.0, units)}"
    return f"{metric.or_more(point.mean)}{metric.shown(value, units)}{spread}"


def cautions(ledger: Ledger) -> Iterator[str]:
    """What statuses other than `ok` mean, and why jobs failed."""
    found = {row.status for row in ledger.rows}
    for status, advice in STATUS_ADVICE.items():
        if status in found:
            yield f"{len(ledger.of(status))} {status}: {advice}"
    for row in ledger.of("failed")[:MOST_JOBS]:
        yield f"{row.name} failed: {row.complaint or 'it did not say why'}"


def jobs(ledger: Ledger) -> str:
    """A link to the page of each job that has one."""
    items = []
    for row in ledger.rows[:MOST_JOBS]:
        name, there = escape(row.name), (row.folder / "report.html").exists()
        link = f'<a href="{quote(row.name)}/report.html">{name}</a>' if there else name
        items.append(f"<li>{link}: {escape(row.status)}</li>")
    return f"<ul>{''.join(items)}</ul>"
