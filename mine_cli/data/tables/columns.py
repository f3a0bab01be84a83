"""From arrays as the user has them to float32 tensors: what is refused, what draws a warning."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np
import torch
from torch import Tensor

from mine_cli.data.tables import Array, Columns
from mine_cli.data.tables.classes import (
    MOST_CLASSES,
    MOST_UNNAMED,
    class_names,
    classes,
    numbered,
)
from mine_cli.data.tables.table import listed
from mine_cli.errors import BadInput, refuse

__all__ = ["MIN_ROWS", "Sheet", "Variable", "group_labels", "twins", "unusable", "variable"]

# With fewer, no part of a three-way split says anything.
MIN_ROWS = 100

# At most so many different whole numbers in a column look like classes.
FEW_VALUES = 20

# A column whose steps in float32 are larger than this share of its spread stays in float64.
COARSE = 1e-3


def in_row(row: int) -> str:
    """Returns where row `row`, from 0, is found: as one counts rows of an array."""
    return f"row {row + 1}"


@dataclass
class Sheet:
    """Holds the columns of one file, or of what is in memory.

    Arguments:
        where: The file, for messages; empty in memory.
        x: The columns of x by name: numbers, or text that holds classes.
        z: The same of z.
        groups: Numbers or text that rows of one group share.
        given: The columns of w, given which the information of x and z is asked for.
        place: Says in words where a row, from 0, is found.
        read: The number of rows that were read; None as long as those with gaps are among these.
        kept: Which of them these are, [n].
        gaps: How many rows lacked a value, for each column in which any did.
    """

    where: str
    x: Columns
    z: Columns
    groups: Array | None = None
    given: Columns = field(default_factory=dict)
    place: Callable[[int], str] = in_row
    read: int | None = None
    kept: Array | None = None
    gaps: dict[str, int] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Returns what every message begins with."""
        return f"{self.where}: " if self.where else ""

    @property
    def columns(self) -> list[tuple[str, Array]]:
        """Returns all columns; x and z of two frames may have names in common."""
        groups = [] if self.groups is None else [("the groups", self.groups)]
        return [*self.x.items(), *self.z.items(), *self.given.items(), *groups]

    def faults(self, fewest: int = MIN_ROWS) -> list[str]:
        """Returns the faults in the numbers of rows; raises BadInput where there is no value."""
        found = [(name, len(np.atleast_1d(a))) for name, a in self.columns if a.ndim]
        fault, n = "", min((n for _, n in found), default=fewest)
        if len({n for _, n in found}) > 1:
            told = ", ".join(f"{name} has {n}" for name, n in found)
            fault = f"{self.prefix}rows: {told}: want as many in each"
        elif n < fewest:
            fault = f"{self.prefix}{n} rows{self.told_of_gaps()}: want at least {fewest}"
        if any(array.size == 0 for name, array in self.columns if name != "the groups"):
            raise BadInput(fault or f"{self.prefix}no columns: want at least one in x and in z")
        return [fault] if fault else []

    def told_of_gaps(self) -> str:
        """Says how many rows were left out, and for which columns."""
        if not self.gaps or self.read is None:
            return ""
        lacking = ", ".join(f"{name} in {count}" for name, count in self.gaps.items())
        return f" left of {self.read}, without those that lack {lacking}"

    def lagged(self, lag: int) -> "Sheet":
        """Returns the pairs of x_i and z_(i + lag), as far as both are there.

        Rows are those of x, and so is what is given: w_i stands beside x_i.
        Rows of unequal number are left to `faults`.
        """
        if not lag or len({len(np.atleast_1d(array)) for _, array in self.columns}) > 1:
            return self
        before, after = max(lag, 0), max(-lag, 0)

        def cut(array: Array, first: int, last: int) -> Array:
            return array[first : max(len(array) - last, 0)] if array.ndim else array

        return replace(
            self,
            x={name: cut(array, after, before) for name, array in self.x.items()},
            z={name: cut(array, before, after) for name, array in self.z.items()},
            given={name: cut(array, after, before) for name, array in self.given.items()},
            groups=None if self.groups is None else cut(self.groups, after, before),
            place=lambda row: self.place(row + after),
        )

    def complete(self, drop: bool) -> "Sheet":
        """Returns the rows that have a value in every column.

        Arguments:
            drop: Whether those with a gap are left out; else BadInput is raised for them.
        """
        n = {len(array) if array.ndim else None for _, array in self.columns}
        if len(n) > 1 or None in n:
            return self  # told by `faults`
        found = [(name, gaps_of(array, nan=drop)) for name, array in self.columns]
        lacking = [(name, gaps) for name, gaps in found if gaps.any()]
        if lacking and not drop:
            refuse(self.gap(name, np.flatnonzero(gaps)) for name, gaps in lacking)
        refuse(
            f"{self.prefix}{name}: no value in any row: want it left out"
            for name, gaps in lacking
            if len(gaps) and gaps.all()
        )
        kept = np.flatnonzero(~np.any([gaps for _, gaps in found], axis=0))
        x, z, given = (
            {name: np.asarray(array)[kept] for name, array in side.items()}
            for side in (self.x, self.z, self.given)
        )
        return replace(
            self,
            x=x,
            z=z,
            given=given,
            groups=None if self.groups is None else np.asarray(self.groups)[kept],
            place=lambda row: self.place(kept[row]),
            read=n.pop(),
            kept=kept,
            gaps={name: int(gaps.sum()) for name, gaps in lacking},
        )

    def gap(self, name: str, rows: Array) -> str:
        """Says where a column lacks values."""
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        told = f"missing in {self.place(rows[0])}{more}"
        return f"{self.prefix}{name}: {told}: want a value in every row, or dataset.missing=drop"


