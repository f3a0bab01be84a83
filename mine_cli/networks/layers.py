"""The pieces that statistics networks are made of."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from mine_cli.errors import BadInput
from mine_cli.networks import linear
from mine_cli.networks.interface import Noise

__all__ = [
    "PairLayers", "activate", "flat", "image_encoder", "inner", "perceptron", "quiet",
    "split_linear",
]  # fmt: skip

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
QUIET = 0.1

Layer = TypeVar("Layer", bound=nn.Module)


def quiet(layer: Layer, outputs: int = 1) -> Layer:
    """Shrinks the layer through which T leaves a network, so that T starts near zero.

    On independent data the best checkpoint may be the untrained network: its bound, about minus
    half the variance of T, has to be within 0.01 nats of zero. Nothing else is shrunk: the
    gradient of this very layer stays large, so training leaves the start at once.
    """
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(QUIET / math.sqrt(outputs))
    return layer


def activate(name: str) -> nn.Module:
    if name not in ACTIVATIONS:
        raise BadInput(f"network: activation must be one of {', '.join(ACTIVATIONS)}, not {name}")
    return ACTIVATIONS[name]()


def flat(t: Tensor) -> Tensor:
    """Returns rows of any shape as vectors, [n, size]."""
    return t.reshape(t.shape[0], math.prod(t.shape[1:]))


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Returns inner products over the last dimension, broadcast over the others.

    Never [n, m, h] in memory. Where one operand already has every pair, the plain product is five
    times as fast as einsum.
    """
    if math.prod(torch.broadcast_shapes(a.shape, b.shape)) == max(a.numel(), b.numel()):
        return (a * b).sum(-1)
    return torch.einsum("...d,...d->...", a, b)


def perceptron(size: int, widths: Sequence[int], out: int, activation: str) -> nn.Sequential:
    """Builds linear layers [n, size] -> [n, out] with an activation after each but the last."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(size, width), activate(activation)]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, out))


def split_linear(size_x: int, size_z: int, out: int) -> tuple[nn.Linear, nn.Linear]:
    """Builds one linear layer over [x, z] as two, W_x x + bias and W_z z, to be added."""
    whole = nn.Linear(size_x + size_z, out)
    for_x, for_z = nn.Linear(size_x, out), nn.Linear(size_z, out, bias=False)
    with torch.no_grad():
        for_x.weight.copy_(whole.weight[:, :size_x])
        for_x.bias.copy_(whole.bias)
        for_z.weight.copy_(whole.weight[:, size_x:])
    return for_x, for_z


class PairLayers(nn.Module):
    """What follows the first layer of a concatenating network: [..., widths[0]] -> scores [...].

    Raises:
        BadInput: for an unknown activation, or no hidden layer.
    """

    def __init__(self, widths: Sequence[int], activation: str) -> None:
        super().__init__()
        if not widths:
            raise BadInput("network: widths needs at least one hidden layer, such as [100]")
        self.activation = activate(activation)
        self.layers = nn.ModuleList(linear.Linear(*sizes) for sizes in pairwise(widths))
        self.layers.append(quiet(nn.Linear(widths[-1], 1)))

    @property
    def constant(self) -> Tensor:
        """What is added to every output."""
        return cast(nn.Linear, self.layers[-1]).bias

    def forward(self, h: Tensor, noise: Noise | None = None) -> Tensor:
        learning = torch.is_grad_enabled()
        for i, layer in enumerate(cast(Iterable[nn.Linear], self.layers)):
            h = self.activation(h)
            if noise is not None:
                h = h + noise[f"hidden{i}"]
            h = layer(h) if learning else linear.linear(h, layer.weight, layer.bias)
        return h.squeeze(-1)


def image_encoder(
    name: str,
    shape: Sequence[int],
    channels: Sequence[int],
    widths: Sequence[int],
    out: int,
    activation: str,
) -> nn.Sequential:
    """Builds convolutions that halve the image, then a perceptron: [n, C, H, W] -> [n, out].

    Padded, so that a border shared with the other half of an image is seen.
    """
    if not widths:
        raise BadInput("network: widths needs at least one hidden layer, such as [100]")
    depth, *sides = shape
    least = 2 ** len(channels)
    if min(sides) < least:
        raise BadInput(
            f"network conv: {name} is a {sides[0]} x {sides[1]} image, too small for "
            f"{len(channels)} layers that halve it; at least {least} x {least}, or fewer channels"
        )
    layers: list[nn.Module] = []
    for width in channels:
        layers += [nn.Conv2d(depth, width, 3, stride=2, padding=1), activate(activation)]
        depth, sides = width, [(side + 1) // 2 for side in sides]
    flattened = depth * math.prod(sides)
    return nn.Sequential(*layers, nn.Flatten(), *perceptron(flattened, widths, out, activation))
