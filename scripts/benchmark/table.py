"""The table as text, Markdown and CSV, under a header that says where it was measured."""

import csv
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rows import Measured

from mine_cli.results.provenance import commit, cpu_model

__all__ = ["COLUMNS", "header", "text", "write"]

COLUMNS = ("what", "measured", "target", "met", "detail")


def header(device: str) -> dict[str, str]:
    """The machine, the versions and the state of the code."""
    where = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": commit() or "unknown",
        "cpu": f"{cpu_model()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "device": where,
        "torch": f"{torch.__version__}, Python {platform.python_version()}",
        "load": f"{load} (1, 5, 15 minutes; other programs disturb every number)",
    }


def cells(row: Measured) -> tuple[str, ...]:
    """A row's columns."""
    met = {True: "yes", False: "NO", None: ""}[row.met]
    return row.what, row.measured, row.target, met, row.detail


def text(rows: Sequence[Measured]) -> str:
    """Aligned columns."""
    lines = [COLUMNS, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def write(path: Path, head: dict[str, str], rows: Sequence[Measured], notes: str) -> None:
    """Write path (Markdown) and the same beside it as .csv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["# Benchmark", ""]
    lines += [f"- {key}: {value}" for key, value in head.items()]
    lines += ["", "| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    lines += ["", notes, ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *map(cells, rows)])
