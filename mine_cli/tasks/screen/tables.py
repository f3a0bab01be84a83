"""A pair's critics as tables of scores over its cells, weighed against one another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mine_cli.bounds import DV, log_mean_exp
from mine_cli.estimator.combination import best_weights
from mine_cli.estimator.evaluation import Evaluation, evaluate, random_shifts
from mine_cli.networks.contingency import log_ratios
from mine_cli.networks.elliptical import Elliptical
from mine_cli.networks.interface import Noise, StatisticsNetwork
from mine_cli.tasks.screen.cells import CELLS, Cells

__all__ = [
    "SELECT_ROWS", "Part", "ScoreTable", "combined", "fitted_tables", "held_out", "hidden",
    "over_cells", "reported",
]  # fmt: skip

LEVELS = (8, 16, 32)  # cells of a side, at most, in the tables of counts
ELLIPTICAL_ROWS = 2000  # more make it no better: its few numbers are off by 1 / (2 n) nats
SELECT_ROWS, SELECT_SHIFTS = 2000, 20
REPORT_PAIRS = 200_000
DEEPEST = 7.0  # nats below the log-partition: lower scores add less than 0.001 to E e^T


@dataclass(frozen=True)
class Part:
    """The rows of one pair that a fold may fit on, select by and report: by their cells.

    Arguments:
        x, z: the columns' cells.
        fit, select, report: row numbers, where both values are there.
    """

    x: Cells
    z: Cells
    fit: Tensor
    select: Tensor
    report: Tensor

    def codes(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the cells of x and of z of some rows, ``[m]`` int64 each."""
        return self.x.codes[rows].long(), self.z.codes[rows].long()

    def scores(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the centres of the cells of x and of z of some rows, ``[m, d]`` each."""
        x, z = self.codes(rows)
        return self.x.centres[x], self.z.centres[z]

    @property
    def ordered(self) -> bool:
        """Whether x and z are numbers, which a network or a law can smooth over."""
        return self.x.ordered and self.z.ordered


class ScoreTable(StatisticsNetwork):
    """T of pairs of cells, looked up.

    Arguments:
        scores: T ``[cells of x, cells of z]``.
    """

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = scores

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        return x[:, None], z[:, None]

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return self.scores[a[..., 0], b[..., 0]]


def over_cells(network: StatisticsNetwork, part: Part) -> Tensor:
    """Returns a network's T of every pair of cells, ``[cells of x, cells of z]``."""
    a, b = network.embed(part.x.centres, part.z.centres)
    blocks = [network.head(some[:, None], b[None]) for some in a.split(CELLS)]
    return torch.cat(blocks).float()


@torch.no_grad()
def fitted_tables(part: Part) -> list[Tensor]:
    """Returns the closed forms, fitted on the fit rows: counts at several levels of detail and, of
    numbers, an elliptical law."""
    counts = counts_of(part)
    tables: dict[tuple[int, ...], Tensor] = {}
    for level in LEVELS:
        x, z = part.x.merged(level), part.z.merged(level)
        shape = int(x[-1]) + 1, int(z[-1]) + 1
        if shape not in tables:
            tables[shape] = table_of(counts, x, z, shape)
    found = list(tables.values())
    if part.ordered:
        law = Elliptical.fit(*part.scores(part.fit[:ELLIPTICAL_ROWS]))
        found += [] if law is None else [over_cells(law, part)]
    return found


def counts_of(part: Part) -> Tensor:
    """Counts the fit rows in each pair of cells ``[cells of x, cells of z]``."""
    x, z = part.codes(part.fit)
    shape = len(part.x), len(part.z)
    return (x * shape[1] + z).bincount(minlength=math.prod(shape)).reshape(shape)


def table_of(counts: Tensor, x: Tensor, z: Tensor, shape: tuple[int, int]) -> Tensor:
    """Returns the log-ratios of larger cells, x and z ``[cells]``, for each smaller one."""
    merged = torch.zeros(shape[0], counts.shape[1], dtype=counts.dtype).index_add_(0, x, counts)
    merged = torch.zeros(shape, dtype=counts.dtype).index_add_(1, z, merged)
    with np.errstate(divide="ignore", invalid="ignore"):  # of cells without a fit row: 0
        scores = log_ratios(merged.numpy().astype(np.float64))
    return torch.from_numpy(np.nan_to_num(scores)).float()[x][:, z]


def held_out(tables: Tensor, part: Part) -> tuple[Tensor, Tensor]:
    """Scores the select rows: joint pairs ``[m, n]`` and marginal ones ``[m, k, n]``.

    Arguments:
        tables: T of m critics ``[m, cells of x, cells of z]``.
    """
    x, z = part.codes(part.select[:SELECT_ROWS])
    shifts = random_shifts(len(x), min(SELECT_SHIFTS, len(x) - 1))
    others = torch.stack([z.roll(-shift) for shift in shifts])
    return tables[:, x, z], tables[:, x, others]


def bounded(table: Tensor, part: Part) -> Tensor:
    """Holds a table within the scores that its fit rows have, so that no row unlike them weighs
    more than those."""
    x, z = part.codes(part.fit[:SELECT_ROWS])
    joint, apart = table[x, z], table[x, z.roll(1)]
    floor = max(float(min(joint.min(), apart.min())), float(log_mean_exp(apart[None])) - DEEPEST)
    return table.clamp(floor, max(floor, float(max(joint.max(), apart.max()))))


@torch.no_grad()
def combined(tables: Sequence[Tensor], part: Part) -> tuple[Tensor, float]:
    """Weighs critics by the select rows; returns their sum, and its log-partition there."""
    every = torch.stack([bounded(table, part) for table in tables])
    joint, marginal = held_out(every, part)
    weights = torch.from_numpy(best_weights(joint, marginal)).float()
    constant = log_mean_exp(torch.tensordot(weights, marginal, 1))
    return torch.tensordot(weights, every, 1), float(constant)


@torch.no_grad()
def reported(table: Tensor, constant: float, part: Part) -> Evaluation:
    """Evaluates Donsker and Varadhan's bound on the report rows, crossed with one another."""
    network = ScoreTable(table)
    return evaluate(network, DV(), *part.codes(part.report), pairs=REPORT_PAIRS, constant=constant)


def hidden(part: Part, value: float) -> float:
    r"""Returns about how much of what x and z share their cells hide, in nats.

    Of normal columns that share I, with d the sum of the shares of variance within cells, it is

    .. math:: \tfrac12 \log(1 + d \, (e^{2I} - 1))

    for what lies within a cell is noise to whoever sees the cell.

    Arguments:
        part: of the pair.
        value: I, as the cells show it.
    """
    d = part.x.within + part.z.within
    return 0.5 * math.log1p(d * math.expm1(2 * max(0.0, value)))
