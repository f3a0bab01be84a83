"""Perceptrons over the concatenation of x and z, without and with the paper's noise."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from mine_cli.networks.interface import Noise, StatisticsNetwork
from mine_cli.networks.layers import PairLayers, flat, split_linear

__all__ = ["MLP", "NoisyMLP", "with_length"]

FURTHEST = 4.0  # spreads of a normal row's length


def with_length(rows: Tensor) -> Tensor:
    r"""Appends to rows of several columns their length, of unit spread where those are normal.

    .. math:: x \mapsto (x, \min\{4, \sqrt{2d} \, (|x| / \sqrt d - 1)\})

    What a row says may depend on how far out it lies (a scale that columns share, a turn that
    grows with the distance), which a perceptron of many columns is slow to learn. What lies
    further out than four spreads is taken for as far, so that no single row rules.

    Arguments:
        rows: ``[..., d]`` on a common scale, of mean 0 and standard deviation 1; one column stays
            as it is.
    """
    d = rows.shape[-1]
    if d == 1:
        return rows
    length = math.sqrt(2 * d) * (rows.square().mean(-1, keepdim=True).sqrt() - 1)
    return torch.cat([rows, length.clamp(max=FURTHEST)], -1)


class MLP(StatisticsNetwork):
    """Multi-layer perceptron over the concatenation of x and z, each flattened.

    Arguments:
        x_shape: The shape of one x.
        z_shape: The shape of one z.
        widths: The widths of the hidden layers, at least one.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.
        lengths: Whether it sees the length of each x and of each z too; see `with_length`.

    Raises:
        BadInput: for an unknown activation, or no hidden layer.

    Example:
        >>> x, z = torch.randn(8, 2), torch.randn(8, 3)
        >>> network = MLP((2,), (3,), widths=[64, 64])
        >>> network(x, z).shape  # row i of x with row i of z
        torch.Size([8])
        >>> a, b = network.embed(x, z)
        >>> network.head(a[:, None], b[None]).shape  # every x with every z
        torch.Size([8, 8])
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        widths: Sequence[int] = (100, 100),
        activation: str = "gelu",
        lengths: bool = False,
    ) -> None:
        super().__init__()
        self.rest = PairLayers(widths, activation)
        self.lengths = lengths
        size_x, size_z = (
            size + (lengths and size > 1) for size in (math.prod(x_shape), math.prod(z_shape))
        )
        self.first_x, self.first_z = split_linear(size_x, size_z, widths[0])

    @property
    def constant(self) -> Tensor:
        """What is added to every score."""
        return self.rest.constant

    def seen(self, rows: Tensor) -> Tensor:
        """Returns rows ``[..., d]`` as the first layer sees them."""
        return with_length(rows) if self.lengths else rows

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        return self.first_x(self.seen(flat(x))), self.first_z(self.seen(flat(z)))

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return self.rest(a + b)


class NoisyMLP(MLP):
    """The paper's perceptron with Gaussian noise on its input and after every hidden layer.

    Noise enters where it is passed, and in ``forward`` while training; never in evaluation mode.
    A row's input noise is drawn once and shared by all pairs of that row.

    Arguments:
        x_shape, z_shape, widths, activation: As in :class:`MLP`.
        input_noise: Standard deviation of the noise on x and z.
        hidden_noise: Standard deviation of the noise on the activations.

    Raises:
        BadInput: for an unknown activation, or no hidden layer.

    Example:
        >>> x, z = torch.randn(8, 2), torch.randn(8, 3)
        >>> network = NoisyMLP((2,), (3,), widths=[64])
        >>> torch.equal(network(x, z), network(x, z))  # fresh noise each time
        False
        >>> torch.equal(network.eval()(x, z), network(x, z))
        True

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), table 15
        | https://arxiv.org/abs/1801.04062
    """

    takes_noise = True

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        widths: Sequence[int] = (512, 512),
        input_noise: float = 0.3,
        hidden_noise: float = 0.5,
        activation: str = "elu",
    ) -> None:
        super().__init__(x_shape, z_shape, widths, activation)
        self.size_x, self.size_z, self.widths = math.prod(x_shape), math.prod(z_shape), [*widths]
        self.input_noise, self.hidden_noise = input_noise, hidden_noise

    def draw_noise(
        self, num_x: int, num_z: int, pairs: tuple[int, ...], generator: Generator | None = None
    ) -> Noise:
        device = self.first_x.weight.device if generator is None else generator.device

        def draw(scale: float, *shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, device=device).mul_(scale)

        noise = {
            "x": draw(self.input_noise, num_x, self.size_x),
            "z": draw(self.input_noise, num_z, self.size_z),
        }
        for i, width in enumerate(self.widths):
            noise[f"hidden{i}"] = draw(self.hidden_noise, *pairs, width)
        return noise

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        x, z = flat(x), flat(z)
        if noise is not None:
            x, z = x + noise["x"], z + noise["z"]
        return self.first_x(x), self.first_z(z)

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return self.rest(a + b, noise)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        noise = self.draw_noise(len(x), len(z), (len(x),)) if self.training else None
        return self.head(*self.embed(x, z, noise), noise)
