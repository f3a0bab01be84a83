"""Training batches that live on the device: index draws from fixed rows, or fresh draws."""

import hashlib
from typing import Any

import torch
from torch import Tensor

__all__ = ["FixedRows", "FreshDraws", "stream"]


def stream(seed: int, name: str, member: int = 0) -> int:
    """The seed of one named random stream of one member: its own, whatever else is drawn."""
    digest = hashlib.sha256(f"{seed}/{name}/{member}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


class FixedRows:
    """Batches from fixed rows: each epoch is a fresh permutation, its incomplete end dropped.

    Arguments:
        x, z: rows on the device.
        batch_size: rows a batch.
        extra: independent draws of z for each row, behind the batch's own z.
    """

    def __init__(self, x: Tensor, z: Tensor, batch_size: int, extra: int = 0) -> None:
        self.x, self.z, self.batch_size, self.extra = x, z, batch_size, extra
        self.order = torch.empty(0, dtype=torch.int64, device=x.device)
        self.cursor = 0

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The next x ``[n, ...]`` and z ``[n * (1 + extra), ...]``."""
        if self.cursor + self.batch_size > len(self.order):
            n, device = len(self.x), self.x.device
            self.order = torch.randperm(n, generator=generator, device=device)
            self.cursor = 0
        rows = self.order[self.cursor : self.cursor + self.batch_size]
        self.cursor += self.batch_size
        x, z = self.x.index_select(0, rows), self.z.index_select(0, rows)
        if self.extra:
            shape, device = (self.batch_size * self.extra,), self.z.device
            other = torch.randint(len(self.z), shape, generator=generator, device=device)
            z = torch.cat([z, self.z.index_select(0, other)])
        return x, z

    def state_dict(self) -> dict[str, Any]:
        return {"order": self.order, "cursor": self.cursor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.order, self.cursor = state["order"].to(self.x.device), state["cursor"]


class FreshDraws:
    """Batches drawn anew from a known law: no row is ever seen twice."""

    def __init__(self, law: Any, batch_size: int, extra: int = 0) -> None:
        self.law, self.batch_size, self.extra = law, batch_size, extra

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The next x ``[n, ...]`` and z ``[n * (1 + extra), ...]``."""
        x, z = self.law.sample(self.batch_size, generator)
        if self.extra:
            z = torch.cat([z, self.law.sample(self.batch_size * self.extra, generator)[1]])
        return x, z

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take back: the generator holds it all."""
