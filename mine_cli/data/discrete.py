"""Two discrete variables with a given table of probabilities."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain

import torch
from torch import Generator, Tensor

from mine_cli.errors import refuse

__all__ = ["DiscreteTable"]

EXACT = 1e-6  # of the sum of the probabilities


class DiscreteTable:
    r"""Row number x and column number z of a cell of a table, drawn by its probabilities.

    .. math:: I(X; Z) = \sum_{ij} p_{ij} \log \frac{p_{ij}}{p_i q_j}

    with the sums p_i of rows and q_j of columns.

    Arguments:
        table: Probabilities of the cells, at least two rows of at least two; they add up to 1.
        n: Number of rows of a fixed sample; None: fresh draws.
        seed: Seed of the fixed sample.

    References:
        | Elements of Information Theory (Cover and Thomas, 2006), eq. 2.28
    """

    def __init__(
        self,
        table: Sequence[Sequence[float]] = ((0.4, 0.1), (0.1, 0.4)),
        n: int | None = None,
        seed: int = 0,
    ) -> None:
        rows = [] if n is None or n >= 1 else [f"dataset.n={n}: want at least 1, or null"]
        refuse(chain(unfit(table), rows))
        self.table = torch.tensor([[*row] for row in table], dtype=torch.float64)
        self.n, self.seed = n, seed
        apart = self.table.sum(1, keepdim=True) * self.table.sum(0)
        terms = torch.special.xlogy(self.table, self.table / apart.clamp(min=1e-300))
        self.true_mi = float(terms.sum())
        self.true_mi_note = "sum over the table's cells"

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws n cells, x and z ``[n, 1]`` whole numbers as float32, on the generator's device.

        They count from 0.
        """
        device = generator.device
        ends = self.table.flatten().cumsum(0).to(device)
        uniform = torch.rand(n, generator=generator, device=device, dtype=torch.float64)
        cell = torch.searchsorted(ends, uniform * ends[-1], right=True).clamp(max=len(ends) - 1)
        columns = self.table.shape[1]
        return (cell // columns).float()[:, None], (cell % columns).float()[:, None]


def unfit(table: Sequence[Sequence[float]]) -> Iterator[str]:
    """Yields the first fault of a table."""
    widths = {len(row) for row in table}
    numbers = [p for row in table for p in row]
    if len(table) < 2 or len(widths) != 1 or min(widths) < 2:
        yield "dataset.table: want at least two rows, of at least two probabilities each, as many"
    elif not all(p >= 0 for p in numbers) or abs(math.fsum(numbers) - 1) > EXACT:
        yield f"dataset.table: adds up to {math.fsum(numbers):g}: want probabilities that make 1"
