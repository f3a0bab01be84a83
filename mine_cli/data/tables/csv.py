"""Columns of a text file: one line of names, then numbers or text."""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mine_cli.data.tables import Array, Columns, masked
from mine_cli.errors import BadInput, refuse

if TYPE_CHECKING:
    from pandas import Series

__all__ = ["TextTable", "is_number"]

SEPARATORS = (",", ";", "\t")

# Lines by which the separator is recognised.
LOOKED_AT = 20

# What an empty cell may also be written as, where numbers stand: what pandas takes for it.
NO_NUMBER = frozenset(
    [
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
        "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    ]
)  # fmt: skip
# The same where classes stand: "None" may be one.
NO_CLASS = NO_NUMBER - {"None"}

# 1,5 and -0,25e3; and 1,000, which is either a thousand or one.
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d*(?:[eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")

# What no text looks like, even if it is no number.
LIKE_A_NUMBER = re.compile(r"[+-]?[\d.,_]*\d[\d.,_]*")

# Rows held as text at once: bounds the memory.
ROWS_AT_ONCE = 20_000

# Characters of a bad cell that are quoted.
SHOWN = 40

# Put twice after the last line: where it is part of a longer cell, a quote is still open.
END = "\N{END OF TRANSMISSION} end of the file"

ENCODING = "utf-8-sig"  # with or without a byte order mark
BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass
class TextTable:
    """Reads a text file by pandas, and says which line and column cannot be read.

    Arguments:
        file: Its first line has the names.
        separator: Between cells; None: a comma, a semicolon or a tab, whichever divides the
            first lines into as many cells each.
        decimal: ``.`` or ``,``; None: a comma where commas do not separate the cells and the
            numbers of a column have no points.
    """

    file: Path
    separator: str | None = None
    decimal: str | None = None

    def __post_init__(self) -> None:
        check_encoding(self.file)
        self.lines: list[int] = []
        self.mark = self.separator or recognised(self.file)
        line, row = next(self.rows(), (1, []))
        self.names = [name.strip() for name in row]
        fault = ""
        if not any(self.names):
            fault = "empty: want a line of column names"
        elif len(self.names) == 1 and "|" in self.names[0]:
            fault = f"one column {self.names[0]!r}: want dataset.separator='|'"
        if fault:
            raise BadInput(f"{self.file} line {line}: {fault}")

    def read(self, wanted: Sequence[str], text: Collection[str]) -> Columns:
        """Reads the columns `wanted`, [n] each: those in `text` as they stand, others as float64.

        A column without a single number is text as well. What is missing is masked.

        Raises BadInput with one line for every column with a bad cell, which names the first.
        """
        twice = sorted({name for name in wanted if self.names.count(name) > 1})
        if twice:
            told = ", ".join(map(repr, twice))
            raise BadInput(f"{self.file} line 1: {told} more than once: want each name once")
        _, *self.lines = (line for line, _ in self.rows())
        found, faults = {}, []
        for name, cells in self.cells(wanted).items():
            column, unfit = (as_text if name in text else self.as_numbers)(cells)
            found[name] = column
            if unfit:
                where = f"{self.file} {self.place(unfit[0])}, column {name}"
                faults.append(f"{where}: {complaint(cells[unfit[0]], len(unfit))}")
        refuse(faults)
        return found

    def place(self, row: int) -> str:
        """Returns where row `row`, from 0, is found, once the file is read."""
        return f"line {self.lines[row]}"

    def cells(self, wanted: Sequence[str]) -> dict[str, Array]:
        """Returns columns as they stand but for spaces about a cell, [n] text each."""
        import pandas as pd  # half a second, which runs without such a file are spared

        chunks = pd.read_csv(
            self.file, header=0, names=range(len(self.names)), index_col=False, dtype=object,
            usecols=list(map(self.names.index, wanted)), na_filter=False, encoding=ENCODING,
            sep=self.mark, chunksize=ROWS_AT_ONCE,
        )  # fmt: skip
        parts: dict[str, list[Array]] = {name: [] for name in wanted}
        for rows in chunks:
            for name in wanted:
                parts[name].append(stripped(rows[self.names.index(name)]))
        return {name: np.concatenate(part) for name, part in parts.items()}

    def as_numbers(self, cells: Array) -> tuple[Array, list[int]]:
        """Returns cells as float64, exactly, or as text where none is a number; and bad rows."""
        gaps = np.array([cell in NO_NUMBER for cell in cells], bool)
        given = cells[~gaps]
        if self.has_decimal_commas(given):
            # A point in such a column is no decimal point: it stays, and is no number then.
            given = np.array([c.replace(".", "_").replace(",", ".") for c in given], np.str_)
        values = np.zeros(len(cells))
        try:
            if any("_" in cell for cell in given):  # float() takes 1_000 for a number
                raise ValueError
            values[~gaps] = given.astype(np.float64)
        except ValueError:
            sound = np.array([is_number(cell) for cell in given], bool)
            if not any(map(LIKE_A_NUMBER.fullmatch, given)) and not sound.any():
                return as_text(cells)
            return np.empty(0), np.flatnonzero(~gaps)[~sound].tolist()
        return masked(values, gaps), []

    def has_decimal_commas(self, cells: Array) -> bool:
        """Tells whether numbers are written with a decimal comma."""
        if self.decimal is not None:
            return self.decimal == ","
        if self.mark == ",":
            return False
        commas = [cell for cell in cells if "," in cell and DECIMAL_COMMA.fullmatch(cell)]
        if not commas or any(map(DECIMAL_POINT.fullmatch, cells)):
            return False
        return self.mark == ";" or not all(map(THOUSANDS.fullmatch, commas))

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yields each row, the names first, with its line's number; blank lines are passed over.

        Empty cells at the right, which spreadsheets leave, are no fault. Raises BadInput where a
        row is shorter or longer than the names, or a quote swallows rows.
        """
        with self.file.open(encoding=ENCODING) as lines:
            reader = csv.reader(chain(lines, [END, END]), delimiter=self.mark)
            line, width, named = 1, 0, 0
            try:
                for row in reader:
                    if row == [END]:
                        return
                    width, named = width or len(row), named or filled(row)
                    unclosed = END in "".join(row[-1:])
                    if unclosed or any("\n" in c and self.swallows(c, width) for c in row):
                        last = reader.line_num - 2 * unclosed
                        raise BadInput(
                            f"{self.file} line {line}: a quote opens here and takes in all to "
                            f"line {last}: want it closed in its cell, or doubled"
                        )
                    if row and (filled(row) > width or len(row) < named):
                        want = f"want {width}, as in line 1"
                        raise BadInput(f"{self.file} line {line}: {len(row)} cells: {want}")
                    if row:
                        yield line, row
                    line = reader.line_num + 1
            except csv.Error as fault:
                want = "want its quotes closed"
                raise BadInput(f"{self.file} line {line}: {fault}: {want}") from fault

    def swallows(self, cell: str, width: int) -> bool:
        """Tells whether a cell of several lines has the separators of as many rows."""
        lines = [line for line in cell.split("\n") if line.strip()]
        return cell.count(self.mark) >= max(1, len(lines) - 1) * (width - 1)


def check_encoding(file: Path) -> None:
    """Raises BadInput where a file is not UTF-8, with what it seems to be."""
    with file.open("rb") as content:
        start = content.read(4096)
    seems = BYTE_ORDER_MARKS.get(start[:2])
    if seems is None and (zeros := start.count(b"\0")):  # of plain letters in UTF-16 every other
        if 3 * zeros < len(start):
            raise BadInput(f"{file}: it holds NUL bytes, which no text does: want text in UTF-8")
        seems = "UTF-16"
    if seems is None:
        try:
            with file.open(encoding=ENCODING) as text:
                for _ in text:
                    pass
        except UnicodeDecodeError:
            seems = "not UTF-8, but perhaps Latin-1 or Windows-1252"
    if seems is not None:
        raise BadInput(f"{file}: its text is {seems}: want it saved as UTF-8")


def recognised(file: Path) -> str:
    """Returns the separator of a file: that by which its first lines have as many cells each."""
    with file.open(encoding=ENCODING) as lines:
        first = list(islice(lines, LOOKED_AT))

    def cells(separator: str) -> tuple[bool, int]:
        rows: list[list[str]] = []
        with suppress(csv.Error):  # a quote that is never closed, told of later
            rows += (row for row in csv.reader(first, delimiter=separator) if row)
        widths = {len(row) for row in rows}
        return len(widths) == 1 and widths != {1}, len(rows[0]) if rows else 0

    return max(SEPARATORS, key=cells)


def as_text(cells: Array) -> tuple[Array, list[int]]:
    """Returns cells as text, those that are missing masked; none of them is bad."""
    gaps = np.array([cell in NO_CLASS for cell in cells], bool)
    return masked(cells.astype(np.str_), gaps), []


def stripped(cells: "Series") -> Array:
    return np.array([cell.strip() for cell in cells], dtype=object)


def filled(row: Sequence[str]) -> int:
    """Returns the number of cells without the empty ones at the right."""
    return max((i for i, cell in enumerate(row, 1) if cell.strip()), default=0)


def complaint(cell: str, count: int) -> str:
    """Says what is wrong with a cell, and with how many more."""
    shown = cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}..."
    more = f" (and {count - 1} more such cells)" if count > 1 else ""
    comma = ", dataset.decimal=','" if DECIMAL_COMMA.fullmatch(cell) else ""
    wanted = f"want a number, or the column in dataset.categorical{comma}"
    return f"{shown!r} is no number{more}: {wanted}"


def is_number(cell: str) -> bool:
    try:
        return "_" not in cell and float(cell) is not None
    except ValueError:
        return False