def gaps_of(array: Array, nan: bool) -> Array:
    """Tells which rows lack a value, [n] bool: masked ones, and with `nan` also those with NaN."""
    gaps = np.ma.getmaskarray(array)
    if nan and array.dtype.kind == "f":
        gaps = gaps | np.isnan(np.asarray(array))
    return np.asarray(gaps.any(axis=tuple(range(1, gaps.ndim))))


@dataclass
class Variable:
    """Holds x or z: its values, [n, ...] float32, with what was found on the way.

    `coded` are the names of what holds classes, `classes` those of each of their columns.
    """

    values: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    names: list[str] = field(default_factory=list)
    categorical: bool = False
    coded: list[str] = field(default_factory=list)
    classes: Columns = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def variable(
    sheet: Sheet, arrays: Columns, categorical: Collection[str], known: Variable | None = None
) -> Variable:
    """Joins arrays of n rows into one variable; text, and those named, are one-hot coded.

    A single array keeps its shape, [n, ...]; several are joined as columns, and a one-dimensional
    array is one column. The faults leave out `constant`: what is the same in every row.

    Arguments:
        sheet: Where the arrays are from, for messages.
        arrays: The arrays by name, numbers or text.
        categorical: Names of numbers that hold classes.
        known: The same variable in other rows, whose classes code these rows.
    """
    made, parts, few = Variable(), [], []
    for name, array in arrays.items():
        text = known is None and array.dtype.kind in "US"
        coded = text or name in (categorical if known is None else known.coded)
        fault = unusable(array, coded, alone=len(arrays) == 1)
        columns = {} if fault else _columns(name, array)
        if fault:
            made.faults.append(f"{name}: {fault}")
        elif coded:
            made.coded.append(name)
            most = MOST_CLASSES if name in categorical else MOST_UNNAMED
            parts += [_code(made, *column, most, known) for column in columns.items()]
        else:
            parts.append(_numbers(made, name, [*columns], array, sheet.place))
            if array.ndim < 3:
                few += [name for name in columns if _few_whole_numbers(columns[name])]
    # Unequal lengths are told by whoever knows all of them.
    if not made.faults and len({len(part) for part in parts}) == 1:
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        made.values = torch.from_numpy(np.ascontiguousarray(joined))
        made.categorical = set(arrays) <= set(made.coded) or _one_hot(joined)
    if few and not made.categorical:
        told = f"at most {FEW_VALUES} different whole numbers: if these are classes, name them in"
        made.warnings.append(f"{listed(few)}: {told} categorical")
    for lines in (made.faults, made.constant, made.warnings):
        lines[:] = [sheet.prefix + line for line in lines]
    return made


def unusable(array: Array, categorical: bool, alone: bool) -> str:
    """Says why an array cannot be used, or nothing."""
    kinds = "biufUS" if categorical else "biuf"
    if array.ndim == 0:
        return "a single value: want one value a row"
    if array.dtype.kind in "US" and not categorical:
        return "text: want numbers, or its name in categorical"
    if array.dtype.kind not in kinds:
        return f"values of type {array.dtype}: want plain real numbers"
    if array.ndim > 2 and (categorical or not alone):
        return f"shape {list(array.shape)}: want one or two dimensions here"
    return ""


