"""Classes in a column of numbers or text: which there are, and the number of each row's."""

import math
from contextlib import suppress

import numpy as np

from mine_cli.data.tables import Array

__all__ = ["MOST_CLASSES", "MOST_UNNAMED", "class_names", "classes", "numbered"]

# More classes than this are taken for an identifier.
MOST_CLASSES = 1000

# The same where nobody said that a column of text holds classes.
MOST_UNNAMED = 50


def classes(column: Array, most: int = MOST_CLASSES) -> tuple[Array, Array, str]:
    """Finds the classes in a column, [n], of numbers or text, `most` of them.

    Text is compared as text: ``007`` and ``7`` are two classes.

    Returns:
        The classes in ascending order, of text by the numbers that it writes where all of it
        does; the number of each row's, [n]; why they cannot be used, or nothing.
    """
    column = _decoded(column)
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        return np.empty(0), np.empty(0, np.int64), "NaN or infinite: want a class in each row"
    values, index = np.unique(column, return_inverse=True)
    texts = values.tolist() if _is_text(values) else []
    numbers = [n for n in map(_number, texts) if n is not None]
    if texts and len(numbers) == len(texts):
        order = sorted(range(len(values)), key=numbers.__getitem__)
        values, index = values[order], np.argsort(order)[index]
    fault = ""
    if len(values) > most:
        fault = f"{len(values)} classes: want at most {most}"
        if most < MOST_CLASSES:
            fault += "; an identifier, perhaps? If not, name it in dataset.categorical"
    return values, index.astype(np.int64), fault


def numbered(column: Array, values: Array) -> tuple[Array, list[str]]:
    """Numbers the rows of a column, [n], by classes that were found in other rows.

    Text and numbers are the same class where the text writes that number, and no other class does.

    Returns:
        The numbers, [n], -1 for what is none of those classes; the names of such.
    """
    found, index = np.unique(_decoded(column), return_inverse=True)
    keys, known = found.tolist(), values.tolist()
    places = {value: i for i, value in enumerate(known)}
    if _is_text(found) and not _is_text(values):
        keys = [_number(key) for key in keys]
    elif _is_text(values) and not _is_text(found):
        numbers = [_number(value) for value in known]
        places |= {n: i for i, n in enumerate(numbers) if numbers.count(n) == 1}
        keys = [key if key in places else str(key) for key in keys]
    number = np.array([places.get(key, -1) for key in keys], np.int64)
    return number[index], class_names(found[number < 0])


def class_names(values: Array) -> list[str]:
    """Returns classes as they are shown: whole numbers without a decimal point."""
    shown = [str(value) for value in values]
    return [name.removesuffix(".0") for name in shown] if values.dtype.kind == "f" else shown


def _number(value: str) -> int | float | None:
    """Returns the finite number that a text writes: whole ones exactly, however large."""
    for kind in (int, float):
        with suppress(ValueError):
            number = kind(value)
            return number if "_" not in value and math.isfinite(number) else None
    return None


def _is_text(values: Array) -> bool:
    return values.dtype.kind == "U"


def _decoded(values: Array) -> Array:
    return np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
