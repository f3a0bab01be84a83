"""Columns as cells: each value by the number of its class, or of the quantiles it lies between."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mine_cli.data.observations import Column

__all__ = ["CELLS", "Cells", "Crossed", "cells_of", "crossed"]

CELLS = 64  # of a column of numbers: log 64 = 4.2 nats are the most that it can tell
ROWS_A_CELL = 4  # of those that the cells are fitted on
WITHIN = 0.25  # over the number of cells: the share of a normal variance within equal ones


@dataclass(frozen=True)
class Cells:
    """One column, as a fold sees it.

    Arguments:
        codes: the cell of each row ``[n]``, a whole number; -1 where its value is missing.
        centres: what a network sees of each cell ``[cells, d]``, float32: the normal score of its
            middle rank, or the one-hot code of a class.
        ordered: whether the cells are numbers in ascending order.
        cut: whether a cell holds several numbers.
    """

    codes: Tensor
    centres: Tensor
    ordered: bool
    cut: bool

    def __len__(self) -> int:
        return len(self.centres)

    @property
    def numbers(self) -> bool:
        """Whether a network has anything to smooth over."""
        return self.ordered

    @property
    def within(self) -> float:
        """The share of a normal variance that lies within the cells."""
        return WITHIN / len(self) if self.cut else 0.0

    def merged(self, most: int) -> Tensor:
        """Numbers each cell ``[cells]`` by the larger one that it is part of, at most so many;
        classes stay what they are."""
        every = torch.arange(len(self))
        return every if not self.ordered or len(self) <= most else every * most // len(self)


@dataclass(frozen=True)
class Crossed(Cells):
    """Column x beside column w, which is given: a cell for each pair of theirs, w the faster."""

    x: Cells
    w: Cells

    @property
    def numbers(self) -> bool:
        return self.x.ordered or self.w.ordered

    @property
    def within(self) -> float:
        return self.x.within + self.w.within

    def merged(self, most: int) -> Tensor:
        """Numbers each cell by the pair of larger ones, at most so many of either column."""
        x, w = self.x.merged(most), self.w.merged(most)
        return (x[:, None] * (w[-1] + 1) + w).flatten()


def crossed(x: Cells, w: Cells) -> Crossed:
    """Returns two columns as one; a row is missing where either is."""
    there = (x.codes >= 0) & (w.codes >= 0)
    codes = torch.where(there, x.codes.int() * len(w) + w.codes, -1)
    centres = torch.cat([x.centres.repeat_interleave(len(w), 0), w.centres.repeat(len(x), 1)], 1)
    return Crossed(codes, centres, x.ordered and w.ordered, x.cut and w.cut, x, w)


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
    scores = torch.special.ndtri(torch.from_numpy(shares.clip(1e-6, 1 - 1e-6)))
    centres = torch.eye(size) if column.classes else scores[:, None]
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
