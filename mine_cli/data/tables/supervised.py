"""From a user's columns to features and labels, coded alike in training and test rows."""

from collections import Counter
from collections.abc import Collection

import torch
from torch import Generator, Tensor

from mine_cli.data.labelled import Labelled
from mine_cli.data.margins import Standardise
from mine_cli.data.split import found_among, identical_rows, two_way
from mine_cli.data.tables import Array
from mine_cli.data.tables.classes import class_names, classes, numbered
from mine_cli.data.tables.columns import Sheet, Variable, unusable, variable
from mine_cli.data.tables.table import listed
from mine_cli.errors import refuse

__all__ = ["labelled_from"]

# Of the rows, where no test file is given.
TEST_SHARE = 0.1


def labelled_from(
    sheet: Sheet, categorical: Collection[str], test: Sheet | None = None, seed: int = 0
) -> Labelled:
    """Makes training and test rows of one file or two, whose z is one column of labels.

    Features are brought to mean 0 and variance 1, as measured on the training rows.

    Arguments:
        sheet: The rows that train; without `test`, all rows.
        categorical: Names of the features that hold classes.
        test: The rows that test. None: a random tenth of `sheet`, no row of which is identical to
            a row that trains.
        seed: Draws that tenth.
    """
    known, y, found = _coded(sheet, categorical)
    x, names, warnings = known.values, class_names(found), list(known.warnings)
    if test is None:
        generator = Generator().manual_seed(seed)
        train, held_out = two_way(len(y), TEST_SHARE, identical_rows(x), generator)
        x, y, test_x, test_y = x[train], y[train], x[held_out], y[held_out]
        absent = [name for i, name in enumerate(names) if not (y == i).any()]
        if absent:
            told = f"no row with the label {listed(absent)} trains"
            warnings.append(f"{sheet.prefix}{listed(list(sheet.z))}: {told}")
    else:
        test_x, test_y = _coded_alike(test, categorical, sheet, known, found)
    scale = Standardise.fit(x, known.categorical)
    read = sum(part.read or 0 for part in (sheet, test) if part is not None)
    gaps = Counter(sheet.gaps) + Counter({} if test is None else test.gaps)
    return Labelled(
        scale(x), y, scale(test_x), test_y, len(names), names, scale=scale,
        warnings=warnings, read=read or None, gaps=dict(gaps),
    )  # fmt: skip


def _coded(sheet: Sheet, categorical: Collection[str]) -> tuple[Variable, Tensor, Array]:
    """Returns features, the number of each row's class, and the classes; refuses every fault."""
    faults = sheet.faults()
    x = variable(sheet, sheet.x, categorical)
    faults += x.faults
    if not faults and (x.values == x.values[0]).all():
        same = "the same in every row: want features that vary"
        faults.append(f"{sheet.prefix}{listed(x.names)}: {same}")
    ((name, labels),) = sheet.z.items()
    fault = _unfit(labels)
    if not fault:
        found, index, fault = classes(labels.reshape(-1))
        if len(found) == 1:
            (only,) = class_names(found)
            fault = f"the label {only} in every row: want at least two classes"
    if fault:
        faults.append(f"{sheet.prefix}{name}: {fault}")
    refuse(faults)
    return x, torch.from_numpy(index), found


def _coded_alike(
    sheet: Sheet, categorical: Collection[str], train: Sheet, known: Variable, found: Array
) -> tuple[Tensor, Tensor]:
    """Codes the rows of a test file as those that train; refuses every fault in them."""
    given = f"dataset.test_path={sheet.where}: "
    ((name, labels),) = sheet.z.items()
    faults, fault = sheet.faults(fewest=1), _unfit(labels)
    if fault:
        faults.append(f"{sheet.prefix}{name}: {fault}")
    for feature, array in sheet.x.items():
        shape, wanted = (list(a.shape[1:]) or [1] for a in (array, train.x[feature]))
        if shape != wanted:
            faults.append(
                f"{given}{feature} has rows of shape {shape}, in {train.where} of shape {wanted}: "
                "want the same"
            )
    refuse(faults)
    x = variable(sheet, sheet.x, categorical, known)
    index, unknown = numbered(labels.reshape(-1), found)
    faults += x.faults
    if unknown:
        faults.append(
            f"{given}{name} has labels that {train.where} does not have: {listed(unknown)}: want "
            "the same classes"
        )
    shared = [] if x.faults else found_among(x.values, known.values).nonzero().flatten().tolist()
    if shared:
        faults.append(
            f"{given}{len(shared)} of its rows are among the training rows ({train.where}), the "
            f"first of them row {shared[0] + 1}: want rows that were not trained on"
        )
    refuse(faults)
    return x.values, torch.from_numpy(index)


def _unfit(labels: Array) -> str:
    """Says why a column cannot be labels, or nothing."""
    fault = unusable(labels, categorical=True, alone=True)
    if not fault and labels.size != len(labels):
        fault = f"shape {list(labels.shape)}: want one label a row"
    return fault
