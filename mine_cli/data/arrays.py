"""A user's own numbers: from files, or from memory."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from mine_cli.data import Rows
from mine_cli.data.labelled import Labelled
from mine_cli.data.observations import Observations, choose, flat, observations, third
from mine_cli.data.tables import Columns
from mine_cli.data.tables.coding import Coding
from mine_cli.data.tables.columns import MIN_ROWS, Sheet, group_labels, twins, variable
from mine_cli.data.tables.csv import is_number
from mine_cli.data.tables.frames import columns_of, is_table, unlike_indexes
from mine_cli.data.tables.supervised import labelled_from
from mine_cli.data.tables.table import Table, files_of, listed, open_table
from mine_cli.errors import BadInput, refuse

__all__ = ["Arrays", "Frame", "InMemory", "frame_of", "from_memory"]

Names = str | float | Sequence[str | float] | None


class Arrays:
    """Reads rows of numbers and classes out of the user's files; see `tables.table`.

    Arguments:
        path: The file, or [x.npy, z.npy].
        x: Name of the array or column that is x, or a list of those that are its columns. A .npz
            may leave it out: the array x.
        z: The same for z.
        given: Columns of w: the information of x and z is that given w. None: plain information.
        categorical: Names of columns of numbers that hold classes, as columns of text do anyway:
            one-hot coded, the classes in ascending order, compared as they stand (``007`` and
            ``7`` are two). Those that are not chosen change nothing.
        missing: ``drop`` leaves out the rows that lack a value in a column of x, z or the groups,
            ``refuse`` raises BadInput for them. None: ``drop`` in a table, ``refuse`` in arrays
            (.npz, .npy).
        lag: Row i of x is paired with row i + lag of z, of rows in time order. What is given is
            row i's own: with z given, it is z's past (transfer entropy).
        separator: Between the cells of a text file: a character, or ``tab``. None: recognised.
        decimal: ``.`` or ``,`` in a text file. None: recognised.
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
        given: Names = None,
        categorical: Names = (),
        missing: str | None = None,
        lag: int = 0,
        separator: str | None = None,
        decimal: str | None = None,
        group_column: str | None = None,
        test_path: str | Path | Sequence[str | Path] | None = None,
        seed: int = 0,
    ) -> None:
        self.path, self.x, self.z, self.given = path, _names(x), _names(z), _names(given) or []
        self.missing, self.lag = missing, lag
        self.separator, self.decimal = separator, decimal
        self.categorical = _names(categorical) or []
        self.group_column = group_column
        self.test_path, self.seed = test_path, seed
        self._rows: Rows | None = None
        self._labelled: Labelled | None = None
        self._observations: Observations | None = None

    @property
    def files(self) -> list[Path]:
        """Returns the files that are read."""
        tested = [] if self.test_path is None else files_of(self.test_path)
        return [*files_of(self.path), *tested]

    def rows(self) -> Rows:
        """Reads and checks the file once; raises BadInput with every fault found."""
        if self._rows is None:
            table = self._opened(self.path)
            x, z = self._chosen(table)
            self._rows = _rows(self._read(table, x, z, given=self.given), self.categorical)
        return self._rows

    def labelled(self) -> Labelled:
        """Reads and checks the files once as features x and labels z, which are classes anyway."""
        if self._labelled is None:
            table = self._opened(self.path)
            x, z = self._chosen(table)
            if len(z) != 1:
                told = f"dataset.z={listed(z)}: several columns"
                raise BadInput(f"{told}: want the one that holds labels")
            train = self._read(table, x, z, labels=True)
            test = None if self.test_path is None else self._read(self._tests(train), x, z, True)
            self._labelled = labelled_from(train, self.categorical, test, self.seed)
        return self._labelled

    def observations(self) -> Observations:
        """Reads and checks the file once as columns that are screened one by one.

        `x` and `z` may hold patterns; without z every pair of x is meant, without x every column
        but the one that is given.
        """
        if self._observations is None:
            table = self._opened(self.path)
            once = [n for n in dict.fromkeys(table.names) if n and table.names.count(n) == 1]
            twice = sorted({n for n in table.names if n and n not in once})
            w = third(once, self.given, self.x, self.z, table.where)
            given = [] if w is None else [w]
            others = [name for name in once if name != w]
            x, z = choose(others, self.x, self.z, table.where)
            absent = [name for name in self.categorical if name not in table.names]
            refuse(
                f"dataset.categorical={name}: not there: {table.where} has {listed(table.names)}"
                for name in absent
            )
            found = table.load([*x, *z, *given], self.categorical)
            drop = self.missing != "refuse"
            self._observations = observations(
                {name: found[name] for name in (*x, *z, *given)},
                z, self.categorical, table.where, drop, [n for n in twice if self.x is None], w,
            )  # fmt: skip
        return self._observations

    def _opened(self, path: str | Path | Sequence[str | Path], key: str = "dataset.path") -> Table:
        return open_table(path, key, self.separator, self.decimal)

    def _tests(self, train: Sheet) -> Table:
        """Opens the test file; raises BadInput where it lacks columns."""
        assert self.test_path is not None
        table = self._opened(self.test_path, "dataset.test_path")
        missing = [name for name in (*train.x, *train.z) if name not in table.names]
        if missing:
            raise BadInput(
                f"dataset.test_path={table.where}: no {listed(missing)} there, but "
                f"{listed(table.names)}: want the columns of {train.where}"
            )
        return table

    def _read(
        self,
        table: Table,
        x: Sequence[str],
        z: Sequence[str],
        labels: bool = False,
        given: Sequence[str] = (),
    ) -> Sheet:
        groups = [] if labels or self.group_column is None else [self.group_column]
        wanted = dict.fromkeys([*x, *z, *given])
        text = [*self.categorical, *(z if labels else ()), *(g for g in groups if g not in wanted)]
        found = table.load(list(wanted | dict.fromkeys(groups)), text)
        sheet = Sheet(
            table.where,
            {name: found[name] for name in x},
            {name: found[name] for name in z},
            found[groups[0]] if groups else None,
            {name: found[name] for name in given},
            table.place,
        )
        drop = table.gaps if self.missing is None else self.missing == "drop"
        return sheet.lagged(self.lag).complete(drop)

    def _chosen(self, table: Table) -> tuple[list[str], list[str]]:
        """Returns the names that make x and z; raises BadInput with every fault in the choice."""
        there = f"{table.where} has {listed(table.names)}"
        if table.gaps and table.names and all(map(is_number, table.names)):
            there += ", which are numbers (are they the names of the columns?)"
        want = f"{there}: want one or a list of these"
        faults = []
        for key, given in (("x", self.x), ("z", self.z)):
            names = [key] if given is None else given
            unknown = [name for name in names if name not in table.names]
            if given is None and unknown:
                faults.append(f"dataset.{key} is not set: {want}")
            elif given is not None and not table.named:
                faults.append(
                    f"dataset.{key}={given}: a pair of .npy files has no names: want null"
                )
            elif unknown:
                told = [f"{name}: {hint}" for name in unknown if (hint := _misread(name, table))]
                faults += [f"dataset.{key}={line}" for line in told] or [
                    f"dataset.{key}={listed(unknown)}: not there: {there}"
                ]
            elif not names:
                faults.append(f"dataset.{key}=[]: {want}")
            elif len(set(names)) < len(names):
                faults.append(f"dataset.{key}={listed(names)}: a name twice: want each once")
        x, z = (["x"] if self.x is None else self.x), (["z"] if self.z is None else self.z)
        both = [name for name in x if name in z]
        if both:
            faults.append(f"dataset.x and dataset.z share {listed(both)}: want it in one of them")
        faults += self._given_faults(table, x, z, there)
        absent = [name for name in self.categorical if name not in (*table.names, *x, *z)]
        if absent:
            faults.append(f"dataset.categorical={listed(absent)}: not there: {there}")
        group = self.group_column
        if group is not None and not (table.named and group in table.names):
            faults.append(f"split=groups:{group}: not there: {there}")
        refuse(faults)
        return x, z

    def _given_faults(
        self, table: Table, x: Sequence[str], z: Sequence[str], there: str
    ) -> Iterator[str]:
        """Yields what is wrong with the choice of what is given."""
        given = self.given
        if given and not table.named:
            yield f"dataset.given={listed(given)}: a pair of .npy files has no names: want null"
            return
        if unknown := [name for name in given if name not in table.names]:
            yield f"dataset.given={listed(unknown)}: not there: {there}"
        if len(set(given)) < len(given):
            yield f"dataset.given={listed(given)}: a name twice: want each once"
        # Of another row, z is another variable: its own past.
        for key, names in (("x", x), ("z", [] if self.lag else z)):
            if shared := [name for name in given if name in names]:
                told = f"dataset.given and dataset.{key} share {listed(shared)}"
                yield f"{told}: want it in one of them"


