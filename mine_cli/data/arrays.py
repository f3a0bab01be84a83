"""A user's own numbers: from files, or from memory."""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mine_cli.data import Rows
from mine_cli.data.labelled import Labelled
from mine_cli.data.tables.columns import labels, lengths, twins, variable
from mine_cli.data.tables.supervised import Sheet, labelled_from, read_sheet
from mine_cli.data.tables.table import Array, Table, files_of, listed, open_table
from mine_cli.errors import BadInput

__all__ = ["Arrays", "InMemory", "from_memory"]

Names = str | int | Sequence[str | int] | None


class Arrays:
    """Rows of a .npz, a pair of .npy files, a .csv or a .parquet file.

    Arguments:
        path: The file, or [x.npy, z.npy].
        x: Name of the array or column that is x, or a list of those that are its columns. A .npz
            may leave it out: the array x.
        z: The same for z.
        categorical: Names among these that hold classes (numbers or text): one-hot coded, the
            classes in ascending order.
        group_column: Name of a column (text or numbers) whose rows of one value belong together.
        test_path: For a supervised task: the file, or pair of files, of the rows that test, with
            the same columns. None: a random tenth of the rows.
        seed: Draws that tenth. The other seeds of a run leave it alone, so that runs are compared
            on the same rows, and what was chosen with one seed saw no test row of another.
    """

    def __init__(
        self,
        path: str | Path | Sequence[str | Path],
        x: Names = None,
        z: Names = None,
        categorical: Sequence[str | int] = (),
        group_column: str | None = None,
        test_path: str | Path | Sequence[str | Path] | None = None,
        seed: int = 0,
    ) -> None:
        self.path, self.x, self.z = path, _names(x), _names(z)
        self.categorical = _names(categorical) or []
        self.group_column = group_column
        self.test_path, self.seed = test_path, seed
        self._rows: Rows | None = None
        self._labelled: Labelled | None = None

    @property
    def files(self) -> list[Path]:
        """The files that are read."""
        tested = [] if self.test_path is None else files_of(self.test_path)
        return [*files_of(self.path), *tested]

    def rows(self) -> Rows:
        """Read and check the file once; raise BadInput with every fault found."""
        if self._rows is None:
            self._rows = self._read()
        return self._rows

    def _read(self) -> Rows:
        table = open_table(self.path)
        x, z = self._chosen(table)
        wanted = dict.fromkeys([*x, *z])
        text = [name for name in wanted if name in self.categorical]
        numbers = [name for name in wanted if name not in self.categorical]
        if self.group_column is not None and self.group_column not in wanted:
            text.append(self.group_column)
        found = table.load(numbers, text)
        groups = found[self.group_column] if self.group_column is not None else None
        chosen = [{name: found[name] for name in names} for names in (x, z)]
        return _rows(f"{table.where}: ", chosen, self.categorical, groups)

    def labelled(self) -> Labelled:
        """Read and check the files once as features x and labels z, which are classes anyway."""
        if self._labelled is None:
            table = open_table(self.path)
            x, z = self._chosen(table)
            train = read_sheet(table, x, z, self.categorical)
            test = None if self.test_path is None else self._test_sheet(table, x, z)
            self._labelled = labelled_from(train, self.categorical, test, self.seed)
        return self._labelled

    def _test_sheet(self, train: Table, x: Sequence[str], z: Sequence[str]) -> Sheet:
        """Read the columns of the test file; raise BadInput where it has others."""
        assert self.test_path is not None
        table = open_table(self.test_path, "dataset.test_path")
        missing = [name for name in (*x, *z) if name not in table.names]
        if missing:
            raise BadInput(
                f"dataset.test_path={table.where}: no {listed(missing)} there, but "
                f"{listed(table.names)}: want the columns of {train.where}"
            )
        return read_sheet(table, x, z, self.categorical)

    def _chosen(self, table: Table) -> tuple[list[str], list[str]]:
        """Return the names that make x and z; raise BadInput with every fault in the choice."""
        there = f"{table.where} has {listed(table.names)}"
        faults, chosen = [], {}
        for key, names in (("x", self.x), ("z", self.z)):
            if not table.named and names is not None:
                faults.append(
                    f"dataset.{key}={names}: a pair of .npy files has no names: want null"
                )
            chosen[key] = [key] if names is None else names
            unknown = [name for name in chosen[key] if name not in table.names]
            if names is None and unknown:
                faults.append(f"dataset.{key} is not set: {there}: want one or a list of these")
            elif unknown:
                faults.append(f"dataset.{key}={listed(unknown)}: not there: {there}")
            elif not names and names is not None:
                faults.append(f"dataset.{key}=[]: {there}: want one or a list of these")
        both = [name for name in chosen["x"] if name in chosen["z"]]
        if both:
            faults.append(f"dataset.x and dataset.z share {listed(both)}: want it in one of them")
        for key, names in chosen.items():
            if len(set(names)) < len(names):
                faults.append(f"dataset.{key}={listed(names)}: a name twice: want each once")
        faults += [
            f"dataset.categorical={name}: not in x or z ({listed([*chosen['x'], *chosen['z']])})"
            for name in self.categorical
            if name not in chosen["x"] and name not in chosen["z"]
        ]
        if self.group_column is not None and (
            self.group_column not in table.names or not table.named
        ):
            faults.append(f"split=groups:{self.group_column}: not there: {there}")
        if faults:
            raise BadInput(*faults)
        return chosen["x"], chosen["z"]


