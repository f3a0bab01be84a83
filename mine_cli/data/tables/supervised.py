"""From a user's columns to features and labels, coded alike in training and test rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from mine_cli.data.labelled import Labelled
from mine_cli.data.split import Standardise, found_among, identical_rows, two_way
from mine_cli.data.tables.classes import class_names, classes, numbered
from mine_cli.data.tables.columns import MIN_ROWS, Variable, lengths, unusable, variable
from mine_cli.data.tables.table import Array, Table, listed
from mine_cli.errors import BadInput

__all__ = ["Sheet", "labelled_from", "read_sheet"]

# Of the rows, where no test file is given.
TEST_SHARE = 0.1


@dataclass
class Sheet:
    """The columns of one file.

    Arguments:
        where: The file, for messages.
        x: The features by name, numbers or (those that hold classes) text.
        name: The name of the labels.
        labels: The labels, numbers or text.
    """

    where: str
    x: Mapping[str, Array]
    name: str
    labels: Array


@dataclass
class Coded:
    """Rows of a file as features, the number of each row's class, and what these stand for."""

    x: Variable
    y: Tensor
    classes: Array


def read_sheet(
    table: Table, x: Sequence[str], z: Sequence[str], categorical: Collection[str]
) -> Sheet:
    """Read the features x and the labels z."""
    if len(z) != 1:
        raise BadInput(f"dataset.z={listed(z)}: several columns: want the one that holds labels")
    numbers = [name for name in x if name not in categorical]
    found = table.load(numbers, [name for name in (*x, *z) if name not in numbers])
    return Sheet(table.where, {name: found[name] for name in x}, z[0], found[z[0]])


def labelled_from(
    sheet: Sheet, categorical: Collection[str], test: Sheet | None = None, seed: int = 0
) -> Labelled:
    """Make training and test rows of one file or two.

    Features are brought to mean 0 and variance 1, as measured on the training rows.

    Arguments:
        sheet: The rows that train; without `test`, all rows.
        categorical: Names of the features that hold classes.
        test: The rows that test. None: a random tenth of `sheet`, no row of which is identical to
            a row that trains.
        seed: Draws that tenth.
    """
    known = _coded(sheet, categorical)
    names, warnings = class_names(known.classes.tolist()), list(known.x.warnings)
    if test is None:
        values, y = known.x.values, known.y
        generator = Generator().manual_seed(seed)
        train, held_out = two_way(len(y), TEST_SHARE, identical_rows(values), generator)
        parts = values[train], y[train], values[held_out], y[held_out]
        warnings += _untrained(sheet, names, y[train])
    else:
        parts = known.x.values, known.y, *_coded_alike(test, categorical, sheet, known)
    x, y, test_x, test_y = parts
    scale = Standardise.fit(x, known.x.categorical)
    return Labelled(scale(x), y, scale(test_x), test_y, len(names), names, warnings=warnings)


def _coded(sheet: Sheet, categorical: Collection[str]) -> Coded:
    """Code the rows that train; raise BadInput with every fault in them."""
    where = f"{sheet.where}: "
    faults = _unfit_lengths(sheet, MIN_ROWS)
    x = variable(where, sheet.x, categorical, constants=True)
    faults += x.faults
    if not faults and (x.values == x.values[0]).all():
        faults.append(f"{where}{listed(x.names)}: the same in every row: want features that vary")
    unfit = _unfit_labels(sheet)
    if unfit:
        raise BadInput(*faults, *unfit)
    found, index, fault = classes(sheet.labels.reshape(-1))
    if len(found) == 1:
        (only,) = class_names(found.tolist())
        fault = f"the label {only} in every row: want at least two classes"
    if fault:
        faults.append(f"{where}{sheet.name}: {fault}")
    if faults:
        raise BadInput(*faults)
    return Coded(x, torch.from_numpy(index), found)


def _coded_alike(
    sheet: Sheet, categorical: Collection[str], train: Sheet, known: Coded
) -> tuple[Tensor, Tensor]:
    """Code the rows of a test file as those that train; raise BadInput with every fault."""
    given, where = f"dataset.test_path={sheet.where}: ", f"{sheet.where}: "
    faults = [*_unfit_lengths(sheet, 1), *_unfit_labels(sheet), *_other_shapes(sheet, train)]
    if faults:
        raise BadInput(*faults)
    x = variable(where, sheet.x, categorical, constants=True, like=known.x)
    y, unknown = numbered(sheet.labels.reshape(-1), known.classes)
    faults += x.faults
    if unknown:
        faults.append(
            f"{given}{sheet.name} has labels that {train.where} does not have: {listed(unknown)}: "
            "want the same classes"
        )
    if not x.faults:
        faults += [given + fault for fault in _shared(x.values, known.x.values, train.where)]
    if faults:
        raise BadInput(*faults)
    return x.values, torch.from_numpy(y)


def _unfit_lengths(sheet: Sheet, fewest: int) -> list[str]:
    """Say what is wrong with the numbers of rows; raise BadInput where there is no value."""
    columns = {**sheet.x, sheet.name: sheet.labels}
    faults = lengths(f"{sheet.where}: ", columns, fewest=fewest)
    if any(array.size == 0 for array in columns.values()):
        raise BadInput(*faults or [f"{sheet.where}: no columns: want at least one in x and in z"])
    return faults


def _unfit_labels(sheet: Sheet) -> list[str]:
    """Say why a column cannot be labels."""
    labels = sheet.labels
    fault = unusable(labels, categorical=True, alone=True)
    if not fault and labels.size != len(labels):
        fault = f"shape {list(labels.shape)}: want one label a row"
    return [f"{sheet.where}: {sheet.name}: {fault}"] if fault else []


def _other_shapes(sheet: Sheet, train: Sheet) -> list[str]:
    """Say which features have rows of another shape than those that train."""
    faults = []
    for name, array in sheet.x.items():
        shape, wanted = (list(a.shape[1:]) or [1] for a in (array, train.x[name]))
        if shape != wanted:
            faults.append(
                f"dataset.test_path={sheet.where}: {name} has rows of shape {shape}, in "
                f"{train.where} of shape {wanted}: want the same"
            )
    return faults


def _shared(x: Tensor, train_x: Tensor, where: str) -> list[str]:
    """Say how many test rows are training rows."""
    shared = found_among(x, train_x)
    if not shared.any():
        return []
    first = int(shared.nonzero()[0]) + 1
    return [
        f"{int(shared.sum())} of its rows are among the training rows ({where}), the first of "
        f"them row {first}: want rows that were not trained on"
    ]


def _untrained(sheet: Sheet, names: Sequence[str], y: Tensor) -> list[str]:
    """Warn of classes all of whose rows test."""
    counts = y.bincount(minlength=len(names)).tolist()
    absent = [name for name, count in zip(names, counts, strict=True) if not count]
    if not absent:
        return []
    return [f"{sheet.where}: {sheet.name}: no row with the label {listed(absent)} trains"]
