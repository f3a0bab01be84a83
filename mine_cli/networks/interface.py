"""What a statistics network is: rows embedded once, pairs of embedded rows scored."""

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Bounded", "Noise", "Whole", "embed", "head"]

Noise = dict[str, Tensor]


class Whole(nn.Module):
    """A network that only knows ``forward(x, z)`` on paired rows: every pair is scored whole."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.shapes: tuple[torch.Size, torch.Size] = (torch.Size(), torch.Size())

    def embed(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        self.shapes = (x.shape[1:], z.shape[1:])
        return x.reshape(len(x), -1), z.reshape(len(z), -1)

    def head(self, a: Tensor, b: Tensor) -> Tensor:
        lead = torch.broadcast_shapes(a.shape[:-1], b.shape[:-1])
        x = a.expand(*lead, -1).reshape(-1, *self.shapes[0])
        z = b.expand(*lead, -1).reshape(-1, *self.shapes[1])
        return self.network(x, z).reshape(lead)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.network(x, z)


def embed(network: Any, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """What the network computes once per row of x ``[n, h]`` and of z ``[m, h]``."""
    return network.embed(x, z) if noise is None else network.embed(x, z, noise)


def head(network: Any, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
    """Scores of embedded rows, broadcast over leading dimensions."""
    return network.head(a, b) if noise is None else network.head(a, b, noise)


class Bounded(nn.Module):
    r"""Another network's T held within a limit: c tanh(T / c).

    With it the Donsker-Varadhan value lies within 2 c of zero, and no pair can carry the mean of
    e^T alone: the network cannot be surer of a batch than e^c, nor be caught far off by pairs that
    it has not seen. Information beyond 2 c nats reads 2 c.

    Arguments:
        network: Any statistics network with ``embed`` and ``head``.
        limit: c.

    Example:
        >>> from mine_cli.networks import MLP
        >>> network = Bounded(MLP((2,), (3,)), limit=5.0)
        >>> (network(100 * torch.randn(8, 2), torch.randn(8, 3)).abs() <= 5).all().item()
        True
    """

    def __init__(self, network: nn.Module, limit: float) -> None:
        super().__init__()
        self.network, self.limit = network, limit

    def __getattr__(self, name: str) -> Any:
        # A noisy network's own: whether there is one tells the caller whether to draw any.
        if name == "draw_noise":
            return getattr(super().__getattr__("network"), name)
        return super().__getattr__(name)

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        return embed(self.network, x, z, noise)

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return self.limit * (head(self.network, a, b, noise) / self.limit).tanh()

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.limit * (self.network(x, z) / self.limit).tanh()
