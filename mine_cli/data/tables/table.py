"""Named columns out of files of numbers and tables. Nothing is ever unpickled."""

import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mine_cli.data.tables import Columns
from mine_cli.data.tables.arrow import open_arrow
from mine_cli.data.tables.cells import open_cells
from mine_cli.data.tables.csv import TextTable
from mine_cli.errors import BadInput, RunFailed, refuse

__all__ = ["Table", "files_of", "listed", "open_table"]

PathLike = str | Path
Load = Callable[[Sequence[str], Collection[str]], Columns]

KINDS = ".npz, .csv, .tsv, .parquet, .feather, .h5ad or a pair [x.npy, z.npy]"

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
        gaps: Whether rows are wont to have gaps, as in a table of observations.
        place: Says in words where a row, from 0, is found; once it is read.
    """

    where: str
    names: list[str]
    load: Load
    named: bool = True
    gaps: bool = False
    place: Callable[[int], str] = lambda row: f"row {row + 1}"


def files_of(path: PathLike | Sequence[PathLike]) -> list[Path]:
    """Returns the one or two files of a path; those in it of a folder, in their order."""
    parts = [path] if isinstance(path, str | Path) else path
    files = [Path(part).expanduser() for part in parts]
    if len(files) == 1 and files[0].is_dir():
        return sorted(files[0].rglob("*.parquet")) or files
    return files


def open_table(
    path: PathLike | Sequence[PathLike],
    key: str = "dataset.path",
    separator: str | None = None,
    decimal: str | None = None,
) -> Table:
    """Looks into a file, or a pair of .npy files; raises BadInput where that cannot be read.

    Arguments:
        path: The file or files; or a folder of .parquet files, whose rows follow one another.
        key: The key that named them, for messages.
        separator: Between the cells of a text file; None: recognised.
        decimal: ``.`` or ``,`` in a text file; None: recognised.
    """
    parts = [Path(p).expanduser() for p in ([path] if isinstance(path, str | Path) else path)]
    where = str(parts[0]) if len(parts) == 1 else f"[{', '.join(map(str, parts))}]"
    kinds = [".parquet" if is_dataset(part) else part.suffix.lower() for part in parts]
    text = partial(_text, separator=separator, decimal=decimal)
    readers: dict[str, Callable[[Path], Table]] = {
        ".npz": _npz, ".csv": text, ".tsv": text, ".parquet": partial(_arrow, kind="parquet"),
        ".feather": partial(_arrow, kind="feather"), ".h5ad": _cells,
    }  # fmt: skip
    if kinds != [".npy", ".npy"] and (len(kinds) != 1 or kinds[0] not in readers):
        raise BadInput(f"{key}={where}: want {KINDS}")
    missing = [
        f"{key}={part}: {'not a file' if part.exists() else 'no such file'}: want {KINDS}"
        for part in parts
        if not part.is_file() and not is_dataset(part)
    ]
    refuse(missing)
    if len(parts) == 2:
        return _npy_pair(where, parts)
    with _readable(parts[0]):
        return readers[kinds[0]](parts[0])


def is_dataset(path: Path) -> bool:
    """Tells whether a path is a folder of .parquet files, which are one table together."""
    return path.is_dir() and any(path.rglob("*.parquet"))


def listed(names: Sequence[str], most: int = 20) -> str:
    """Writes names in a row, the first `most` of them."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"


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


def _text(file: Path, separator: str | None, decimal: str | None) -> Table:
    mark = "\t" if file.suffix.lower() == ".tsv" or separator == "tab" else separator
    table = TextTable(file, mark, decimal)
    return Table(str(file), table.names, _guarded(file, table.read), True, True, table.place)


def _arrow(file: Path, kind: str) -> Table:
    names, load = open_arrow(file, kind)
    return Table(str(file), names, _guarded(file, load), gaps=True)


def _cells(file: Path) -> Table:
    names, load = open_cells(file)
    return Table(str(file), names, _guarded(file, load), gaps=True)


def _guarded(file: Path, load: Load) -> Load:
    """Returns a function that reads as `load` does, and raises BadInput for a damaged file."""

    def guarded(names: Sequence[str], text: Collection[str]) -> Columns:
        with _readable(file):
            return load(names, text)

    return guarded
