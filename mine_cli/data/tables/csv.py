"""Columns of a .csv file: one line of names, then numbers or text, separated by commas."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from mine_cli.errors import BadInput

__all__ = ["read_columns", "read_header"]

# Rows held as text at once: bounds the memory.
ROWS_AT_ONCE = 20_000


def read_header(file: Path) -> list[str]:
    """Return the names in the first line; raise BadInput where it is not a line of names."""
    with _opened(file) as lines:
        names = [name.strip() for name in next(csv.reader(lines), [])]
    twice = sorted({name for name in names if names.count(name) > 1})
    fault = ""
    if not any(names):
        fault = "empty: want a line of column names"
    elif len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        fault = f"one column {names[0]!r}: want commas between columns"
    elif twice:
        fault = f"{', '.join(map(repr, twice))} more than once: want each name once"
    elif all(_number(name) is not None for name in names):
        fault = "numbers, no names: want a line of column names first"
    if fault:
        raise BadInput(f"{file} line 1: {fault}")
    return names


def read_columns(
    file: Path, names: Sequence[str], numbers: Sequence[str], text: Sequence[str]
) -> dict[str, np.ndarray[Any, Any]]:
    """Read the columns `numbers` as float64 and the columns `text` as they stand, [n] each.

    Raises BadInput with one line for every column with a bad cell, which names the first of them.
    """
    columns = [_Column(name, is_text=False) for name in numbers]
    columns += [_Column(name, is_text=True) for name in text]
    places = [names.index(column.name) for column in columns]
    for first_line, rows in _chunks(file):
        lines: Sequence[int] = range(first_line, first_line + len(rows))
        if {len(row) for row in rows} != {len(names)}:
            filled = [(line, row) for line, row in zip(lines, rows, strict=True) if row]
            for line, row in filled:
                if len(row) != len(names):
                    want = f"want {len(names)}, as in line 1"
                    raise BadInput(f"{file} line {line}: {len(row)} cells: {want}")
            lines, rows = [line for line, _ in filled], [row for _, row in filled]
        for column, place in zip(columns, places, strict=True):
            column.read([row[place] for row in rows], lines)
    faults = [f"{file} {column.told()}" for column in columns if column.num_faults]
    if faults:
        raise BadInput(*faults)
    return {column.name: np.concatenate(column.parts or [np.empty(0)]) for column in columns}


@dataclass
class _Column:
    """What was read of a column so far, and the first bad cell in it."""

    name: str
    is_text: bool
    parts: list[np.ndarray[Any, Any]] = field(default_factory=list)
    first_fault: str = ""
    num_faults: int = 0

    def read(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        if self.is_text:
            part = np.array([cell.strip() for cell in cells], dtype=np.str_)
            if (part != "").all():
                self.parts.append(part)
                return
        elif "_" not in "".join(cells):  # float() takes 1_000 for a number
            try:
                self.parts.append(np.fromiter(map(float, cells), np.float64, len(cells)))
                return
            except ValueError:
                pass
        for line, cell in zip(lines, cells, strict=True):
            if cell.strip() and (self.is_text or _number(cell) is not None):
                continue
            if not self.num_faults:
                what = f"{cell.strip()!r} is no number" if cell.strip() else "empty cell"
                self.first_fault = f"line {line}, column {self.name}: {what}"
            self.num_faults += 1

    def told(self) -> str:
        more = f" (and {self.num_faults - 1} more such cells)" if self.num_faults > 1 else ""
        want = "a value" if self.is_text else "a number, or the column in dataset.categorical"
        return f"{self.first_fault}{more}: want {want}"


def _chunks(file: Path) -> Iterator[tuple[int, list[list[str]]]]:
    """Yield the line number of a row, and that row with those that follow it."""
    with _opened(file) as lines:
        reader = csv.reader(lines)
        next(reader)
        first_line = reader.line_num + 1
        while rows := list(islice(reader, ROWS_AT_ONCE)):
            yield first_line, rows
            first_line = reader.line_num + 1


def _opened(file: Path) -> TextIO:
    return file.open(newline="", encoding="utf-8-sig")


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
