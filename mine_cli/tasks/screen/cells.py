"""Columns as cells: each value by the number of its class, or of the quantiles it lies between."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mine_cli.data.observations import Column

__all__ = ["CELLS", "Cells", "cells_of"]

CELLS = 64  # of a column of numbers: log 64 = 4.2 nats are the most that it can tell
ROWS_A_CELL = 4  # of those that the cells are fitted on


@dataclass(frozen=True)
class Cells:
    """One column, as a fold sees it.

    Arguments:
        codes: the cell of each row ``[n]``, int16; -1 where its value is missing.
        centres: the normal score of each cell's middle rank ``[cells]``, float32; of classes too,
            which have no order.
        ordered: whether the cells are numbers in ascending order.
        cut: whether a cell holds several numbers.
    """

    codes: Tensor
    centres: Tensor
    ordered: bool
    cut: bool

    def __len__(self) -> int:
        return len(self.centres)

    def merged(self, most: int) -> Tensor:
        """Numbers each cell ``[cells]`` by the larger one that it is part of, at most so many;
        classes stay what they are."""
        every = torch.arange(len(self))
        return every if not self.ordered or len(self) <= most else every * most // len(self)


def cells_of(column: Column, fitted: Tensor) -> Cells:
    """Returns a column's cells, whose edges are fitted on the rows `fitted` ``[m]`` alone.

    A class is a cell. So is a number, where there are few; else cells hold as many rows each.
    """
    values = column.values
    there = ~np.isnan(values)
    known = values[fitted.numpy()]
    known = known[~np.isnan(known)]
    if column.classes:
        edges, size = np.arange(1, len(column.classes)), len(column.classes)
    else:
        edges = edges_of(known)
        size = len(edges) + 1
    codes = np.where(there, np.searchsorted(edges, values, side="right"), -1).astype(np.int16)
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=size)
    shares = (np.cumsum(counts) - counts / 2) / max(1, len(known))
    centres = torch.special.ndtri(torch.from_numpy(shares.clip(1e-6, 1 - 1e-6)))
    cut = not column.classes and size < len(np.unique(known))
    return Cells(torch.from_numpy(codes), centres.float(), not column.classes, cut)


def edges_of(known: np.ndarray) -> np.ndarray:
    """Returns the values at which a new cell begins, each in it."""
    different = np.unique(known)
    most = max(2, min(CELLS, len(known) // ROWS_A_CELL))
    if len(different) <= most:
        return different[1:]
    shares = np.arange(1, most) / most
    edges = np.unique(np.quantile(known, shares, method="higher"))
    return edges[edges > different[0]]
