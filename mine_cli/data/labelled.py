"""Inputs with labels, in a training and a test part: what supervised tasks train and report on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from mine_cli.data.margins import Standardise
from mine_cli.data.split import found_among
from mine_cli.errors import BadInput, refuse

__all__ = ["Labelled", "Supervised", "labelled_data", "overlap"]


@dataclass
class Labelled:
    """Holds inputs and their labels; row i of `x` belongs to row i of `y`.

    Arguments:
        x: Inputs that train, [n, ...], float32.
        y: Their labels, [n], int64, in [0, num_classes).
        test_x: Inputs that nothing is trained on or chosen by, [m, ...], float32.
        test_y: Their labels, [m].
        num_classes: Number of classes.
        names: Names of the classes, where they have any.
        bounds: Least and largest value that an input can have, where there are such.
        scale: What was done to the inputs as the user has them; None: nothing.
        outliers: Inputs of another kind, [k, ...], which a classifier is to be unsure of; None:
            there are none.
        warnings: One line each: what the user should know about these data.
        read: How many rows were read, those with gaps among them; None: as many as there are.
        gaps: How many rows lacked a value, for each column in which any did.
    """

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor
    num_classes: int
    names: list[str] = field(default_factory=list)
    bounds: tuple[float, float] | None = None
    scale: Standardise | None = None
    outliers: Tensor | None = None
    warnings: list[str] = field(default_factory=list)
    read: int | None = None
    gaps: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse(f"dataset: {fault}" for fault in self._faults())

    def __len__(self) -> int:
        return len(self.x) + len(self.test_x)

    def _faults(self) -> Iterator[str]:
        if self.num_classes < 2:
            yield f"num_classes={self.num_classes}: want at least 2 classes"
        if self.names and len(self.names) != self.num_classes:
            yield f"{len(self.names)} names for num_classes={self.num_classes}: want one a class"
        if self.x.shape[1:] != self.test_x.shape[1:]:
            rows, others = list(self.x.shape[1:]), list(self.test_x.shape[1:])
            yield f"test_x has rows of shape {others}, x of shape {rows}: want the same"
        if self.outliers is not None:
            rows, others = list(self.x.shape[1:]), list(self.outliers.shape[1:])
            if rows != others:
                yield f"outliers has rows of shape {others}, x of shape {rows}: want the same"
            yield from _faults_of_inputs("outliers", self.outliers, self.bounds)
        for x_name, x, y_name, y in (
            ("x", self.x, "y", self.y),
            ("test_x", self.test_x, "test_y", self.test_y),
        ):
            if len(x) != len(y):
                yield f"{x_name} has {len(x)} rows, {y_name} has {len(y)}: want as many in each"
            elif not len(x):
                yield f"{x_name} has no rows: want at least one"
            else:
                yield from _faults_of_inputs(x_name, x, self.bounds)
                yield from _faults_of_labels(y_name, y, self.num_classes)


def _faults_of_inputs(name: str, x: Tensor, bounds: tuple[float, float] | None) -> Iterator[str]:
    if x.dtype != torch.float32:
        yield f"{name} holds {_type(x)}: want float32"
        return
    bad = ~x.isfinite().flatten(1).all(1) if x.dim() > 1 else ~x.isfinite()
    if bad.any():
        yield f"{name}: NaN or infinite in {_rows(bad)}: want numbers"
    elif bounds is not None and (x.min() < bounds[0] or x.max() > bounds[1]):
        reach = f"[{float(x.min()):g}, {float(x.max()):g}]"
        yield f"{name}: values in {reach}: want them within bounds={bounds}"


def _faults_of_labels(name: str, y: Tensor, num_classes: int) -> Iterator[str]:
    if y.dim() != 1 or y.dtype != torch.int64:
        yield f"{name} has shape {list(y.shape)} and holds {_type(y)}: want [n] of int64"
        return
    bad = (y < 0) | (y >= num_classes)
    if bad.any():
        found = ", ".join(map(str, y[bad].unique()[:5].tolist()))
        yield (
            f"{name}: labels outside 0 to {num_classes - 1} ({found}) in {_rows(bad)}: "
            f"want each below num_classes={num_classes}"
        )


def _rows(bad: Tensor) -> str:
    """Names the first of the marked rows, counted from 1, and how many others there are."""
    first = int(bad.nonzero()[0]) + 1
    others = int(bad.sum()) - 1
    return f"row {first} and {others} more" if others else f"row {first}"


def _type(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")


def overlap(train_x: Tensor, test_x: Tensor) -> int:
    """Counts the test rows that are identical, in all features, to a training row."""
    return int(found_among(test_x, train_x).sum())


def labelled_data(dataset: object) -> Labelled:
    """Returns what a data set gives a supervised task; raises BadInput where that is nothing."""
    kind = type(dataset).__name__
    if not isinstance(dataset, Supervised):
        raise BadInput(f"dataset: {kind} has no labelled(): want data with labels and a test part")
    found = dataset.labelled()
    if not isinstance(found, Labelled):
        raise BadInput(
            f"dataset: {kind}.labelled() gave {type(found).__name__}: want data.labelled.Labelled"
        )
    return found


@runtime_checkable
class Supervised(Protocol):
    """Returns inputs with labels, in a training and a test part, the same at each call."""

    def labelled(self) -> "Labelled": ...
