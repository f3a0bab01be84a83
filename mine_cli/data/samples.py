"""Rows from which a generator's training batches are drawn, on whatever device it trains."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

__all__ = ["Draw", "Judge", "Pool", "Verdict", "drawn"]

Draw = Callable[[int, Generator], Tensor]


class Pool:
    """Draws from a fixed set of rows with replacement; a copy stays on each device.

    Arguments:
        rows: The rows, [n, ...], of any dtype, on the CPU.
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self._copies = {rows.device: rows}

    def __len__(self) -> int:
        return len(self.rows)

    def on(self, device: torch.device) -> Tensor:
        """Returns all rows, on that device."""
        if device not in self._copies:
            self._copies[device] = self.rows.to(device)
        return self._copies[device]

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws n of them, [n, ...], on the generator's device."""
        device = generator.device
        which = torch.randint(len(self.rows), (n,), generator=generator, device=device)
        return self.on(device)[which]


def drawn(fresh: Draw, n: int | None, seed: int) -> Draw:
    """Returns `fresh` itself, or with `n` what draws from n samples that it gave from the seed."""
    return fresh if n is None else Pool(fresh(n, Generator().manual_seed(seed))).draw


@dataclass
class Verdict:
    """Holds what a data set says of n samples, on their device.

    Arguments:
        mode: The mode that each belongs to, [n] int64.
        good: Whether each is of high quality, [n] bool; None where a data set has no such notion.
        confidence: How sure a classifier is of each mode, [n] in [0, 1]; None without one.
    """

    mode: Tensor
    good: Tensor | None = None
    confidence: Tensor | None = None


@runtime_checkable
class Judge(Protocol):
    """Tells the modes of samples, [n, ...], apart, and knows their true shares, [modes]."""

    modes: int
    true_histogram: Tensor

    def judge(self, x: Tensor) -> "Verdict": ...
