"""The three parts of the data: fit, select and report, standardised, on the device."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mine_cli.data import HasTruth, Rows
from mine_cli.data.margins import Margins, fit_margins
from mine_cli.data.split import Split, copies, folds, straddling, three_way
from mine_cli.tasks.protocol import PairSampler, StagedSampler
from mine_cli.training.rng import stream

__all__ = [
    "FEWEST_ROWS", "Parts", "clusters_of", "draws", "draws_to_fit", "of_law", "part_of",
    "split_rows",
]  # fmt: skip

Pair = tuple[Tensor, Tensor]

FEWEST_ROWS = 20  # to cross with one another in an evaluation
# Of a law, to which its margins are fitted; fewer where they would hold more numbers than these.
FITTED_DRAWS, FEWEST_FITTED, FITTED_NUMBERS = 10_000, 100, 10**7


@dataclass
class Parts:
    """What one network may see: ``fit`` rows or a law to draw from, ``select`` and ``report``.

    ``margins`` map x and z as these rows were mapped, fitted on the fit rows or on draws of their
    own, and ``kind`` names them: how to score new rows. ``clusters`` are labels of report rows
    that depend on one another, ``whole`` ones where they are what was drawn, such as a subject's
    rows. ``stages`` are the parts of each stage of a law that changes during the training, whose
    information is `true_mi` nats, where that is known.
    """

    select: Pair
    report: Pair
    fit: Pair = field(default_factory=lambda: (torch.empty(0), torch.empty(0)))
    law: PairSampler | None = None
    kind: str = "none"
    margins: tuple[Margins, Margins] | None = None
    clusters: Tensor | None = None
    whole: bool = False
    true_mi: float | None = None
    stages: "Sequence[Parts]" = ()


class OnMargins:
    """A law whose draws are seen on fitted margins.

    Arguments:
        law: what is drawn from.
        margins: the maps of x and of z.
    """

    def __init__(self, law: PairSampler, margins: tuple[Margins, Margins]) -> None:
        self.law, self.margins = law, margins

    def sample(self, n: int, generator: torch.Generator) -> Pair:
        """Draws n pairs, and maps each side."""
        (x, z), (x_margins, z_margins) = self.law.sample(n, generator), self.margins
        return x_margins(x), z_margins(z)


def draws(law: PairSampler, name: str, n: int, seed: int, device: torch.device) -> Pair:
    """Draws n pairs for one purpose, the same ones for the same seed."""
    return law.sample(n, torch.Generator(device).manual_seed(stream(seed, name)))


def draws_to_fit(law: PairSampler, seed: int, device: torch.device) -> Pair:
    """Draws the pairs to which margins are fitted: of large images fewer than of vectors."""
    row = sum(side[0].numel() for side in draws(law, "margins", 2, seed, device))
    n = min(FITTED_DRAWS, max(FEWEST_FITTED, FITTED_NUMBERS // row))
    return draws(law, "margins", n, seed, device)


def of_law(
    law: PairSampler,
    select_rows: int,
    report_rows: int,
    seed: int,
    device: torch.device,
    kind: str = "standard",
) -> Parts:
    """Returns fresh draws for all three parts, on margins fitted to draws of their own."""
    fitted = draws_to_fit(law, seed, device)
    x_margins, z_margins = (fit_margins(kind, side, False) for side in fitted)

    def of(law: PairSampler) -> Parts:
        seen = OnMargins(law, (x_margins, z_margins))
        select = draws(seen, "select", select_rows, seed, device)
        report = draws(seen, "report", report_rows, seed, device)
        truth = law.true_mi if isinstance(law, HasTruth) else None
        return Parts(select, report, law=seen, kind=kind, margins=seen.margins, true_mi=truth)

    stages = [of(stage) for stage in stages_of(law)]
    return replace(stages[-1], stages=stages) if stages else of(law)


def stages_of(law: PairSampler) -> Sequence[PairSampler]:
    """Returns the laws of the stages of a training; of most samplers none."""
    return law.stages if isinstance(law, StagedSampler) else ()


def split_rows(
    rows: Rows, num_folds: int, how: str, fractions: Sequence[float], seed: int
) -> tuple[list[Split], list[str]]:
    """Splits finite data for each fold; warns of rows that were torn apart.

    Of folds, the select rows are at least as many as can be crossed. Copies of a row stay together
    in a random split; see `split.copies`.
    """
    generator = torch.Generator().manual_seed(stream(seed, "split"))
    copied, warnings = copies(rows.x, rows.z), []
    groups = copied if how == "random" else rows.groups
    if num_folds == 1:
        splits = [three_way(len(rows), fractions, how, groups, generator)]
    else:
        rest = len(rows) * (1 - 1 / num_folds)
        fewest = min(0.5, (FEWEST_ROWS + 1) / rest)
        select_share = max(fractions[1] / (fractions[0] + fractions[1]), fewest)
        splits = folds(len(rows), num_folds, select_share, how, groups, generator)
    torn = 0 if copied is None else sum(straddling(copied, split) for split in splits)
    if copied is not None and how == "random":
        more = len(copied) - len(copied.unique())
        warnings.append(
            f"{more} rows are copies of others: kept together in one part, and no more worth than "
            "one"
        )
    if torn:
        warnings.append(
            f"{torn} report rows have an identical twin among the rows that trained: split={how} "
            "tears duplicates apart, which can raise the estimate"
        )
    return splits, warnings


def clusters_of(rows: Rows, how: str) -> tuple[Tensor | None, bool]:
    """Returns labels ``[n]`` of rows that depend on one another, and whether clusters are whole.

    These are copies of a row, or the rows of a group. Of a series (``blocks``) they are stretches
    of sqrt(n) rows, by which the standard error becomes that of batch means.
    """
    if how == "blocks":
        return torch.arange(len(rows)) // max(1, math.isqrt(len(rows))), False
    return (copies(rows.x, rows.z) if how == "random" else rows.groups), True


def part_of(
    rows: Rows,
    split: Split,
    device: torch.device,
    kind: str = "standard",
    clusters: Tensor | None = None,
    whole: bool = False,
) -> Parts:
    """Returns the parts of finite data on a device, their margins fitted on the fit rows alone.

    Clusters are those of all rows; see `clusters_of`.
    """
    x_margins = fit_margins(kind, rows.x[split.fit], rows.x_categorical)
    z_margins = fit_margins(kind, rows.z[split.fit], rows.z_categorical)

    def pair(index: Tensor) -> Pair:
        return x_margins(rows.x[index]).to(device), z_margins(rows.z[index]).to(device)

    return Parts(
        fit=pair(split.fit),
        select=pair(split.select),
        report=pair(split.report),
        kind=kind,
        margins=(x_margins, z_margins),
        clusters=None if clusters is None else clusters[split.report],
        whole=whole and clusters is not None,
    )
