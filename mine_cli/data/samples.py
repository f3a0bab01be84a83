"""Rows from which a generator's training batches are drawn, on whatever device it trains."""

import torch
from torch import Generator, Tensor

__all__ = ["Pool"]


class Pool:
    """A fixed set of rows, drawn from at random with replacement; a copy stays on each device.

    Arguments:
        rows: The rows, [n, ...], of any dtype, on the CPU.
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self._copies = {rows.device: rows}

    def __len__(self) -> int:
        return len(self.rows)

    def on(self, device: torch.device) -> Tensor:
        """All rows, on that device."""
        if device not in self._copies:
            self._copies[device] = self.rows.to(device)
        return self._copies[device]

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draw n of them, [n, ...], on the generator's device."""
        device = generator.device
        which = torch.randint(len(self.rows), (n,), generator=generator, device=device)
        return self.on(device)[which]
