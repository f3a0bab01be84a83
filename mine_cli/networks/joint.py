"""Discriminators of pairs (x, z): from which of two joint laws a pair comes.

References:
    | Adversarially Learned Inference (Dumoulin et al., 2017), section 2
    | https://arxiv.org/abs/1606.00704
    | Adversarial Feature Learning (Donahue et al., 2017), section 3, the same by another name
    | https://arxiv.org/abs/1605.09782
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from mine_cli.errors import BadInput
from mine_cli.networks import dcgan, fully_connected
from mine_cli.networks.layers import flat
from mine_cli.networks.linear import Linear

__all__ = ["Convolutional", "Perceptron"]


class Perceptron(nn.Module):
    r"""A perceptron f from pairs [n, *x_shape] and [n, *z_shape] to logits [n], each by itself.

    With k `products` it also multiplies features of each side, phi and psi with one hidden layer,
    by which it sees that an x and a z do not belong together while neither is strange alone:

    .. math:: f(x, z) + \phi(x)^\top \psi(z) / \sqrt{k}

    Arguments:
        x_shape: The shape of one x.
        z_shape: The shape of one z, of any kind.
        widths: The widths of the hidden layers; the first is that of phi and psi as well.
        slope: Of the leaky ReLU, below zero.
        products: How many features of each side are multiplied; 0: none.

    References:
        | products: cGANs with Projection Discriminator (Miyato and Koyama, 2018), eq. 3, where z
        | is a class https://arxiv.org/abs/1802.05637
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        widths: Sequence[int] = (400, 400, 400),
        slope: float = 0.2,
        products: int = 0,
    ) -> None:
        super().__init__()
        sizes = math.prod(x_shape), math.prod(z_shape)
        self.layers = fully_connected.Discriminator((sum(sizes),), widths, slope)
        self.products = products
        if products:
            self.phi, self.psi = (
                nn.Sequential(
                    Linear(size, widths[0]), nn.LeakyReLU(slope), Linear(widths[0], products)
                )
                for size in sizes
            )

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        x, z = flat(x), flat(z)
        logit = self.layers(torch.cat([x, z], 1))
        if not self.products:
            return logit
        return logit + (self.phi(x) * self.psi(z)).sum(1) / math.sqrt(self.products)


class Convolutional(nn.Module):
    """Convolutions of x, then a perceptron of their features and z: logits [n].

    Where z is an image of the same size, as of a pair of images, it goes through the convolutions
    beside x. No BatchNorm: each pair is judged by itself.

    Arguments:
        x_shape: Of one image: (C, side, side) with a side of 28, 32 or 64.
        z_shape: The shape of one z: a vector, or an image as large as x.
        channels: How many maps each convolution has, which halves the image.
        width: Units of the hidden layer over features and z.

    Raises:
        BadInput: for images of another shape, or another number of layers.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        z_shape: Sequence[int],
        channels: Sequence[int] = (64, 128, 256, 512),
        width: int = 512,
    ) -> None:
        super().__init__()
        dcgan.check("discriminator", x_shape, channels, "joint")
        self.of_images = len(z_shape) == 3
        if self.of_images and tuple(z_shape[1:]) != tuple(x_shape[1:]):
            raise BadInput(
                f"discriminator: images of shape {tuple(x_shape)} and {tuple(z_shape)}; want "
                "pairs of one size"
            )
        depth = x_shape[0] + (z_shape[0] if self.of_images else 0)
        layers: list[nn.Module] = []
        for before, after in pairwise([depth, *channels]):
            layers += [dcgan.halving(before, after, bias=True), nn.LeakyReLU(dcgan.SLOPE)]
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.convolutions.apply(dcgan.start).apply(dcgan.keep_size)
        features = channels[-1] * dcgan.sides(x_shape)[0] ** 2
        others = 0 if self.of_images else math.prod(z_shape)
        self.head = nn.Sequential(
            Linear(features + others, width), nn.LeakyReLU(dcgan.SLOPE), Linear(width, 1)
        )

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        if self.of_images:
            return self.head(self.convolutions(torch.cat([x, z], 1))).squeeze(-1)
        return self.head(torch.cat([self.convolutions(x), flat(z)], 1)).squeeze(-1)
