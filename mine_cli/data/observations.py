"""The columns of a table one by one: numbers or classes with their gaps, chosen by patterns."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from mine_cli.data.tables import Array, Columns
from mine_cli.data.tables.classes import MOST_CLASSES, MOST_UNNAMED, class_names, classes
from mine_cli.data.tables.columns import MIN_ROWS, gaps_of, unusable
from mine_cli.data.tables.table import listed
from mine_cli.errors import BadInput, refuse

__all__ = ["Column", "Observations", "Tabular", "choose", "observations", "third"]

MOST_PAIRS = 200_000
SEVERAL = "several columns: task=screen takes one; task=mi-estimate takes several"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Arguments:
        name: Its own.
        values: Numbers, or those of classes, [n] float64; NaN where missing.
        classes: The names of the classes; empty for numbers.
        fault: Why it cannot be used, or nothing.
    """

    name: str
    values: Array
    classes: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Observations:
    """The columns of one table, and the pairs of them that are asked for.

    Arguments:
        columns: All of them, of as many rows each.
        z: The names of the outcomes; empty where every pair of columns is asked for.
        twice: Names that several columns of the table have, which were left out.
        given: The name of column w, given which all others are screened; None: plainly.
    """

    columns: list[Column]
    z: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    given: str | None = None

    def __len__(self) -> int:
        return len(self.columns[0].values)

    @property
    def unfit(self) -> list[Column]:
        """Returns the columns that cannot be used."""
        return [column for column in self.columns if column.fault]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Returns the pairs of usable columns, by their numbers: x and z; what is given is in
        none."""
        fit = [i for i, c in enumerate(self.columns) if not c.fault and c.name != self.given]
        if self.z:
            outcomes = [i for i in fit if self.columns[i].name in self.z]
            return [(i, j) for j in outcomes for i in fit if i not in outcomes]
        return [(i, j) for place, i in enumerate(fit) for j in fit[place + 1 :]]

    @property
    def w(self) -> int | None:
        """Returns the number of the column that is given."""
        names = [column.name for column in self.columns]
        return None if self.given is None else names.index(self.given)


@runtime_checkable
class Tabular(Protocol):
    """Has columns that can be screened."""

    def observations(self) -> Observations: ...


def choose(
    names: Sequence[str], x: Sequence[str] | None, z: Sequence[str] | None, where: str
) -> tuple[list[str], list[str]]:
    """Returns the names of the columns that x, or all of them, and z stand for.

    In a name that no column has, ``*`` stands for any letters and ``?`` for one. What a pattern of
    x finds of z is left out of x.

    Raises:
        BadInput: for names that are not there, and patterns that match none.
    """
    faults: list[str] = []
    found_z = matched("z", names, z or [], where, faults)
    found_x = [n for n in names if n not in found_z]
    if x is not None:
        both = [name for name in x if name in found_z]
        if both:
            faults.append(f"dataset.x and dataset.z share {listed(both)}: want it in one of them")
        found_x = [n for n in matched("x", names, x, where, faults) if n not in found_z]
    refuse(faults)
    if len(found_x) + len(found_z) < 2 or not found_x:
        shown = listed([*found_x, *found_z])
        raise BadInput(f"{where}: one column, {shown}: want at least two to screen")
    return found_x, found_z


def third(
    names: Sequence[str],
    given: Sequence[str],
    x: Sequence[str] | None,
    z: Sequence[str] | None,
    where: str,
) -> str | None:
    """Returns the name of the column that is given, which patterns of x and z then leave out.

    Raises:
        BadInput: for one that is not there, that x or z name, or for several.
    """
    faults: list[str] = []
    found = matched("given", names, given, where, faults)
    for key, others in (("x", x), ("z", z)):
        if both := [name for name in found if name in (others or [])]:
            told = f"dataset.given and dataset.{key} share {listed(both)}"
            faults.append(f"{told}: want it in one of them")
    if len(found) > 1:
        faults.append(f"dataset.given={listed(found)}: {SEVERAL}")
    refuse(faults)
    return found[0] if found else None


def matched(
    side: str, names: Sequence[str], given: Sequence[str], where: str, faults: list[str]
) -> list[str]:
    """Returns the columns that names and patterns stand for; adds to faults where none is."""
    found: dict[str, None] = {}
    for name in given:
        pattern = re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")
        these = [name] if name in names else [n for n in names if re.fullmatch(pattern, n)]
        if not these:
            how = "matches no column" if "*" in name or "?" in name else "not there"
            faults.append(f"dataset.{side}={name}: {how}: {where} has {listed(names)}")
        found |= dict.fromkeys(these)
    return list(found)


def observations(
    arrays: Mapping[str, Array],
    z: Sequence[str],
    categorical: Collection[str],
    where: str,
    drop: bool = True,
    twice: Sequence[str] = (),
    given: str | None = None,
) -> Observations:
    """Returns columns ready to be screened; two-dimensional arrays are columns side by side.

    Arguments:
        arrays: [n] or [n, d] by name; what is masked, or NaN, is missing.
        z: Names in `arrays` of the outcomes.
        categorical: Names of numbers that are classes.
        where: What the messages begin with.
        drop: Whether gaps are left out pair by pair; else BadInput is raised for them.
        twice: Of `Observations`.
        given: Name in `arrays` of the column that is given.

    Raises:
        BadInput: for unequal or too few rows, an outcome or what is given that cannot be used,
            fewer than two columns that can, more pairs than 200,000.
    """
    check_rows(arrays, where)
    if not drop:
        refuse(
            f"{where}: {name}: missing in {int(gaps.sum())} rows: want a value in every row, or "
            "dataset.missing=drop"
            for name, array in arrays.items()
            if (gaps := gaps_of(array, nan=True)).any()
        )
    columns, outcomes, w = [], [], None
    for name, array in arrays.items():
        parts = flat(name, array)
        outcomes += list(parts) if name in z else []
        columns += [column_of(n, part, name in categorical) for n, part in parts.items()]
        if name == given:
            w, *others = parts
            refuse(f"dataset.given={name}: {SEVERAL}" for _ in others[:1])
    found = Observations(columns, outcomes, list(twice), w)
    named = [*outcomes, w]
    refuse(
        f"{where}: {c.name}: {c.fault}; want another column in its place"
        for c in columns
        if c.name in named and c.fault
    )
    check_pairs(found, where)
    return found


def check_rows(arrays: Mapping[str, Array], where: str) -> None:
    """Raises BadInput unless all have as many rows, and enough."""
    rows = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(rows.values())) > 1:
        told = listed([f"{name} has {n}" for name, n in rows.items()])
        raise BadInput(f"{where}: rows: {told}: want as many in each")
    n = min(rows.values())
    if n < MIN_ROWS:
        raise BadInput(f"{where}: {n} rows: want at least {MIN_ROWS}")


def check_pairs(found: Observations, where: str) -> None:
    """Raises BadInput where there is no pair, or more than anyone waits for."""
    count = len(found.pairs)
    if not count:
        told = listed([f"{column.name}: {column.fault}" for column in found.unfit], 5)
        raise BadInput(f"{where}: fewer than two columns can be used; {told}")
    if count > MOST_PAIRS:
        raise BadInput(
            f"{where}: {count:,} pairs of columns: want at most {MOST_PAIRS:,}; name one in "
            "dataset.z, or some in dataset.x, such as dataset.x=[gene_*]"
        )


def flat(name: str, array: Array) -> Columns:
    """Returns an array [n] or [n, d] as columns [n]; of more dimensions as it is."""
    if array.ndim != 2:
        return {name: array}
    if array.shape[1] == 1:
        return {name: array[:, 0]}
    return {f"{name}[{i}]": array[:, i] for i in range(array.shape[1])}


def column_of(name: str, array: Array, categorical: bool) -> Column:
    """Returns one column [n]: text, and numbers in `categorical`, are classes."""
    coded = categorical or array.dtype.kind in "US"
    if fault := unusable(array, coded, alone=False):
        return Column(name, np.empty(len(array)), fault=fault.partition(":")[0])
    gaps = gaps_of(array, nan=True)
    there = np.asarray(array)[~gaps]
    values = np.full(len(array), np.nan)
    if len(there) < MIN_ROWS:
        return Column(name, values, fault=f"{len(there)} values, fewer than {MIN_ROWS}")
    if coded:
        found, index, fault = classes(there, MOST_CLASSES if categorical else MOST_UNNAMED)
        fault = fault or ("the same class in every row" if len(found) == 1 else "")
        values[~gaps] = index
        return Column(name, values, () if fault else tuple(class_names(found)), fault)
    values[~gaps] = there
    return Column(name, values, fault=fault_of(values[~gaps]))


def fault_of(numbers: Array) -> str:
    """Says why numbers cannot be used, or nothing."""
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        return f"infinite in {infinite} rows"
    return "the same value in every row" if numbers.min() == numbers.max() else ""
