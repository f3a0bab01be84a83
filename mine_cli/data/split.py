"""Which rows train, which choose the checkpoint, and which are reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor

from mine_cli.errors import BadInput

__all__ = [
    "Split",
    "copies",
    "folds",
    "found_among",
    "group_column",
    "identical_rows",
    "straddling",
    "three_way",
    "two_way",
    "without_copies",
]

# Numbers hashed at once by `_hashes`: bounds its memory to some 128 MiB.
HASHED_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Split:
    """Holds row indices (int64, CPU) of three disjoint parts.

    `fit` trains, `select` stops early and picks the checkpoint, `report` is touched once.
    """

    fit: Tensor
    select: Tensor
    report: Tensor


def group_column(how: str) -> str | None:
    """Returns COLUMN of ``groups:COLUMN``, None for ``random`` and ``blocks``."""
    name = how.removeprefix("groups:")
    if how in ("random", "blocks") or (name != how and name):
        return name if name != how else None
    raise BadInput(f"split={how}: want random, blocks or groups:COLUMN")


def three_way(
    n: int,
    fractions: Sequence[float],
    how: str = "random",
    groups: Tensor | None = None,
    generator: Generator | None = None,
) -> Split:
    """Splits n rows into fit, select and report.

    Arguments:
        n: Number of rows.
        fractions: Shares of the rows for fit, select and report; they add up to 1.
        how: ``random``; ``blocks``: contiguous, in this order; ``groups:COLUMN``: whole groups.
        groups: Integer labels, [n]: rows of one label stay together in ``random`` (give it
            `identical_rows`) and ``groups``.
        generator: Draws the order of the rows or groups; ``blocks`` draws nothing.
    """
    shares = torch.tensor([float(share) for share in fractions], dtype=torch.float64)
    if len(shares) != 3 or (shares <= 0).any() or abs(float(shares.sum()) - 1) > 1e-6:
        given = [float(share) for share in fractions]
        raise BadInput(f"task.fractions={given}: want three positive numbers that add up to 1")
    rows, sizes = _order(n, how, groups, generator)
    a, b = _boundaries(sizes, [float(shares[0]), float(shares[:2].sum())], f"split={how}")
    return Split(rows[:a], rows[a:b], rows[b:])


def folds(
    n: int,
    num: int,
    select_fraction: float,
    how: str = "random",
    groups: Tensor | None = None,
    generator: Generator | None = None,
) -> list[Split]:
    """Splits n rows `num` times, so that the report parts partition them.

    Arguments:
        n: Number of rows.
        num: Number of folds, at least 2.
        select_fraction: Share of the rows *outside* a fold that selects, in (0, 1). Under
            ``blocks`` these lie just before the fold (before the first: at the end).
        how: As in `three_way`.
        groups: As in `three_way`.
        generator: As in `three_way`.
    """
    if num < 2:
        raise BadInput(f"folds={num}: want at least 2 to split into folds")
    if not 0 < select_fraction < 1:
        raise BadInput(f"share of the select rows {select_fraction}: want a number in (0, 1)")
    rows, sizes = _order(n, how, groups, generator)
    asked = f"folds={num} split={how}"
    edges = [0, *_boundaries(sizes, [i / num for i in range(1, num)], asked), n]
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    splits = []
    for a, b in pairwise(edges):
        # The other rows in their order, from just after the fold round to just before it.
        rest = torch.cat([rows[b:], rows[:a]])
        first, last = (int(torch.searchsorted(starts, edge)) for edge in (a, b))
        rest_sizes = torch.cat([sizes[last:], sizes[:first]])
        (middle,) = _boundaries(rest_sizes, [1 - select_fraction], asked)
        splits.append(Split(rest[:middle], rest[middle:], rows[a:b]))
    return splits


def two_way(
    n: int, share: float, groups: Tensor | None = None, generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Parts n rows at random: those that train, and a share of them, in (0, 1), that tests.

    Rows of one label in `groups`, [n], stay together.
    """
    rows, sizes = _order(n, "random", groups, generator)
    (cut,) = _boundaries(sizes, [1 - share], "split=random")
    return rows[:cut], rows[cut:]


def _order(
    n: int, how: str, groups: Tensor | None, generator: Generator | None
) -> tuple[Tensor, Tensor]:
    """Returns the rows in the order in which they are cut, and the sizes of their groups."""
    column = group_column(how)
    if how == "blocks":
        return torch.arange(n), torch.ones(n, dtype=torch.int64)
    if groups is None:
        if column is not None:
            raise BadInput(f"split={how}: this dataset has no groups: want random or blocks")
        return torch.randperm(n, generator=generator), torch.ones(n, dtype=torch.int64)
    if len(groups) != n:
        raise BadInput(f"split={how}: {len(groups)} group labels for {n} rows: want one a row")
    _, label, counts = groups.cpu().unique(return_inverse=True, return_counts=True)
    place = torch.randperm(len(counts), generator=generator)
    sizes = torch.empty_like(counts)
    sizes[place] = counts
    return place[label].argsort(stable=True), sizes


