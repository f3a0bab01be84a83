"""The statistics network of the paper's images, in which z moves every layer's biases."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from mine_cli.errors import BadInput
from mine_cli.networks.interface import Noise, StatisticsNetwork
from mine_cli.networks.layers import (
    PairLayers,
    activate,
    flat,
    image_encoder,
    inner,
    perceptron,
    quiet,
    split_linear,
)

__all__ = ["ConditionedConv", "Conv", "ConvMLP"]


class ConditionedConv(StatisticsNetwork):
    r"""Convolutions of an image x whose biases are linear in z, layer by layer.

    .. math:: h_l = \phi(W_l * h_{l-1} + V_l z + v_l), \quad h_0 = x, \quad
        T = \langle u, h_L \rangle + c

    with 5 x 5 kernels and stride 2, no BatchNorm, and one number of :math:`V_l z + v_l` for each
    map. A row's first convolution and all its biases are computed once; what follows is computed
    for every pair, so that a marginal pair costs nearly as much as a row.

    Arguments:
        x_shape: (channels, height, width).
        z_shape: The shape of one z, of any kind; it is flattened.
        channels: How many maps each layer has, at least one layer.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.

    Raises:
        BadInput: when x is no image, for an unknown activation, or no layer.

    Example:
        >>> network = ConditionedConv((1, 28, 28), (10,), channels=[4, 8])
        >>> network(torch.randn(8, 1, 28, 28), torch.randn(8, 10)).shape
        torch.Size([8])

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), appendix, table 8
        | https://arxiv.org/abs/1801.04062
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        channels: Sequence[int] = (16, 32, 64),
        activation: str = "elu",
    ) -> None:
        super().__init__()
        check_image("conditioned_conv", x_shape)
        if not channels:
            raise BadInput(
                "network conditioned_conv: channels needs at least one layer, such as [16]"
            )
        self.activation = activate(activation)
        depth, *sides = x_shape
        self.channels = [*channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 5, stride=2, padding=2, bias=False)
            for before, after in pairwise([depth, *channels])
        )
        self.biases = nn.Linear(math.prod(z_shape), sum(channels))
        self.first_sides = [(side + 1) // 2 for side in sides]
        scale = 2 ** len(channels)
        last_sides = [-(-side // scale) for side in sides]
        self.last = quiet(nn.Linear(channels[-1] * math.prod(last_sides), 1))

    @property
    def constant(self) -> Tensor:
        """What is added to every score."""
        return self.last.bias

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        # Maps last, here and below: the layout that convolutions are fastest in.
        return self.convolutions[0](x).permute(0, 2, 3, 1).flatten(1), self.biases(flat(z))

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        lead = torch.broadcast_shapes(a.shape[:-1], b.shape[:-1])
        first, *rest = b.split(self.channels, -1)
        maps = a.unflatten(-1, (*self.first_sides, -1)) + first[..., None, None, :]
        h = self.activation(maps.reshape(-1, *maps.shape[-3:]).permute(0, 3, 1, 2))
        for convolution, bias in zip(self.convolutions[1:], rest, strict=True):
            pairs = bias.expand(*lead, -1).reshape(-1, bias.shape[-1])
            h = self.activation(convolution(h) + pairs[..., None, None])
        return self.last(h.flatten(1)).reshape(lead)


class SeesNoise(StatisticsNetwork):
    """A network that sees an image through Gaussian noise, drawn once a row, while it trains.

    What the noise drowns is worth nothing to whoever raises the information: a generator cannot
    write its code into patterns that nobody sees. In evaluation mode there is none.
    """

    def __init__(self, x_shape: Sequence[int], input_noise: float) -> None:
        super().__init__()
        self.x_shape, self.input_noise = tuple(x_shape), input_noise
        self.takes_noise = input_noise > 0

    def draw_noise(
        self, num_x: int, num_z: int, pairs: tuple[int, ...], generator: Generator | None = None
    ) -> Noise:
        device = next(self.parameters()).device if generator is None else generator.device
        noise = torch.randn((num_x, *self.x_shape), generator=generator, device=device)
        return {"x": noise.mul_(self.input_noise)}

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        noisy = self.training and self.takes_noise
        noise = self.draw_noise(len(x), len(z), (len(x),)) if noisy else None
        return self.head(*self.embed(x, z, noise), noise)


class ConvMLP(SeesNoise):
    r"""Convolutions of an image x, then a perceptron of their features and z.

    .. math:: T(x, z) = h(W f(x) + V z + v)

    with f convolutions of 5 x 5 and stride 2 and a linear layer, and h a perceptron. All of a row
    but h is computed once, so that a pair costs a hidden layer. No BatchNorm.

    Arguments:
        x_shape: (channels, height, width).
        z_shape: The shape of one z, of any kind; it is flattened.
        channels: How many maps each convolution has, at least one.
        features: The number of outputs of f.
        widths: The widths of the perceptron's hidden layers, at least one.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.
        input_noise: Standard deviation of the noise through which x is seen; 0 for none.

    Raises:
        BadInput: when x is no image, an image is too small, for an unknown activation, or no
            layer.

    Example:
        >>> network = ConvMLP((1, 28, 28), (10,), channels=[4, 8], widths=[16])
        >>> network(torch.randn(8, 1, 28, 28), torch.randn(8, 10)).shape
        torch.Size([8])

    References:
        | Maximum Entropy Generators for Energy-Based Models (Kumar et al., 2019), appendix
        | https://arxiv.org/abs/1901.08508
        | https://github.com/ritheshkumar95/energy_based_generative_models, networks/mnist.py
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        channels: Sequence[int] = (64, 128, 256, 512),
        features: int = 128,
        widths: Sequence[int] = (512,),
        activation: str = "leaky_relu",
        input_noise: float = 0.0,
    ) -> None:
        super().__init__(x_shape, input_noise)
        check_image("conv_mlp", x_shape)
        if not channels:
            raise BadInput("network conv_mlp: channels needs at least one layer, such as [16]")
        layers: list[nn.Module] = []
        for before, after in pairwise([x_shape[0], *channels]):
            layers += [nn.Conv2d(before, after, 5, stride=2, padding=2), activate(activation)]
        sides = [-(-side // 2 ** len(channels)) for side in x_shape[1:]]
        last = nn.Linear(channels[-1] * math.prod(sides), features)
        self.f = nn.Sequential(*layers, nn.Flatten(), last)
        self.rest = PairLayers(widths, activation)
        self.first_x, self.first_z = split_linear(features, math.prod(z_shape), widths[0])

    @property
    def constant(self) -> Tensor:
        """What is added to every score."""
        return self.rest.constant

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        seen = x if noise is None else x + noise["x"]
        return self.first_x(self.f(seen)), self.first_z(flat(z))

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return self.rest(a + b)


class Conv(SeesNoise):
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
        input_noise: Standard deviation of the noise through which x is seen; 0 for none.

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
        input_noise: float = 0.0,
    ) -> None:
        super().__init__(x_shape, input_noise)
        check_image("conv", x_shape)
        self.f = image_encoder("x", x_shape, channels, widths, features, activation)
        if len(z_shape) == 3:
            self.g = image_encoder("z", z_shape, channels, widths, features, activation)
        else:
            self.g = perceptron(math.prod(z_shape), widths, features, activation)
        quiet(self.g[-1])

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        seen = x if noise is None else x + noise["x"]
        return self.f(seen), self.g(z if z.dim() == 4 else flat(z))

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return inner(a, b)


def check_image(option: str, x_shape: Sequence[int]) -> None:
    """Raises BadInput unless x is an image."""
    if len(x_shape) != 3:
        raise BadInput(
            f"network {option}: x must be an image (channels, height, width), not of shape "
            f"{tuple(x_shape)}; network=mlp takes any shape"
        )
