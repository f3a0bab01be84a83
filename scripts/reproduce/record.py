"""The record of a reproduction: a folder for each row, and a README made from these alone."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from findings import NOT_COMPARABLE, NOT_RUN, Finding
from plan import Row, Tables
from rows import MISSING, ROWS
from sweeps import read_table, write_table

from mine_cli.figures import style
from mine_cli.results.files import read_json, write_atomically, write_json

__all__ = ["counted", "publish", "read", "render", "write"]

PLACE = ("<!-- results: written by scripts/reproduce -->", "<!-- end of results -->")
FOREWORD = """\
# The paper, reproduced

What this program makes of every figure and table of Mutual Information Neural Estimation
(Belghazi et al., ICML 2018), beside what the paper says. Written by `scripts/reproduce` from the
CSVs in the folders beside it, which also hold the figures (PNG and SVG) and where everything comes
from (`record.json`).

- **Intervals** (±) are two standard errors over seeds. Information is in nats.
- **reproduced** and **not reproduced**: whether the target is met. A target is ours where the
  paper gives no number. **beyond**: the paper has no such result. **not run at full size**: a
  shorter training, whose numbers are no verdict on the paper's. **not comparable**: a smoke run,
  which shows that everything runs, and no more.
"""


def write(place: Path, row: Row, tables: Tables, origin: Mapping[str, Any]) -> None:
    """One row's CSVs and where they come from; its figure follows from these."""
    for name, table in tables.items():
        write_table(place / f"{name}.csv", table)
    write_json(place / "record.json", origin)
    draw(place, row, tables)


def draw(place: Path, row: Row, tables: Tables) -> None:
    figure = row.draw(tables)
    dpi = figure.dpi  # an SVG's is another
    style.save(figure, place / "figure.svg")
    # The places of its parts are found: to find them again would take half of the time.
    figure.set_layout_engine("none")
    figure.set_dpi(dpi)
    style.save(figure, place / "figure.png")


def read(place: Path) -> Tables:
    """The tables of a row, as `write` was given them."""
    return {path.stem: read_table(path) for path in sorted(place.glob("*.csv"))}


def render(record: Path) -> dict[str, list[Finding]]:
    """Draws all figures anew, writes the README of the record, and returns its findings."""
    found: dict[str, list[Finding]] = {}
    sections = []
    for name, row in ROWS.items():
        place = record / name
        if (place / "record.json").exists():
            tables = read(place)
            draw(place, row, tables)
            found[name] = findings_of(row, tables, read_json(place / "record.json"))
            sections.append(section(place, row, found[name]))
        else:
            found[name] = [not_run(row.title)]
    parts = [FOREWORD, summary(found), *sections, missing()]
    write_atomically(record / "README.md", ("\n".join(parts)).encode())
    return found


def findings_of(row: Row, tables: Tables, origin: Mapping[str, Any]) -> list[Finding]:
    """What is found in the tables of a row; of a smoke run nothing is said."""
    findings = row.judge(tables)
    if origin["budget"] != "smoke":
        return findings
    return [replace(finding, verdict=NOT_COMPARABLE) for finding in findings]


def not_run(what: str) -> Finding:
    return Finding(what, "", "", "", NOT_RUN)


def summary(found: Mapping[str, list[Finding]]) -> str:
    """A line for each row: how its findings fell out."""
    lines = ["| | what | verdicts |", "| --- | --- | --- |"]
    lines += [
        f"| `{name}` | {ROWS[name].title} | {counted(findings)} |"
        for name, findings in found.items()
    ]
    lines += [f"| `{name}` | {what} | not in this version |" for name, what in MISSING.items()]
    return "\n".join(lines) + "\n"


def counted(findings: list[Finding]) -> str:
    """The verdicts of a row, such as "4 reproduced, 1 not reproduced"."""
    words = [finding.verdict for finding in findings]
    if len(words) == 1:
        return words[0]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def section(place: Path, row: Row, findings: list[Finding]) -> str:
    """One row: its figure, its findings, what a person has to say of them, and its origin."""
    name, origin = place.name, read_json(place / "record.json")
    lines = [f"## {row.title}", "", row.claim, "", f"![{row.title}]({name}/figure.png)", ""]
    lines += ["| what | paper | ours | target | verdict |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {f.what} | {f.paper} | {f.ours} | {f.target} | {f.verdict} |" for f in findings]
    note = place / "note.md"
    if note.exists():
        lines += ["", note.read_text(encoding="utf-8").strip()]
    return "\n".join([*lines, "", origin_in_words(origin), ""])


def publish(found: Mapping[str, list[Finding]], page: Path) -> None:
    """Puts the summary where the documentation's page of results has its place."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(PLACE[0])
    _, _, after = rest.partition(PLACE[1])
    write_atomically(page, f"{before}{PLACE[0]}\n{summary(found)}{PLACE[1]}{after}".encode())


def origin_in_words(origin: Mapping[str, Any]) -> str:
    """How a row was made, in a line or two."""
    statuses = ", ".join(f"{count} {word}" for word, count in origin["statuses"].items())
    versions = "; ".join(f"torch {v['torch']}, Python {v['python']}" for v in origin["versions"])
    commits = ", ".join(commit[:7] + commit[40:] for commit in origin["commits"])
    seeds = f"seeds {', '.join(map(str, origin['seeds']))}"
    minutes = max(1, round(origin["seconds"] / 60))
    return (
        f"`{origin['command']}`: {origin['jobs']} runs ({statuses}), {seeds}, {minutes} min on "
        f"{', '.join(origin['devices'])} ({origin['hardware']}), {versions}, commit {commits}, "
        f"{origin['date']}."
    )


def missing() -> str:
    """What this version cannot do."""
    lines = ["## Missing", ""]
    return "\n".join([*lines, *(f"- `{name}`: {what}." for name, what in MISSING.items()), ""])