def _columns(name: str, array: Array) -> Columns:
    """Returns the columns of an array by name; all numbers at once of more dimensions than two."""
    if array.ndim == 2 and array.shape[1] > 1:
        return {f"{name}[{i}]": column for i, column in enumerate(array.T)}
    return {name: array.reshape(-1)}


@np.errstate(over="ignore", invalid="ignore")  # of which the faults tell
def _numbers(
    made: Variable, name: str, names: list[str], array: Array, place: Callable[[int], str]
) -> Array:
    """Returns numbers, [n, columns] or [n, ...], and notes what is wrong with them.

    They are float32, or float64 where float32 would lose detail: far from 0 for their spread, or
    below its smallest number.
    """
    flat = array if array.ndim == 2 else array.reshape(-1, 1)
    narrow = flat.astype(np.float32)
    low, high = flat.min(axis=0), flat.max(axis=0)
    unfit = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
    same = listed(list(compress(names, low == high)))
    if len(unfit):
        more = f" and {len(unfit) - 1} more" if len(unfit) > 1 else ""
        made.faults.append(f"{name}: NaN or infinite in {place(unfit[0])}{more}: want numbers")
    elif not np.isfinite([narrow.min(axis=0), narrow.max(axis=0)]).all():
        made.faults.append(f"{name}: beyond 3e38, the largest float32: want it rescaled")
    elif same:
        made.constant.append(f"{same}: the same value in every row: want it left out")
    steps = np.spacing(np.abs(narrow).max(axis=0)) * (high > low)
    coarse = bool((steps > COARSE * flat.std(axis=0, dtype=np.float64)).any())
    kept = flat.astype(np.float64) if coarse and array.dtype.itemsize > 4 else narrow
    made.names += names
    return kept.reshape(len(array), *array.shape[1:] or [1])


def _code(made: Variable, name: str, column: Array, most: int, known: Variable | None) -> Array:
    """Returns the one-hot code of a column of classes, and notes what is wrong with it."""
    if known is None:
        values, index, fault = classes(column, most)
        if len(values) == 1:
            made.constant.append(f"{name}: the same class in every row: want it left out")
    else:
        values = known.classes[name]
        index, unknown = numbered(column, values)
        fault = f"{listed(unknown)}: no class of the training rows" if unknown else ""
    if fault:
        made.faults.append(f"{name}: {fault}")
        return np.empty((len(column), 0), np.float32)
    made.names += [f"{name}={value}" for value in class_names(values)]
    made.classes[name] = values
    return np.eye(len(values), dtype=np.float32)[index]


def _one_hot(values: Array) -> bool:
    """Tells whether the columns, [n, columns], are together a one-hot code already."""
    if values.ndim != 2 or values.shape[1] < 2:
        return False
    return bool(((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all())


def _few_whole_numbers(column: Array) -> bool:
    if column.dtype.kind == "b":  # whose code as a number is as good as one of classes
        return False
    whole = column.dtype.kind in "iu" or (column == np.floor(column)).all()
    return bool(whole) and 1 < len(np.unique(column)) <= FEW_VALUES


def group_labels(values: Array) -> Tensor:
    """Numbers the groups of rows, [n] int64, by a column of text or numbers, [n] or [n, 1]."""
    if values.dtype.kind not in "biufUS" or values.size != len(values):
        told = f"shape {list(values.shape)}, type {values.dtype}"
        raise BadInput(f"groups: {told}: want one number or text a row")
    return torch.from_numpy(np.unique(values, return_inverse=True)[1].astype(np.int64))


def twins(x: Variable, z: Variable, name: str = "x") -> list[str]:
    """Warns of columns of x, [n, columns], that are also columns of z; x is called by a name."""
    if x.values.dim() != 2 or z.values.dim() != 2 or x.categorical or z.categorical:
        return []
    found = {_digest(column): name for name, column in zip(x.names, x.values.T, strict=True)}
    pairs = [
        f"{found[_digest(column)]} of {name} is {other} of z"
        for other, column in zip(z.names, z.values.T, strict=True)
        if _digest(column) in found
    ]
    if not pairs:
        return []
    return [f"{listed(pairs)} in every row: their mutual information is infinite unless discrete"]


def _digest(column: Tensor) -> bytes:
    return hashlib.sha256(column.numpy().tobytes()).digest()