class InMemory:
    """Holds rows that are in memory already, checked; made by `from_memory`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def rows(self) -> Rows:
        return self._rows

    @property
    def content(self) -> str:
        """Returns a SHA-256 of the numbers, for the run's fingerprint."""
        digest = hashlib.sha256()
        given = [] if self._rows.given is None else [self._rows.given]
        for side in (self._rows.x, self._rows.z, *given):
            digest.update(f"{tuple(side.shape)}".encode())
            digest.update(side.contiguous().numpy().tobytes())
        return digest.hexdigest()


class Frame:
    """Holds columns that are in memory already, to be screened; made by `frame_of`."""

    def __init__(self, found: Observations) -> None:
        self._observations = found

    def observations(self) -> Observations:
        return self._observations

    @property
    def content(self) -> str:
        """Returns a SHA-256 of the numbers, for the run's fingerprint."""
        digest = hashlib.sha256()
        for column in self._observations.columns:
            digest.update(f"{column.name}: {column.classes}".encode())
            digest.update(column.values.tobytes())
        if self._observations.given is not None:
            digest.update(f"given: {self._observations.given}".encode())
        return digest.hexdigest()


def frame_of(
    frame: object,
    x: Sequence[str] | None = None,
    z: Sequence[str] = (),
    categorical: Sequence[str] = (),
    missing: str | None = None,
    given: Sequence[str] = (),
) -> Frame:
    """Takes a table that is in memory, or a mapping of arrays, as columns to be screened.

    Arguments:
        frame: A DataFrame of pandas or polars, a Dataset of xarray, an array [n, d], or a mapping
            of names to arrays [n] or [n, d].
        x, z, categorical, missing, given: As of `Arrays.observations`.
    """
    arrays: Columns = {}
    parts = frame.items() if isinstance(frame, Mapping) and not is_table(frame) else [("x", frame)]
    for name, values in parts:
        try:
            found = columns_of(str(name), values)
        except ValueError as fault:
            raise BadInput(f"frame: {fault}") from fault
        twice = [key for key in found if key in arrays]
        refuse(f"frame: {key} twice: want each name once" for key in twice)
        arrays |= found
    if not arrays:
        raise BadInput("frame: no columns: want at least two")
    arrays = {n: part for name, array in arrays.items() for n, part in flat(name, array).items()}
    refuse(
        f"categorical={name}: not there: the frame has {listed(list(arrays))}"
        for name in categorical
        if name not in arrays
    )
    w = third(list(arrays), given, x, z, "frame")
    chosen, outcomes = choose([name for name in arrays if name != w], x, z, "frame")
    kept = {name: arrays[name] for name in (*chosen, *outcomes, *([] if w is None else [w]))}
    drop = missing != "refuse"
    return Frame(observations(kept, outcomes, categorical, "frame", drop, given=w))


