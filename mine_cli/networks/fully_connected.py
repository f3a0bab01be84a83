"""The fully connected generator, encoder and discriminator, for points or any other shape.

References:
    | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 5.1 and appendix
    | https://arxiv.org/abs/1801.04062
    | the start that has a spread: PacGAN's published code, as of `maxout`
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from mine_cli.networks.layers import flat
from mine_cli.networks.linear import Linear

__all__ = ["Discriminator", "Encoder", "Generator", "start"]


class Generator(nn.Module):
    """A perceptron from latents [n, latent_dim] to samples [n, *shape].

    Arguments:
        latent_dim: The number of coordinates of a latent.
        shape: The shape of one sample.
        widths: The widths of the hidden layers.
        batch_norm: Whether each hidden layer is normalised over the batch, before its activation.
        slope: Of the leaky ReLU, below zero. The paper names none; 0.2 is DCGAN's.
        spread: The weights' standard deviation at the start, with biases of 0; None: torch's own.
        tanh: Whether the last layer, else linear, ends in tanh, for images in [-1, 1].
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        widths: Sequence[int] = (500, 500),
        batch_norm: bool = True,
        slope: float = 0.2,
        spread: float | None = None,
        tanh: bool = False,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        sizes = [latent_dim, *widths]
        layers: list[nn.Module] = []
        for size, width in pairwise(sizes):
            # BatchNorm would take a bias away again.
            layers.append(Linear(size, width, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(nn.LeakyReLU(slope))
        layers.append(Linear(sizes[-1], math.prod(shape)))
        self.layers = nn.Sequential(*layers, *([nn.Tanh()] if tanh else []))
        if spread is not None:
            start(self, spread)

    def forward(self, latent: Tensor) -> Tensor:
        return self.layers(latent).reshape(len(latent), *self.shape)


class Encoder(nn.Module):
    """A perceptron from samples [n, *shape] to codes [n, latent_dim], linear in its last layer.

    Arguments:
        shape: The shape of one sample.
        latent_dim: The number of coordinates of a code.
        widths, batch_norm, slope, spread: As of `Generator`.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        widths: Sequence[int] = (500, 500),
        batch_norm: bool = True,
        slope: float = 0.2,
        spread: float | None = None,
    ) -> None:
        super().__init__()
        size = math.prod(shape)
        self.layers = Generator(size, (latent_dim,), widths, batch_norm, slope, spread)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(flat(x))


class Discriminator(nn.Module):
    """A perceptron from samples [n, *shape] to logits [n]; it works on each sample by itself.

    Arguments:
        shape: The shape of one sample.
        widths: The widths of the hidden layers.
        slope: Of the leaky ReLU, below zero. The paper names none; 0.2 is DCGAN's.
    """

    def __init__(
        self,
        shape: Sequence[int],
        widths: Sequence[int] = (400, 400, 400),
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        sizes = [math.prod(shape), *widths]
        layers: list[nn.Module] = []
        for size, width in pairwise(sizes):
            layers += [Linear(size, width), nn.LeakyReLU(slope)]
        self.layers = nn.Sequential(*layers, Linear(sizes[-1], 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(flat(x)).squeeze(-1)


def start(network: nn.Module, spread: float) -> None:
    """Draws the weights of all linear layers from N(0, spread^2), and sets their biases to 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=spread)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
