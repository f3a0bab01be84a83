"""The three parts of the data: fit, select and report, standardised, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mine_cli.data import Rows
from mine_cli.data.split import (
    Split,
    Standardise,
    folds,
    identical_rows,
    straddling,
    three_way,
)
from mine_cli.tasks.protocol import PairSampler
from mine_cli.training.rng import stream

__all__ = ["Parts", "of_law", "part_of", "split_rows"]

Pair = tuple[Tensor, Tensor]


@dataclass
class Parts:
    """What one network may see: ``fit`` rows or a law to draw from, ``select`` and ``report``.

    ``scales`` holds (mean, std) of x and of z, fitted on the fit rows: how to score new rows.
    """

    select: Pair
    report: Pair
    fit: Pair = field(default_factory=lambda: (torch.empty(0), torch.empty(0)))
    law: PairSampler | None = None
    scales: list[tuple[Tensor, Tensor]] | None = None


def of_law(
    law: PairSampler, select_rows: int, report_rows: int, seed: int, device: torch.device
) -> Parts:
    """Fresh draws for all three parts."""

    def draw(name: str, n: int) -> Pair:
        generator = torch.Generator(device).manual_seed(stream(seed, name))
        return law.sample(n, generator)

    return Parts(draw("select", select_rows), draw("report", report_rows), law=law)


def split_rows(
    rows: Rows, num_folds: int, how: str, fractions: Sequence[float], seed: int
) -> tuple[list[Split], list[str]]:
    """Splits finite data for each fold; warns of rows that were torn apart.

    Duplicate rows stay together in a random split.
    """
    generator = torch.Generator().manual_seed(stream(seed, "split"))
    twins = identical_rows(rows.x, rows.z)
    groups = twins if how == "random" else rows.groups
    if num_folds == 1:
        splits = [three_way(len(rows), fractions, how, groups, generator)]
    else:
        select_share = fractions[1] / (fractions[0] + fractions[1])
        splits = folds(len(rows), num_folds, select_share, how, groups, generator)
    torn = sum(straddling(twins, split) for split in splits)
    warnings = []
    if torn:
        warnings.append(
            f"{torn} report rows have an identical twin among the rows that trained: split={how} "
            "tears duplicates apart, which can raise the estimate"
        )
    return splits, warnings


def part_of(rows: Rows, split: Split, device: torch.device) -> Parts:
    """Returns the parts of finite data on a device, standardised by the fit rows alone."""
    x_scale = Standardise.fit(rows.x[split.fit], rows.x_categorical)
    z_scale = Standardise.fit(rows.z[split.fit], rows.z_categorical)

    def pair(index: Tensor) -> Pair:
        return x_scale(rows.x[index].to(device)), z_scale(rows.z[index].to(device))

    return Parts(
        fit=pair(split.fit),
        select=pair(split.select),
        report=pair(split.report),
        scales=[(x_scale.mean, x_scale.std), (z_scale.mean, z_scale.std)],
    )