def _boundaries(sizes: Tensor, shares: Sequence[float], asked: str) -> list[int]:
    """Returns the row numbers nearest to cumulative shares of the rows at which no group is cut.

    Every part keeps at least one group, however large the groups are. `asked` is what was typed.
    """
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    num_groups, num_parts = len(sizes), len(shares) + 1
    if num_groups < num_parts:
        what = "groups" if "split=groups:" in asked else "different rows"
        raise BadInput(f"{asked}: {num_groups} {what} left for {num_parts} parts: want more")
    targets = torch.tensor(shares, dtype=torch.float64) * int(starts[-1])
    after = torch.searchsorted(starts.double(), targets).clamp(1, num_groups)
    before = after - 1
    nearer = (targets - starts[before]) <= (starts[after] - targets)
    cuts = torch.where(nearer, before, after).tolist()
    for i, cut in enumerate(cuts):
        cuts[i] = max(cut, i + 1, cuts[i - 1] + 1 if i else 1)
    for i in reversed(range(len(cuts))):
        following = cuts[i + 1] if i + 1 < len(cuts) else num_groups
        cuts[i] = min(cuts[i], following - 1)
    return starts[cuts].tolist()


def identical_rows(*variables: Tensor) -> Tensor:
    """Labels rows so that identical rows (x_i, z_i, ...) share a label, [n] int64.

    Rows are compared by a 64-bit hash of their bits: a chance collision merely keeps two rows in
    the same part.
    """
    return _hashes(*variables).unique(return_inverse=True)[1]


def copies(x: Tensor, z: Tensor) -> Tensor | None:
    """Labels rows so that copies of a row share a label, [n] int64; None where there is no copy.

    Rows of discrete or rounded values repeat by their law, and each is an observation of its own.
    A repeated row is a copy where its x, or its z, always comes with the same partner, and comes
    no more than sqrt(n) times; unless most rows have the same partner anyway.
    """
    pairs, of_x, of_z = (identical_rows(*sides) for sides in ((x, z), (x,), (z,)))
    times, times_x, times_z = (labels.bincount()[labels] for labels in (pairs, of_x, of_z))
    telling_x, telling_z = (float((t / len(t)).mean()) < 0.5 for t in (times_x, times_z))
    alone = (times == times_x) & telling_z | (times == times_z) & telling_x
    copied = (times > 1) & alone & (times <= len(pairs) ** 0.5)
    if not copied.any():
        return None
    return torch.where(copied, pairs, len(pairs) + torch.arange(len(pairs)))


def without_copies(x: Tensor, z: Tensor) -> Tensor:
    """Returns the numbers of the rows that are no later copy of another, ascending ``[m]``."""
    labels = copies(x, z)
    if labels is None:
        return torch.arange(len(x))
    order = labels.argsort(stable=True)
    first = torch.cat([torch.ones(1, dtype=torch.bool), labels[order].diff() != 0])
    return order[first].sort().values


def found_among(rows: Tensor, others: Tensor) -> Tensor:
    """Tells which of `rows`, [n, ...], are identical to one of `others`, [m, ...]; [n] bool."""
    return torch.isin(_hashes(rows), _hashes(others))


def _hashes(*variables: Tensor) -> Tensor:
    """Hashes rows that may stretch over several tensors, [n] int64."""
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(len(variables[0]), dtype=torch.int64)
    for values in variables:
        flat = values.detach().cpu().reshape(len(values), -1)
        shape = (flat.shape[1],)
        factors = torch.randint(-(2**62), 2**62, shape, generator=generator) * 2 + 1
        step = max(1, HASHED_AT_ONCE // max(1, flat.shape[1]))
        for start in range(0, len(flat), step):
            # Adding 0 turns -0.0 into 0.0; the shift spreads the leading bits, in which small
            # whole numbers differ, over the rest of the word.
            block = flat[start : start + step]
            if block.dtype == torch.float64:
                bits = (block + 0.0).view(torch.int64)
            else:
                bits = (block.float() + 0.0).view(torch.int32).long()
            total[start : start + step] += ((bits ^ (bits >> 17)) * factors).sum(1)
    return total


def straddling(labels: Tensor, split: Split) -> int:
    """Counts the report rows whose label (`identical_rows`) also occurs in fit or select."""
    elsewhere = torch.cat([split.fit, split.select])
    return int(torch.isin(labels[split.report], labels[elsewhere]).sum())
