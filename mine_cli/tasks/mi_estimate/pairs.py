"""What is estimated: finite rows of x and z, or a law that gives fresh ones."""

import torch

from mine_cli.data import HasTruth, HasTruthNote, Rows, finite_rows
from mine_cli.data.margins import heavy_tailed
from mine_cli.tasks.mi_estimate.parts import draws_to_fit
from mine_cli.tasks.protocol import PairSampler

__all__ = ["Pairs"]


class Pairs:
    """A data set of pairs: the object itself, and its rows if they are finite."""

    def __init__(self, dataset: object) -> None:
        self.rows: Rows | None = finite_rows(dataset)
        self.sampler = dataset if isinstance(dataset, PairSampler) else None
        source = dataset if self.rows is None else self.rows
        self.true_mi = source.true_mi if isinstance(source, HasTruth) else None
        self.true_mi_note = source.true_mi_note if isinstance(source, HasTruthNote) else ""

    @property
    def vectors(self) -> bool:
        """Whether both are finite rows of numbers."""
        return self.rows is not None and self.rows.x.dim() == self.rows.z.dim() == 2

    @property
    def vector_draws(self) -> bool:
        """Whether both are vectors that a law gives afresh."""
        return self.rows is None and max(map(len, self.shapes())) <= 1

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one x and of one z."""
        x, z = self.few()
        return tuple(x.shape[1:]), tuple(z.shape[1:])

    def has_heavy_tails(self, seed: int) -> bool:
        """Whether few rows carry the spread of a column, where both sides are vectors."""
        if self.rows is not None:
            return self.vectors and any(map(heavy_tailed, (self.rows.x, self.rows.z)))
        if not self.vector_draws:
            return False
        assert self.sampler is not None
        return any(map(heavy_tailed, draws_to_fit(self.sampler, seed, torch.device("cpu"))))

    def few(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Up to four rows of x and of z."""
        if self.rows is not None:
            return self.rows.x[:4].float(), self.rows.z[:4].float()
        assert self.sampler is not None
        return self.sampler.sample(4, torch.Generator().manual_seed(0))