def from_memory(
    x: object,
    z: object,
    categorical: Sequence[str] = (),
    groups: object = None,
    missing: str | None = None,
    lag: int = 0,
    given: object = None,
    fewest: int = MIN_ROWS,
) -> InMemory:
    """Takes arrays, tensors and tables as x and z, with a file's checks.

    Arguments:
        x: [n] or [n, ...]: NumPy, torch, xarray, a Series or DataFrame of pandas or polars, or
            what becomes an array. Text is classes.
        z: [n] or [n, ...].
        categorical: ``x``, ``z``, ``given``, or columns of these, whose numbers are classes too.
        groups: Labels, [n], of rows that belong together in a split.
        missing: As of `Arrays`; None: ``drop`` where one of them is a table, else ``refuse``.
        lag: As of `Arrays`.
        given: w, [n] or [n, columns], as x: the information of x and z is that given w.
        fewest: So many rows have to be there.

    What has an index must have the same: rows are paired by position.
    """
    beside = {"given": given, "groups": groups}
    handed = {"x": x, "z": z, **{k: v for k, v in beside.items() if v is not None}}
    faults = [*unlike_indexes(handed)]
    found: dict[str, Columns] = {}
    for name, values in handed.items():
        try:
            found[name] = columns_of(name, values)
        except ValueError as fault:
            faults.append(f"{name}: {fault}")
    refuse(faults)
    labels = found.pop("groups", {})
    sides = [name for name in ("x", "z", "given") if name in found]
    names = {*sides}.union(*found.values())
    want = " or ".join(sides)
    refuse(f"categorical={name}: want {want}" for name in categorical if name not in names)
    label = next(iter(labels.values()), None)
    sheet = Sheet("", found["x"], found["z"], label, found.get("given", {}))
    drop = any(map(is_table, (x, z, given))) if missing is None else missing == "drop"
    classes = {c for side in found for c in found[side] if side in categorical or c in categorical}
    return InMemory(_rows(sheet.lagged(lag).complete(drop), classes, fewest))


