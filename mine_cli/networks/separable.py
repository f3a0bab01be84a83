"""Statistics networks whose score is an inner product: all pairs cost one matrix product."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mine_cli.networks.interface import Noise, StatisticsNetwork
from mine_cli.networks.layers import flat, inner, perceptron, quiet

__all__ = ["Bilinear", "Separable", "SeparableQuadratic"]


class Separable(StatisticsNetwork):
    """Inner product of two perceptrons, T = <f(x), g(z)>: all pairs cost one matrix product.

    Arguments:
        x_shape, z_shape, activation: As in :class:`~mine_cli.networks.mlp.MLP`.
        widths: The widths of the hidden layers of f and of g.
        features: The number of outputs of f and of g.

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


class SeparableQuadratic(Separable):
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
        super().__init__(x_shape, z_shape, widths, features, activation)
        size_x, size_z = math.prod(x_shape), math.prod(z_shape)
        self.straight_x = nn.Linear(size_x, features, bias=False)
        self.straight_z = quiet(nn.Linear(size_z, features, bias=False), features)
        self.own_x, self.own_z = nn.Linear(size_x, size_x), nn.Linear(size_z, size_z)
        self.constant = nn.Parameter(torch.zeros(1))
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


class Bilinear(StatisticsNetwork):
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
