"""Named columns out of files: .npz, a pair of .npy, .csv, .parquet. Nothing is ever unpickled."""

import csv
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mine_cli.data.tables.csv import read_columns, read_header
from mine_cli.errors import BadInput

__all__ = ["Array", "Table", "files_of", "listed", "open_table"]

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]
PathLike = str | Path

KINDS = ".npz, .csv, .parquet or a pair [x.npy, z.npy]"
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    csv.Error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass
class Table:
    """A file whose names are known, and whose columns are read when asked for.

    Arguments:
        where: The file, for messages.
        names: Every column or array in it.
        load: ``load(numbers, text)`` reads the columns of both lists, [n, ...]; only those of the
            second may come as text.
        named: Whether the user can choose among the names.
    """

    where: str
    names: list[str]
    load: Callable[[Sequence[str], Sequence[str]], Columns]
    named: bool = True


def files_of(path: PathLike | Sequence[PathLike]) -> list[Path]:
    """Return the one or two files of a path."""
    parts = [path] if isinstance(path, str | Path) else path
    return [Path(part).expanduser() for part in parts]


def open_table(path: PathLike | Sequence[PathLike], key: str = "dataset.path") -> Table:
    """Look into a file, or a pair of .npy files; raise BadInput where that cannot be read.

    Arguments:
        path: The file or files.
        key: The key that named them, for messages.
    """
    files = files_of(path)
    kinds = [file.suffix.lower() for file in files]
    readers = {".npz": _npz, ".csv": _csv, ".parquet": _parquet}
    if kinds != [".npy", ".npy"] and (len(kinds) != 1 or kinds[0] not in readers):
        raise BadInput(f"{key}={_given(files)}: want {KINDS}")
    missing = [
        f"{key}={file}: {'not a file' if file.exists() else 'no such file'}: want {KINDS}"
        for file in files
        if not file.is_file()
    ]
    if missing:
        raise BadInput(*missing)
    if len(files) == 2:
        return Table(_given(files), ["x", "z"], _NpyPair(files), named=False)
    try:
        return readers[kinds[0]](files[0])
    except UNREADABLE as fault:
        raise BadInput(_unreadable(files[0], fault)) from fault


def listed(names: Sequence[str], most: int = 20) -> str:
    """Write names in a row, the first `most` of them."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"


def _given(files: Sequence[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"[{', '.join(map(str, files))}]"


def _unreadable(file: Path, fault: Exception, part: str = "") -> str:
    if "allow_pickle" in str(fault):
        return f"{file}{part}: Python objects, which are never unpickled: want plain numbers"
    said = (str(fault).strip() or type(fault).__name__).splitlines()[0]
    return f"{file}{part}: not a readable {file.suffix.lower()} file: {said}"


@dataclass
class _NpyPair:
    files: list[Path]

    def __call__(self, numbers: Sequence[str], text: Sequence[str]) -> Columns:
        found, faults = {}, []
        for name, file in zip("xz", self.files, strict=True):
            try:
                found[name] = np.load(file, allow_pickle=False)
            except UNREADABLE as fault:
                faults.append(_unreadable(file, fault))
        if faults:
            raise BadInput(*faults)
        return found


def _npz(file: Path) -> Table:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is not a zip archive, or cut short")
    with np.load(file, allow_pickle=False) as archive:
        names = list(archive.files)

    def load(numbers: Sequence[str], text: Sequence[str]) -> Columns:
        found, faults = {}, []
        with np.load(file, allow_pickle=False) as archive:
            for name in [*numbers, *text]:
                try:
                    found[name] = archive[name]
                except UNREADABLE as fault:
                    faults.append(_unreadable(file, fault, f" array {name}"))
        if faults:
            raise BadInput(*faults)
        return found

    return Table(str(file), names, load)


def _csv(file: Path) -> Table:
    names = read_header(file)

    def load(numbers: Sequence[str], text: Sequence[str]) -> Columns:
        try:
            return read_columns(file, names, numbers, text)
        except UNREADABLE as fault:
            raise BadInput(_unreadable(file, fault)) from fault

    return Table(str(file), names, load)


def _parquet(file: Path) -> Table:
    try:
        import pyarrow.parquet as pq
    except ImportError as fault:
        raise BadInput(
            f"{file}: reading .parquet needs pyarrow: want pip install 'mine-run[parquet]'"
        ) from fault
    names = list(pq.read_schema(file).names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"{file}: {listed(twice)} more than once: want each name once")

    def load(numbers: Sequence[str], text: Sequence[str]) -> Columns:
        try:
            table = pq.read_table(file, columns=[*numbers, *text])
        except UNREADABLE as fault:
            raise BadInput(_unreadable(file, fault)) from fault
        faults = []
        for name, column in zip(table.column_names, table.columns, strict=True):
            if column.null_count:
                first = column.is_null().to_pylist().index(True) + 1
                many = f"{column.null_count} missing values, the first in row {first}"
                faults.append(f"{file} column {name}: {many}: want a value in every row")
        if faults:
            raise BadInput(*faults)
        return {name: _plain(table[name]) for name in table.column_names}

    return Table(str(file), names, load)


def _plain(column: Any) -> Array:
    """Return a pyarrow column as an array of numbers or text, else of whatever it holds."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array(column.to_pylist(), dtype=np.str_)
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    return np.asarray(column.to_numpy())
