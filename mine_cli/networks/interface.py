"""What a statistics network is: rows embedded once, pairs of embedded rows scored."""

from typing import cast

import torch
from torch import Generator, Tensor, nn

__all__ = ["Bounded", "Noise", "StatisticsNetwork", "Whole", "as_network", "given"]

Noise = dict[str, Tensor]


class StatisticsNetwork(nn.Module):
    """A network T(x, z) that scores pairs of rows and embeds each row only once.

    Constructors take the shapes of one x and one z, without the batch dimension; the shape () is a
    scalar.

    Attributes:
        takes_noise: Whether ``embed`` and ``head`` use the noise that they accept; ``draw_noise``
            draws it.
    """

    takes_noise: bool = False

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        """Maps n rows of x and m rows of z to a [n, h] and b [m, h]."""
        raise NotImplementedError

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        """Scores pairs of embedded rows, broadcast over leading dimensions.

        ``head(a, b[partner])`` scores n pairs, ``head(a[:, None], b[None])`` the whole [n, m]
        matrix.
        """
        raise NotImplementedError

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Scores row i of x with row i of z, [n]."""
        return self.head(*self.embed(x, z))

    def draw_noise(
        self, num_x: int, num_z: int, pairs: tuple[int, ...], generator: Generator | None = None
    ) -> Noise:
        """Draws noise for num_x rows of x, num_z rows of z and scores of shape ``pairs``."""
        raise NotImplementedError


class Whole(StatisticsNetwork):
    """A network that only knows ``forward(x, z)`` on paired rows: every pair is scored whole."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.shapes: tuple[torch.Size, torch.Size] = (torch.Size(), torch.Size())

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        self.shapes = (x.shape[1:], z.shape[1:])
        return x.reshape(len(x), -1), z.reshape(len(z), -1)

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        lead = torch.broadcast_shapes(a.shape[:-1], b.shape[:-1])
        x = a.expand(*lead, -1).reshape(-1, *self.shapes[0])
        z = b.expand(*lead, -1).reshape(-1, *self.shapes[1])
        return self.network(x, z).reshape(lead)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.network(x, z)


class Bounded(StatisticsNetwork):
    r"""Another network's T held within a limit: c tanh(T / c).

    With it the Donsker-Varadhan value lies within 2 c of zero, and no pair can carry the mean of
    e^T alone: the network cannot be surer of a batch than e^c, nor be caught far off by pairs that
    it has not seen. Information beyond 2 c nats reads 2 c.

    Arguments:
        network: Any statistics network.
        limit: c.

    Example:
        >>> from mine_cli.networks import MLP
        >>> network = Bounded(MLP((2,), (3,)), limit=5.0)
        >>> (network(100 * torch.randn(8, 2), torch.randn(8, 3)).abs() <= 5).all().item()
        True
    """

    def __init__(self, network: nn.Module, limit: float) -> None:
        super().__init__()
        self.network, self.limit = as_network(network), limit
        self.takes_noise = self.network.takes_noise

    def draw_noise(
        self, num_x: int, num_z: int, pairs: tuple[int, ...], generator: Generator | None = None
    ) -> Noise:
        return self.network.draw_noise(num_x, num_z, pairs, generator)

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        return self.network.embed(x, z, *given(noise))

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return self._limited(self.network.head(a, b, *given(noise)))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self._limited(self.network(x, z))

    def _limited(self, t: Tensor) -> Tensor:
        return self.limit * (t / self.limit).tanh()


def as_network(own: nn.Module) -> StatisticsNetwork:
    """Returns a user's module as a statistics network; a `StatisticsNetwork` as it is.

    Arguments:
        own: A module with ``embed`` and ``head`` stays itself (and takes noise if it
            has ``draw_noise``); one with ``forward(x, z)`` alone becomes `Whole`.
    """
    if isinstance(own, StatisticsNetwork):
        return own
    if not hasattr(own, "head"):
        return Whole(own)
    found = cast(StatisticsNetwork, own)
    found.takes_noise = hasattr(own, "draw_noise")
    return found


def given(noise: Noise | None) -> tuple[Noise, ...]:
    """Returns noise as arguments: a user's own ``embed`` and ``head`` may take none."""
    return () if noise is None else (noise,)
