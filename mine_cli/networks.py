"""Statistics networks T(x, z): plain modules that score pairs and embed each row only once.

``embed(x, z)`` maps n rows of x and m rows of z to a [n, h] and b [m, h]. ``head(a, b)`` scores
pairs and broadcasts over leading dimensions: ``head(a, b[partner])`` scores n pairs,
``head(a[:, None], b[None])`` the whole [n, m] matrix. ``forward(x, z)`` scores row i with row i.
Constructors take the shapes of one x and one z, without the batch dimension; the shape () is a
scalar. Only :class:`NoisyMLP` uses the noise that embed and head accept.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from mine_cli import scoring
from mine_cli.errors import BadInput
from mine_cli.layers import (
    Noise,
    PairLayers,
    flat,
    image_encoder,
    inner,
    perceptron,
    quiet,
    split_linear,
)

__all__ = ["MLP", "Bilinear", "Bounded", "Conv", "NoisyMLP", "Separable", "SeparableQuadratic"]


class MLP(nn.Module):
    """Multi-layer perceptron over the concatenation of x and z, each flattened.

    Arguments:
        x_shape: The shape of one x.
        z_shape: The shape of one z.
        widths: The widths of the hidden layers, at least one.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.

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
    ) -> None:
        super().__init__()
        self.rest = PairLayers(widths, activation)
        size_x, size_z = math.prod(x_shape), math.prod(z_shape)
        self.first_x, self.first_z = split_linear(size_x, size_z, widths[0])

    @property
    def constant(self) -> Tensor:
        """What is added to every score."""
        return self.rest.constant

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        return self.first_x(flat(x)), self.first_z(flat(z))

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return self.rest(a + b)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(*self.embed(x, z))


class NoisyMLP(nn.Module):
    """The paper's perceptron with Gaussian noise on its input and after every hidden layer.

    Noise enters where it is passed, and in ``forward`` while training; never in evaluation mode.
    A row's input noise is drawn once and shared by all pairs of that row.

    Arguments:
        x_shape: The shape of one x.
        z_shape: The shape of one z.
        widths: The widths of the hidden layers, at least one.
        input_noise: Standard deviation of the noise on x and z.
        hidden_noise: Standard deviation of the noise on the activations.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.

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

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        widths: Sequence[int] = (512, 512),
        input_noise: float = 0.3,
        hidden_noise: float = 0.5,
        activation: str = "elu",
    ) -> None:
        super().__init__()
        self.rest = PairLayers(widths, activation)
        self.size_x, self.size_z, self.widths = math.prod(x_shape), math.prod(z_shape), [*widths]
        self.input_noise, self.hidden_noise = input_noise, hidden_noise
        self.first_x, self.first_z = split_linear(self.size_x, self.size_z, widths[0])

    @property
    def constant(self) -> Tensor:
        """What is added to every score."""
        return self.rest.constant

    def draw_noise(
        self, num_x: int, num_z: int, pairs: tuple[int, ...], generator: Generator | None = None
    ) -> Noise:
        """Noise for num_x rows of x, num_z rows of z and scores of shape ``pairs``."""
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


class Separable(nn.Module):
    """Inner product of two perceptrons, T = <f(x), g(z)>: all pairs cost one matrix product.

    Arguments:
        x_shape: The shape of one x.
        z_shape: The shape of one z.
        widths: The widths of the hidden layers of f and of g.
        features: The number of outputs of f and of g.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.

    Raises:
        BadInput: for an unknown activation.

    Example:
        >>> network = Separable((2,), (3,), widths=[64], features=16)
        >>> a, b = network.embed(torch.randn(8, 2), torch.randn(8, 3))
        >>> a.shape, b.shape
        (torch.Size([8, 16]), torch.Size([8, 16]))
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        widths: Sequence[int] = (100, 100),
        features: int = 32,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        self.f = perceptron(math.prod(x_shape), widths, features, activation)
        self.g = perceptron(math.prod(z_shape), widths, features, activation)
        quiet(self.g[-1], features)

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        return self.f(flat(x)), self.g(flat(z))

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return inner(a, b)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(*self.embed(x, z))


