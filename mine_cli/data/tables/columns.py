"""From arrays as the user has them to float32 tensors: what is refused, what draws a warning."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from mine_cli.data.tables.classes import classes, numbered
from mine_cli.data.tables.table import Array, listed
from mine_cli.errors import BadInput

__all__ = ["MIN_ROWS", "Variable", "labels", "lengths", "twins", "unusable", "variable"]

# With fewer, no part of a three-way split says anything.
MIN_ROWS = 100

# At most so many different whole numbers in a column look like classes.
FEW_VALUES = 20

# A column whose steps in float32 are larger than this share of its spread draws a warning.
COARSE = 1e-3


@dataclass
class Variable:
    """x or z: its values, [n, ...] float32, with what was found on the way."""

    values: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    names: list[str] = field(default_factory=list)
    categorical: bool = False
    classes: dict[str, Array] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def variable(
    where: str,
    arrays: Mapping[str, Array],
    categorical: Collection[str],
    constants: bool = False,
    like: Variable | None = None,
) -> Variable:
    """Join arrays of n rows into one variable; those named in `categorical` are one-hot coded.

    A single array keeps its shape, [n, ...]; several are joined as columns, and a one-dimensional
    array is one column.

    Arguments:
        where: What every message begins with: the file, or nothing.
        arrays: The arrays by name, numbers or (categorical) text.
        categorical: Names of those that hold classes.
        constants: Whether a column may hold the same value in every row.
        like: Other rows of the same columns, whose classes code these rows.
    """
    made = Variable()
    parts: list[Array] = []
    for name, array in arrays.items():
        fault = unusable(array, name in categorical, alone=len(arrays) == 1)
        if fault:
            made.faults.append(f"{where}{name}: {fault}")
            continue
        flat = array[:, None] if array.ndim == 1 else array
        if name in categorical:
            _add_classes(made, parts, where, name, flat, constants, like)
        else:
            _add_numbers(made, parts, where, name, flat, constants)
    if made.faults or len({len(part) for part in parts}) != 1:
        return made  # unequal lengths are told by whoever knows all of them
    joined = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    made.values = torch.from_numpy(np.ascontiguousarray(joined))
    made.categorical = set(arrays) <= set(categorical) or _one_hot(joined)
    if not made.categorical:
        _warn_of_classes(made, where, arrays, categorical)
    return made


def unusable(array: Array, categorical: bool, alone: bool) -> str:
    """Say why an array cannot be used, or nothing."""
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


def _add_numbers(
    made: Variable, parts: list[Array], where: str, name: str, array: Array, constants: bool
) -> None:
    names = _column_names(name, array)
    finite = np.isfinite(array)
    if not finite.all():
        rows = np.flatnonzero(~finite.reshape(len(array), -1).all(axis=1))
        many = "" if len(rows) == 1 else f" and {len(rows) - 1} more"
        made.faults.append(
            f"{where}{name}: NaN or infinite in row {rows[0] + 1}{many}: want numbers"
        )
        return
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32)
    if not np.isfinite(narrow).all():
        made.faults.append(f"{where}{name}: beyond 3e38, the largest float32: want it rescaled")
        return
    axis = 0 if array.ndim == 2 else None
    constant = np.atleast_1d(narrow.min(axis=axis) == narrow.max(axis=axis))
    if constant.any() and not constants:
        which = listed([n for n, c in zip(names, constant, strict=True) if c])
        made.faults.append(f"{where}{which}: the same value in every row: want it left out")
        return
    if array.dtype.kind != "f" or array.dtype.itemsize > 4:
        steps = np.atleast_1d(np.spacing(np.abs(narrow).max(axis=axis)))
        coarse = steps > COARSE * np.atleast_1d(array.std(axis=axis, dtype=np.float64))
        coarse &= np.atleast_1d(array.max(axis=axis) > array.min(axis=axis))
        if coarse.any():
            which = listed([n for n, c in zip(names, coarse, strict=True) if c])
            made.warnings.append(
                f"{where}{which}: far from 0 for its spread, so that float32 loses detail: "
                f"better with an offset taken off"
            )
    made.names += names
    parts.append(narrow)


def _add_classes(
    made: Variable,
    parts: list[Array],
    where: str,
    name: str,
    array: Array,
    constants: bool,
    like: Variable | None,
) -> None:
    for column, column_name in zip(array.T, _column_names(name, array), strict=True):
        if like is None:
            values, index, fault = classes(column)
            if len(values) == 1 and not constants:
                fault = "the same class in every row: want it left out"
        else:
            values = like.classes[column_name]
            index, unknown = numbered(column, values)
            fault = f"{listed(unknown)}: no class of the training rows" if unknown else ""
        if fault:
            made.faults.append(f"{where}{column_name}: {fault}")
            continue
        code = np.zeros((len(column), len(values)), np.float32)
        code[np.arange(len(column)), index] = 1
        parts.append(code)
        made.names += [f"{column_name}={value}" for value in values.tolist()]
        made.classes[column_name] = values


def _column_names(name: str, array: Array) -> list[str]:
    if array.ndim == 2 and array.shape[1] > 1:
        return [f"{name}[{i}]" for i in range(array.shape[1])]
    return [name]


def _one_hot(values: Array) -> bool:
    """Whether the columns, [n, columns], are together a one-hot code already."""
    if values.ndim != 2 or values.shape[1] < 2:
        return False
    return bool(((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all())


def _warn_of_classes(
    made: Variable, where: str, arrays: Mapping[str, Array], categorical: Collection[str]
) -> None:
    few = []
    for name, array in arrays.items():
        if name in categorical or array.ndim > 2:
            continue
        columns = array.reshape(len(array), -1).T
        for column, column_name in zip(columns, _column_names(name, array), strict=True):
            whole = array.dtype.kind in "biu" or (column == np.floor(column)).all()
            if whole and 1 < len(np.unique(column)) <= FEW_VALUES:
                few.append(column_name)
    if few:
        made.warnings.append(
            f"{where}{listed(few)}: at most {FEW_VALUES} different whole numbers: if these are "
            f"classes, name them in categorical"
        )


def labels(values: Array) -> Tensor:
    """Number the groups of rows, [n] int64, by a column of text or numbers, [n] or [n, 1]."""
    if values.dtype.kind not in "biufUS" or values.size != len(values):
        told = f"shape {list(values.shape)}, type {values.dtype}"
        raise BadInput(f"groups: {told}: want one number or text a row")
    return torch.from_numpy(np.unique(values, return_inverse=True)[1].astype(np.int64))


def lengths(
    where: str, arrays: Mapping[str, Array], groups: Array | None = None, fewest: int = MIN_ROWS
) -> list[str]:
    """Return the faults in the numbers of rows."""
    found = {name: len(array) for name, array in arrays.items() if array.ndim}
    if groups is not None:
        found["the groups"] = len(groups) if groups.ndim else 1
    if len(set(found.values())) > 1:
        told = ", ".join(f"{name} has {n}" for name, n in found.items())
        return [f"{where}rows: {told}: want as many in each"]
    n = min(found.values(), default=fewest)
    return [f"{where}{n} rows: want at least {fewest}"] if n < fewest else []


def twins(x: Variable, z: Variable) -> list[str]:
    """Warn of columns of x, [n, columns], that are also columns of z."""
    if x.values.dim() != 2 or z.values.dim() != 2 or x.categorical or z.categorical:
        return []
    seen = {column[:MIN_ROWS].numpy().tobytes(): i for i, column in enumerate(x.values.T)}
    pairs = []
    for i, column in enumerate(z.values.T):
        j = seen.get(column[:MIN_ROWS].numpy().tobytes())
        if j is not None and torch.equal(column, x.values[:, j]):
            pairs.append(f"{x.names[j]} of x is {z.names[i]} of z")
    if not pairs:
        return []
    return [f"{listed(pairs)} in every row: their mutual information is infinite unless discrete"]
