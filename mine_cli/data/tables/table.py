"""Named columns out of files: .npz, a pair of .npy, .csv, .parquet. Nothing is ever unpickled."""

import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mine_cli.data.tables import Array, Columns
from mine_cli.data.tables.csv import read_columns, read_header
from mine_cli.errors import BadInput, RunFailed, refuse

__all__ = ["Table", "files_of", "listed", "open_table", "plain"]

PathLike = str | Path

KINDS = ".npz, .csv, .parquet or a pair [x.npy, z.npy]"

LONGEST = 200  # characters of a reader's own words


@dataclass
class Table:
    """A file whose names are known, and whose columns are read when asked for.

    Arguments:
        where: The file, for messages.
        names: Every column or array in it.
        load: ``load(names, text)`` reads these columns, [n, ...]; only those that are in `text`
            too may come as text.
        named: Whether the user can choose among the names.
    """

    where: str
    names: list[str]
    load: Callable[[Sequence[str], Collection[str]], Columns]
    named: bool = True


def files_of(path: PathLike | Sequence[PathLike]) -> list[Path]:
    """Returns the one or two files of a path."""
    parts = [path] if isinstance(path, str | Path) else path
    return [Path(part).expanduser() for part in parts]


def open_table(path: PathLike | Sequence[PathLike], key: str = "dataset.path") -> Table:
    """Looks into a file, or a pair of .npy files; raises BadInput where that cannot be read.

    Arguments:
        path: The file or files.
        key: The key that named them, for messages.
    """
    files = files_of(path)
    where = str(files[0]) if len(files) == 1 else f"[{', '.join(map(str, files))}]"
    kinds = [file.suffix.lower() for file in files]
    readers = {".npz": _npz, ".csv": _csv, ".parquet": _parquet}
    if kinds != [".npy", ".npy"] and (len(kinds) != 1 or kinds[0] not in readers):
        raise BadInput(f"{key}={where}: want {KINDS}")
    missing = [
        f"{key}={file}: {'not a file' if file.exists() else 'no such file'}: want {KINDS}"
        for file in files
        if not file.is_file()
    ]
    refuse(missing)
    if len(files) == 2:
        return _npy_pair(where, files)
    with _readable(files[0]):
        return readers[kinds[0]](files[0])


def listed(names: Sequence[str], most: int = 20) -> str:
    """Writes names in a row, the first `most` of them."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"


def plain(values: object) -> Array:
    """Returns values as an array, of text where all of them are text."""
    array: Array = np.asarray(values)
    if array.dtype == object and all(isinstance(value, str) for value in array.flat):
        return array.astype(np.str_)
    return array


@contextmanager
def _readable(file: Path, part: str = "") -> Iterator[None]:
    """Raises BadInput in place of what a damaged file raises."""
    try:
        yield
    except RunFailed:
        raise
    except Exception as fault:  # the readers raise whatever their parsers stumble over
        said = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        said = said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
        told = f"not a readable {file.suffix.lower()} file: {said}"
        if "allow_pickle" in said:
            told = "Python objects, which are never unpickled: want plain numbers"
        elif isinstance(fault, UnicodeDecodeError):
            told = f"not a readable {file.suffix.lower()} file: not UTF-8: want it saved as that"
        raise BadInput(f"{file}{part}: {told}") from fault


def _npy_pair(where: str, files: Sequence[Path]) -> Table:
    def load(names: Sequence[str], text: Collection[str]) -> Columns:
        found = {}
        for name, file in zip("xz", files, strict=True):
            with _readable(file):
                found[name] = np.load(file, allow_pickle=False)
        return found

    return Table(where, ["x", "z"], load, named=False)


def _npz(file: Path) -> Table:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is not a zip archive, or cut short")

    def load(names: Sequence[str], text: Collection[str]) -> Columns:
        found = {}
        with np.load(file, allow_pickle=False) as archive:
            for name in names:
                with _readable(file, f" array {name}"):
                    values = archive[name]
                    if not isinstance(values, np.ndarray):
                        raise ValueError("it is no .npy array")
                    found[name] = values
        return found

    with np.load(file, allow_pickle=False) as archive:
        return Table(str(file), list(archive.files), load)


def _csv(file: Path) -> Table:
    names = read_header(file)

    def load(wanted: Sequence[str], text: Collection[str]) -> Columns:
        with _readable(file):
            return read_columns(file, names, wanted, text)

    return Table(str(file), names, load)


def _parquet(file: Path) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as fault:
        raise BadInput(
            f"{file}: reading .parquet needs pyarrow: want pip install 'mine-run[parquet]'"
        ) from fault
    names = list(pq.read_schema(file).names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"{file}: {listed(twice)} more than once: want each name once")

    def load(names: Sequence[str], text: Collection[str]) -> Columns:
        with _readable(file):
            table = pq.read_table(file, columns=list(names))
        found, faults = {}, []
        for name, column in zip(table.column_names, table.columns, strict=True):
            if column.null_count:
                first = column.is_null().index(True).as_py() + 1
                many = f"{column.null_count} missing values, the first in row {first}"
                faults.append(f"{file} column {name}: {many}: want a value in every row")
            elif pa.types.is_decimal(column.type):
                column = column.cast(pa.float64())
            found[name] = plain(column.to_pandas())
        refuse(faults)
        return found

    return Table(str(file), names, load)
