"""A user's tables: files of arrays and columns, read, checked and coded.

What is missing in a column is masked, as in `numpy.ma`.
"""

import math
from typing import Any

import numpy as np

__all__ = ["Array", "Columns", "masked", "plain"]

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]


def masked(values: Array, gaps: Array) -> Array:
    """Returns values, masked where `gaps`, of their shape or [n], is true; plain without one."""
    if not gaps.any():
        return values
    across = gaps.reshape(gaps.shape + (1,) * (values.ndim - gaps.ndim))
    return np.ma.masked_array(values, np.broadcast_to(across, values.shape))


def plain(values: object) -> Array:
    """Returns values as an array of numbers or text, with a mask where one is None or NaN.

    Objects that are neither all text nor all numbers come as objects.
    """
    if isinstance(values, np.ma.MaskedArray):
        return masked(np.asarray(values.data), np.ma.getmaskarray(values))
    array: Array = np.asarray(values)
    if array.dtype.kind == "T":  # variable-length text
        array = array.astype(object)
    if array.dtype != object or array.ndim == 0:
        return array
    gaps = np.array([_is_missing(value) for value in array.flat], bool).reshape(array.shape)
    there = array[~gaps]
    kinds = (str, bool | np.bool_, int | float | np.number)
    kind = next((k for k in kinds if all(isinstance(value, k) for value in there)), None)
    if kind is None or not len(there):
        return array
    filled = array.copy()
    filled[gaps] = there[0]
    return masked(filled.astype(np.str_) if kind is str else np.array(filled.tolist()), gaps)


def _is_missing(value: object) -> bool:
    """Tells whether a value is None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)