def _rows(sheet: Sheet, categorical: Collection[str], fewest: int = MIN_ROWS) -> Rows:
    faults = sheet.faults(fewest)
    x, z, w = (variable(sheet, side, categorical) for side in (sheet.x, sheet.z, sheet.given))
    for side in (x, z, w) if sheet.given else (x, z):
        faults += [*side.faults, *side.constant]
    for name, side in (("x", x), ("given", w)) if sheet.given else ():
        if side.values.dim() != 2:
            shape = list(side.values.shape[1:])
            faults.append(
                f"{sheet.prefix}{name}: rows of shape {shape}: want columns beside given"
            )
    refuse(faults)
    return Rows(
        x.values,
        z.values,
        true_mi_note="not known for data of your own",
        x_categorical=x.categorical,
        z_categorical=z.categorical,
        groups=None if sheet.groups is None else group_labels(sheet.groups),
        warnings=[
            *x.warnings,
            *z.warnings,
            *w.warnings,
            *twins(x, z),
            *twins(w, z, "what is given"),
        ],
        x_names=x.names,
        z_names=z.names,
        kept=torch.from_numpy(sheet.kept) if sheet.gaps and sheet.kept is not None else None,
        read=sheet.read,
        gaps=sheet.gaps,
        given=w.values if sheet.given else None,
        given_categorical=w.categorical,
        codings={"x": Coding.of(sheet.x, x), "z": Coding.of(sheet.z, z)},
    )


def _misread(name: str, table: Table) -> str:
    """Says that a name was read as a number, where it is that of a column that writes it."""
    if not is_number(name):
        return ""
    alike = [n for n in table.names if is_number(n) and float(n) == float(name)]
    if not alike:
        return ""
    return f"""read as the number {name}: want it quoted twice, '"{alike[0]}"'"""


def _names(names: Names) -> list[str] | None:
    if names is None or isinstance(names, str | int | float):
        return None if names is None else [str(names)]
    return [str(name) for name in names]
