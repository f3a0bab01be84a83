"""How pairs from the product of the marginals are drawn: which rows of z stand beside each x."""

from typing import Any

import torch
from torch import Generator, Tensor

from mine_cli.errors import BadInput

__all__ = [
    "MARGINALS", "AllPairs", "Derangement", "Independent", "Marginals", "Shuffle", "as_marginals",
]  # fmt: skip


class Marginals:
    """Pairs each row of a batch with others, or crosses whole groups of rows.

    Attributes:
        num: How many partners a row is drawn.
        extra: How many further rows of z the caller appends for each row, behind the batch's own.
        rows: The most rows of a group, where groups are crossed; None where rows are paired.
    """

    num: int = 0
    extra: int = 0
    rows: int | None = None

    def pairings(self, batches: int, n: int, generator: Generator) -> Tensor | None:
        """Draws the partners of so many batches of n rows; None where groups are crossed.

        Returns:
            [batches, n, num] indices into a batch's rows of z, on the generator's device: row i
            holds the z that x_i is paired with.
        """
        return None

    def groups(self, n: int) -> tuple[int, int]:
        """Returns how n rows are crossed: (groups, rows of each), (0, 0) where they are paired."""
        if self.rows is None:
            return 0, 0
        groups = -(-n // self.rows)
        return groups, n // groups

    def pairs(self, n: int) -> int:
        """Returns how many marginal pairs a batch of n rows gives."""
        groups, size = self.groups(n)
        return groups * size * (size - 1) or n * (self.num or 1)


class Shuffle(Marginals):
    """The batch's own z in random order, ``num`` times; on average one row each keeps its own z.

    A row that keeps its own z is a joint pair among the marginal ones and lowers the estimate.

    Raises:
        BadInput: when num is below 1.

    Example:
        >>> partners = Shuffle().pairings(1, 5, torch.Generator().manual_seed(0))[0, :, 0]
        >>> sorted(partners.tolist())  # each z once
        [0, 1, 2, 3, 4]

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 3.1
        | https://arxiv.org/abs/1801.04062
    """

    def __init__(self, num: int = 1) -> None:
        self.num = at_least_one(num)

    def pairings(self, batches: int, n: int, generator: Generator) -> Tensor:
        return permutations(batches * self.num, n, generator).view(batches, self.num, n).mT


class Derangement(Marginals):
    """The batch's own z, never a row's own; every other row is an equally likely partner.

    The ``num`` partners of a row are distinct.

    Raises:
        BadInput: when num is below 1, or a batch has no more than num rows.

    Example:
        >>> partners = Derangement(num=2).pairings(1, 5, torch.Generator().manual_seed(0))[0]
        >>> partners.shape
        torch.Size([5, 2])
        >>> (partners == torch.arange(5)[:, None]).any().item()  # no row its own
        False
    """

    def __init__(self, num: int = 1) -> None:
        self.num = at_least_one(num)

    def pairings(self, batches: int, n: int, generator: Generator) -> Tensor:
        if n <= self.num:
            raise BadInput(
                f"marginals derangement: num={self.num} needs batches of at least "
                f"{self.num + 1} rows, not {n}"
            )
        # Seat the rows in a circle at random: a row's partners are its next num neighbours.
        circle = permutations(batches, n, generator)
        partners = circle.new_empty(batches, n, self.num)
        for s in range(self.num):
            partners[..., s].scatter_(1, circle, circle.roll(-1 - s, 1))
        return partners


class Independent(Marginals):
    """``num`` independent draws of z from the data for every row, each an extra row of z.

    Raises:
        BadInput: when num is below 1.

    Example:
        >>> Independent().pairings(1, 3, torch.Generator())[0, :, 0].tolist()  # the extra rows
        [3, 4, 5]
    """

    def __init__(self, num: int = 1) -> None:
        self.num = self.extra = at_least_one(num)

    def pairings(self, batches: int, n: int, generator: Generator) -> Tensor:
        behind = torch.arange(n, n * (1 + self.num), device=generator.device)
        return behind.view(n, self.num).expand(batches, n, self.num)


class AllPairs(Marginals):
    """Every x against every other z of its group, in groups of at most ``rows`` rows.

    Raises:
        BadInput: when rows is below 2.

    Example:
        >>> AllPairs(rows=128).rows
        128
    """

    def __init__(self, rows: int = 64) -> None:
        if rows < 2:
            raise BadInput(f"marginals all_pairs: rows must be at least 2, not {rows}")
        self.rows = rows


MARGINALS: dict[str, type[Marginals]] = {
    "shuffle": Shuffle,
    "derangement": Derangement,
    "independent": Independent,
    "all_pairs": AllPairs,
}


def as_marginals(own: object) -> Marginals:
    """Returns a user's object with ``pairings`` or ``rows`` as marginals, or `Marginals` as is."""
    return own if isinstance(own, Marginals) else OwnMarginals(own)


class OwnMarginals(Marginals):
    """A user's own way to draw pairs; what it does not state is as in `Marginals`."""

    def __init__(self, own: Any) -> None:
        self.own = own
        for name in ("num", "extra", "rows"):
            setattr(self, name, getattr(own, name, getattr(Marginals, name)))

    def pairings(self, batches: int, n: int, generator: Generator) -> Tensor | None:
        return None if self.rows else self.own.pairings(batches, n, generator)


def permutations(num: int, n: int, generator: Generator) -> Tensor:
    """Draws so many random orders of n rows, [num, n]."""
    if generator.device.type == "cpu":
        return torch.stack([torch.randperm(n, generator=generator) for _ in range(num)])
    # One call for all of them; equal numbers, whose order is not random, are rare in float64.
    keys = torch.rand(num, n, generator=generator, device=generator.device, dtype=torch.float64)
    return keys.argsort(1)


def at_least_one(num: int) -> int:
    if num < 1:
        raise BadInput(f"marginals: num must be at least 1, not {num}")
    return num
