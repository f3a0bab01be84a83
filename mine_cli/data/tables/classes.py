"""Classes in a column of numbers or text: which there are, and the number of each row's."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from mine_cli.data.tables.table import Array

__all__ = ["class_names", "classes", "numbered"]

# More classes than this are taken for an identifier.
MOST_CLASSES = 1000


def classes(column: Array) -> tuple[Array, Array, str]:
    """Find the classes in a column, [n], of numbers or text.

    Returns:
        The classes in ascending order; the number of each row's, [n]; why they cannot be used,
        or nothing.
    """
    column = _as_numbers(column)
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        return np.empty(0), np.empty(0, np.int64), "NaN or infinite: want a class in each row"
    values, index = np.unique(column, return_inverse=True)
    many = len(values) > MOST_CLASSES
    fault = f"{len(values)} classes: want at most {MOST_CLASSES}" if many else ""
    return values, index.astype(np.int64), fault


def numbered(column: Array, values: Array) -> tuple[Array, list[str]]:
    """Number the rows of a column, [n], by classes that were found in other rows.

    Returns:
        The numbers, [n], -1 for what is none of those classes; the names of such.
    """
    places = {value: i for i, value in enumerate(values.tolist())}
    found, index = np.unique(_decoded(column), return_inverse=True)
    kept = [_like(value, values) for value in found.tolist()]
    number = np.array([places.get(value, -1) for value in kept], np.int64)
    unknown = [value for value in kept if value not in places]
    return number[index], class_names(unknown)


def _like(value: Any, values: Array) -> Any:
    """A class as a number where the known ones are numbers, and as text where they are text."""
    if values.dtype.kind == "U":
        return str(value)
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


def class_names(values: Iterable[Any]) -> list[str]:
    """Classes as they are shown: whole numbers without a decimal point."""
    return [f"{value:.10g}" if isinstance(value, float) else str(value) for value in values]


def _as_numbers(values: Array) -> Array:
    """Turn text into numbers where all of it is: classes of a .csv are those of the .npz."""
    values = _decoded(values)
    if values.dtype.kind != "U":
        return values
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        return values
    return numbers if np.isfinite(numbers).all() else values


def _decoded(values: Array) -> Array:
    return np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
