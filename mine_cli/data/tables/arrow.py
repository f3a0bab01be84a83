"""Columns of .parquet and .feather files, and of folders of the former."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mine_cli.data.tables import Array, Columns, masked, plain
from mine_cli.errors import BadInput, refuse

__all__ = ["open_arrow"]


def open_arrow(
    path: Path, kind: str
) -> tuple[list[str], Callable[[Sequence[str], Collection[str]], Columns]]:
    """Returns the names of a table's columns, and what reads those of some names.

    Arguments:
        path: A file; or a folder whose files, in the order of their names, are one table. Folders
            in it that are called KEY=VALUE make a column KEY.
        kind: "parquet" or "feather".
    """
    try:
        from pyarrow.dataset import dataset
    except ImportError as fault:
        raise BadInput(
            f"{path}: reading .{kind} needs pyarrow: want pip install 'mine-run[parquet]'"
        ) from fault
    source = dataset(path, format=kind, partitioning="hive", exclude_invalid_files=path.is_dir())
    names = list(source.schema.names)

    def load(wanted: Sequence[str], text: Collection[str]) -> Columns:
        twice = sorted({name for name in wanted if names.count(name) > 1})
        refuse(f"{path}: {name} more than once: want each name once" for name in twice)
        table = source.to_table(columns=list(wanted))
        found, faults = {}, []
        for name, column in zip(table.column_names, table.columns, strict=True):
            try:
                found[name] = array_of(column.combine_chunks())
            except ValueError as fault:
                faults.append(f"{path} column {name}: {fault}")
        refuse(faults)
        return found

    return names, load


def array_of(column: Any) -> Array:
    """Returns a column, [n], or one of lists of d numbers, [n, d]; what is null is masked.

    Raises ValueError for lists of unequal lengths, and for what has no numbers or text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, gaps = column.type, np.asarray(column.is_null())
    if pa.types.is_dictionary(kind):
        return array_of(column.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return array_of(column.cast(pa.float64()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = sorted(set(pc.list_value_length(column).drop_null().to_pylist()))
        if len(lengths) != 1:
            told = f"lists of {lengths[0]} to {lengths[-1]} values" if lengths else "no lists"
            raise ValueError(f"{told}: want as many in every row")
        there = array_of(pc.list_flatten(column))
        rows = there.reshape(-1, lengths[0], *there.shape[1:])
        values = np.ma.zeros((len(column), *rows.shape[1:]), rows.dtype)
        values[~gaps] = rows
        values[gaps] = np.ma.masked
        return plain(values)
    if pa.types.is_nested(kind) or pa.types.is_null(kind):
        raise ValueError(f"values of type {kind}: want numbers, text, or lists of numbers")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return masked(column.fill_null("").to_numpy(zero_copy_only=False).astype(np.str_), gaps)
    if gaps.any() and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        column = column.fill_null(0 if pa.types.is_integer(kind) else False)
    return masked(column.to_numpy(zero_copy_only=False), gaps)