class SeparableQuadratic(nn.Module):
    r"""Separable network with own terms in x and in z, so that it knows the Gaussian family.

    .. math:: T = \langle f(x) + Fx,\, g(z) + Gz \rangle
        + x^\top (Ax + u) + z^\top (Bz + v) + c

    Any log-ratio of jointly Gaussian x and z is of this form when ``features`` is at least the
    smaller of their dimensions.

    Arguments: as for :class:`Separable`.

    Raises:
        BadInput: for an unknown activation.

    Example:
        >>> SeparableQuadratic((2,), (3,), widths=[64])(torch.randn(8, 2), torch.randn(8, 3)).shape
        torch.Size([8])
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        widths: Sequence[int] = (100, 100),
        features: int = 32,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        size_x, size_z = math.prod(x_shape), math.prod(z_shape)
        self.f = perceptron(size_x, widths, features, activation)
        self.g = perceptron(size_z, widths, features, activation)
        self.straight_x = nn.Linear(size_x, features, bias=False)
        self.straight_z = quiet(nn.Linear(size_z, features, bias=False), features)
        self.own_x, self.own_z = nn.Linear(size_x, size_x), nn.Linear(size_z, size_z)
        self.constant = nn.Parameter(torch.zeros(1))
        quiet(self.g[-1], features)
        for parameter in (*self.own_x.parameters(), *self.own_z.parameters()):
            nn.init.zeros_(parameter)

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        x, z = flat(x), flat(z)
        own_x = (x * self.own_x(x)).sum(-1, keepdim=True) + self.constant
        own_z = (z * self.own_z(z)).sum(-1, keepdim=True)
        # As columns [own_x, 1] and [1, own_z] they enter the one inner product.
        a = torch.cat([self.f(x) + self.straight_x(x), own_x, torch.ones_like(own_x)], -1)
        b = torch.cat([self.g(z) + self.straight_z(z), torch.ones_like(own_z), own_z], -1)
        return a, b

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return inner(a, b)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(*self.embed(x, z))


class Bilinear(nn.Module):
    r"""One matrix and a constant, :math:`T = x^\top W z + c`: fast, and rarely enough.

    Example:
        >>> Bilinear((2,), (3,))(torch.randn(8, 2), torch.randn(8, 3)).shape
        torch.Size([8])
    """

    def __init__(self, x_shape: Sequence[int], z_shape: Sequence[int]) -> None:
        super().__init__()
        size_x, size_z = math.prod(x_shape), math.prod(z_shape)
        self.weight = quiet(nn.Linear(size_x, size_z, bias=False), size_z)
        self.constant = nn.Parameter(torch.zeros(()))

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        return self.weight(flat(x)), flat(z)

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return inner(a, b) + self.constant

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(*self.embed(x, z))


class Conv(nn.Module):
    r"""Inner product of two encoders, T = <f(x), g(z)>, the one of an image convolutional.

    A shape of three dimensions is an image; any other z goes through a perceptron. All pairs
    cost one matrix product beside the encoders, which dominate: use many marginal pairs.

    Arguments:
        x_shape: (channels, height, width).
        z_shape: The shape of one z; an image's (channels, height, width) or any other.
        channels: Of the convolutions, each halving the image.
        widths: The widths of the hidden layers after them, at least one.
        features: The number of outputs of f and of g.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.

    Raises:
        BadInput: when x is no image, an image is too small, for an unknown activation or no
            hidden layer.

    Example:
        >>> network = Conv((1, 28, 28), (10,), channels=[4, 8])
        >>> network(torch.randn(8, 1, 28, 28), torch.randn(8, 10)).shape  # images and classes
        torch.Size([8])
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        channels: Sequence[int] = (16, 32),
        widths: Sequence[int] = (100,),
        features: int = 32,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        if len(x_shape) != 3:
            raise BadInput(
                f"network conv: x must be an image (channels, height, width), not of shape "
                f"{tuple(x_shape)}; network=mlp takes any shape"
            )
        self.f = image_encoder("x", x_shape, channels, widths, features, activation)
        if len(z_shape) == 3:
            self.g = image_encoder("z", z_shape, channels, widths, features, activation)
        else:
            self.g = perceptron(math.prod(z_shape), widths, features, activation)
        quiet(self.g[-1])

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        return self.f(x), self.g(z if z.dim() == 4 else flat(z))

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return inner(a, b)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(*self.embed(x, z))


class Bounded(nn.Module):
    r"""Another network's T held within a limit: c tanh(T / c).

    With it the Donsker-Varadhan value lies within 2 c of zero, and no pair can carry the mean of
    e^T alone: the network cannot be surer of a batch than e^c, nor be caught far off by pairs that
    it has not seen. Information beyond 2 c nats reads 2 c.

    Arguments:
        network: Any statistics network with ``embed`` and ``head``.
        limit: c.

    Example:
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
        return scoring.embed(self.network, x, z, noise)

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return self.limit * (scoring.head(self.network, a, b, noise) / self.limit).tanh()

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.limit * (self.network(x, z) / self.limit).tanh()
