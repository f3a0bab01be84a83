"""What is in memory already, as columns: arrays, tensors, and tables of other libraries."""

import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from mine_cli.data.tables import Array, Columns, plain

__all__ = ["columns_of", "is_table", "unlike_indexes"]

FRAMES = {"pandas": "DataFrame", "polars": "DataFrame", "xarray": "Dataset"}
SERIES = {"pandas": "Series", "polars": "Series", "xarray": "DataArray"}


def columns_of(name: str, values: Any) -> Columns:
    """Returns values as columns on the CPU: those of a frame by their own names.

    Raises ValueError for what cannot be one array, and for a sparse matrix.
    """
    if hasattr(values, "toarray") and "sparse" in type(values).__module__:
        raise ValueError(f"a sparse matrix: want it dense, {name}.toarray()")
    if hasattr(values, "collect") and is_of(values, {"polars": "LazyFrame"}):
        raise ValueError(f"a frame that is not read yet: want {name}.collect()")
    if is_of(values, FRAMES):
        keys = list(values.data_vars if is_of(values, {"xarray": "Dataset"}) else values.columns)
        if len(set(map(str, keys))) < len(keys):
            raise ValueError("a frame with a name twice: want each name once")
        return {str(key): array_of(values[key]) for key in keys}
    return {name: array_of(values)}


def is_table(values: object) -> bool:
    """Tells whether values are a table of observations, in which gaps are usual."""
    return is_of(values, FRAMES) or is_of(values, SERIES)


def unlike_indexes(given: Mapping[str, object]) -> Iterator[str]:
    """Says where the rows of one table are not those of the one before it."""
    found = {name: index for name, v in given.items() if (index := index_of(v)) is not None}
    for (first, index), (name, other) in pairwise(found.items()):
        if len(index) == len(other) and not index.equals(other):
            yield (
                f"{first}, {name}: rows of another index, or in another order: want the same "
                "index, or arrays, whose rows are paired by position"
            )


def index_of(values: Any) -> Any:
    """Returns the pandas index of the rows, where they have one."""
    if is_of(values, {"pandas": FRAMES["pandas"]}) or is_of(values, {"pandas": SERIES["pandas"]}):
        return values.index
    if is_of(values, {"xarray": FRAMES["xarray"]}) or is_of(values, {"xarray": SERIES["xarray"]}):
        return values.indexes.get(next(iter(values.dims), None))
    return None


def is_of(values: object, kinds: Mapping[str, str]) -> bool:
    """Tells whether values are of a class of a library, without importing that."""
    loaded = [(sys.modules.get(library), kind) for library, kind in kinds.items()]
    return any(module and isinstance(values, getattr(module, kind)) for module, kind in loaded)


def array_of(values: Any) -> Array:
    """Returns one variable, [n] or [n, ...], as numbers or text, with a mask where one lacks.

    Raises ValueError where rows have unlike shapes.
    """
    if isinstance(values, torch.Tensor):
        kept = values.detach().cpu()
        return (kept.float() if kept.dtype == torch.bfloat16 else kept).numpy()
    if is_of(values, SERIES):
        # What NumPy has no type for, such as whole numbers with gaps, comes as objects.
        of_numpy = isinstance(values.dtype, np.dtype)
        values = values.to_numpy() if of_numpy else np.array([*values], dtype=object)
    try:
        return plain(values)
    except ValueError as fault:
        raise ValueError(f"{fault}: want an array of numbers") from fault
