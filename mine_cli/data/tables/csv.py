"""Columns of a .csv file: one line of names, then numbers or text, separated by commas."""

import csv
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mine_cli.errors import BadInput, refuse

if TYPE_CHECKING:
    from pandas import Series

    from mine_cli.data.tables import Array, Columns

__all__ = ["read_columns", "read_header"]

# Rows held as text at once: bounds the memory.
ROWS_AT_ONCE = 20_000

# Characters of a bad cell that are quoted.
SHOWN = 40

# Put twice after the last line: where it is part of a longer cell, a quote is still open.
END = "\N{END OF TRANSMISSION} end of the file"

ENCODING = "utf-8-sig"  # with or without a byte order mark


def read_header(file: Path) -> list[str]:
    """Returns the names in the first line; raises BadInput where it is not a line of names."""
    line, row = next(_rows(file), (1, []))
    names, fault = [name.strip() for name in row], ""
    if not any(names):
        fault = "empty: want a line of column names"
    elif len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        fault = f"one column {names[0]!r}: want commas between columns"
    elif all(map(_is_number, names)):
        fault = "numbers, no names: want a line of column names first"
    if fault:
        raise BadInput(f"{file} line {line}: {fault}")
    return names


def read_columns(
    file: Path, names: Sequence[str], wanted: Sequence[str], text: Collection[str]
) -> "Columns":
    """Reads the columns `wanted`, [n] each: those in `text` as they stand, the others as float64.

    Raises BadInput with one line for every column with a bad cell, which names the first of them.
    """
    import pandas as pd  # half a second, which runs without such a file are spared

    twice = sorted({name for name in wanted if names.count(name) > 1})
    if twice:
        told = ", ".join(map(repr, twice))
        raise BadInput(f"{file} line 1: {told} more than once: want each name once")
    _, *lines = (line for line, _ in _rows(file))
    parts: dict[str, list[Array]] = {name: [] for name in wanted}
    bad: dict[str, list[int]] = {name: [] for name in wanted}
    first: dict[str, str] = {}
    for rows in pd.read_csv(
        file, header=0, names=range(len(names)), usecols=list(map(names.index, wanted)),
        dtype=object, na_filter=False, encoding=ENCODING, chunksize=ROWS_AT_ONCE,
    ):  # fmt: skip
        for name in wanted:
            cells = rows[names.index(name)]
            part, unfit = _text(cells) if name in text else _floats(cells)
            parts[name].append(part)
            bad[name] += unfit
            if unfit:
                first.setdefault(name, cells[unfit[0]].strip())
    faults = []
    for name in filter(bad.get, wanted):
        shown = first[name] if len(first[name]) <= SHOWN else f"{first[name][:SHOWN]}..."
        what = f"{shown!r} is no number" if shown else "empty cell"
        more = f" (and {len(bad[name]) - 1} more such cells)" if len(bad[name]) > 1 else ""
        want = "a value" if name in text else "a number, or the column in dataset.categorical"
        line = f"{file} line {lines[bad[name][0]]}"
        faults.append(f"{line}, column {name}: {what}{more}: want {want}")
    refuse(faults)
    return {name: np.concatenate(part) for name, part in parts.items()}


def _text(cells: "Series") -> tuple["Array", list[int]]:
    """Returns cells as text, and the rows of those that are empty."""
    stripped = cells.str.strip()
    return np.array(stripped.tolist(), np.str_), cells.index[stripped == ""].tolist()


def _floats(cells: "Series") -> tuple["Array", list[int]]:
    """Returns cells as float64, exactly, and the rows of those that are no numbers."""
    with suppress(ValueError):
        if "_" not in "".join(cells):  # float() takes 1_000 for a number
            return cells.to_numpy().astype(np.float64), []
    return np.empty(0), [i for i, cell in cells.items() if not _is_number(cell)]


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields each row, the names first, with the number of its line; blank lines are passed over.

    Raises BadInput where a row is shorter or longer than the names, or a quote swallows rows.
    """
    with file.open(encoding=ENCODING) as lines:
        reader, line, width = csv.reader(chain(lines, [END, END])), 1, 0
        try:
            for row in reader:
                if row == [END]:
                    return
                width, unclosed = width or len(row), END in "".join(row[-1:])
                if unclosed or any(_swallows_rows(cell, width) for cell in row if "\n" in cell):
                    raise BadInput(
                        f"{file} line {line}: a quote opens here and takes in all to line "
                        f"{reader.line_num - 2 * unclosed}: want it closed in its cell, or doubled"
                    )
                if row and len(row) != width:
                    want = f"want {width}, as in line 1"
                    raise BadInput(f"{file} line {line}: {len(row)} cells: {want}")
                if row:
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as fault:
            raise BadInput(f"{file} line {line}: {fault}: want its quotes closed") from fault


def _swallows_rows(cell: str, width: int) -> bool:
    """Tells whether a cell of several lines has the commas of as many rows."""
    lines = [line for line in cell.split("\n") if line.strip()]
    return cell.count(",") >= max(1, len(lines) - 1) * (width - 1)


def _is_number(cell: str) -> bool:
    try:
        return "_" not in cell and float(cell) is not None
    except ValueError:
        return False