class InMemory:
    """Rows that are in memory already, checked; made by `from_memory`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def rows(self) -> Rows:
        return self._rows

    @property
    def content(self) -> str:
        """A SHA-256 of the numbers, for the run's fingerprint."""
        digest = hashlib.sha256()
        for side in (self._rows.x, self._rows.z):
            digest.update(f"{tuple(side.shape)}".encode())
            digest.update(side.contiguous().numpy().tobytes())
        return digest.hexdigest()


def from_memory(
    x: object, z: object, categorical: Sequence[str] = (), groups: object = None
) -> InMemory:
    """Take NumPy arrays, tensors (or what becomes an array) as x and z, with a file's checks.

    Arguments:
        x: [n] or [n, ...]; only as text where `categorical` names it.
        z: [n] or [n, ...].
        categorical: ``["x"]``, ``["z"]`` or both: one-hot coded.
        groups: Labels, [n], of rows that belong together in a split.
    """
    faults = [f"categorical={name}: want x or z" for name in categorical if name not in ("x", "z")]
    given: dict[str, Array] = {}
    for name, values in {"x": x, "z": z, "groups": groups}.items():
        if values is not None or name != "groups":
            try:
                given[name] = _array(values)
            except ValueError as fault:
                faults.append(f"{name}: {fault}: want an array of numbers")
    if faults:
        raise BadInput(*faults)
    chosen = [{"x": given["x"]}, {"z": given["z"]}]
    return InMemory(_rows("", chosen, categorical, given.get("groups")))


def _rows(
    where: str,
    chosen: Sequence[dict[str, Array]],
    categorical: Collection[str],
    groups: Array | None,
) -> Rows:
    faults = lengths(where, chosen[0] | chosen[1], groups)
    if any(array.size == 0 for arrays in chosen for array in arrays.values()):
        raise BadInput(*faults or [f"{where}no columns: want at least one in x and in z"])
    x, z = (variable(where, arrays, categorical) for arrays in chosen)
    faults += [*x.faults, *z.faults]
    if faults:
        raise BadInput(*faults)
    return Rows(
        x.values,
        z.values,
        true_mi_note="not known for data of your own",
        x_categorical=x.categorical,
        z_categorical=z.categorical,
        groups=None if groups is None else labels(groups),
        warnings=[*x.warnings, *z.warnings, *twins(x, z)],
        x_names=x.names,
        z_names=z.names,
    )


def _array(values: object) -> Array:
    """Make an array of what the user has, on the CPU, and of text where it is all text."""
    if isinstance(values, torch.Tensor):
        kept = values.detach().cpu()
        return (kept.float() if kept.dtype == torch.bfloat16 else kept).numpy()
    if np.ma.is_masked(values):
        raise ValueError("masked values")
    array: Array = np.asarray(values)
    if array.dtype == object and all(isinstance(value, str) for value in array.flat):
        return array.astype(np.str_)
    return array


def _names(names: Any) -> list[str] | None:
    if names is None or isinstance(names, str | int):
        return None if names is None else [str(names)]
    return [str(name) for name in names]
