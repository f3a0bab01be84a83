"""PacGAN's discriminator of points in the plane, of maxout units.

References:
    | Maxout Networks (Goodfellow et al., 2013), section 2 https://arxiv.org/abs/1302.4389
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2018)
    | https://github.com/fjxmlzn/PacGAN, synthetic_data_experiments
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from mine_cli.networks.fully_connected import start
from mine_cli.networks.layers import flat
from mine_cli.networks.linear import Linear

__all__ = ["Discriminator"]


class Discriminator(nn.Module):
    r"""A perceptron of maxout units from samples [n, *shape] to logits [n], each by itself.

    .. math:: h_i(x) = \max_j \; (x^T W_{ij} + b_{ij}), \quad j = 1, \dots, k

    A layer is one product with all its pieces. Weights start from N(0, spread^2), biases from 0.

    Arguments:
        shape: The shape of one sample.
        widths: The units of the hidden layers.
        pieces: k, the linear pieces of each unit.
        spread: The weights' standard deviation at the start; 0.02 is PacGAN's.
    """

    def __init__(
        self,
        shape: Sequence[int],
        widths: Sequence[int] = (200, 200, 200),
        pieces: int = 5,
        spread: float = 0.02,
    ) -> None:
        super().__init__()
        sizes, self.pieces = [math.prod(shape), *widths], pieces
        self.layers = nn.ModuleList(
            Linear(size, pieces * width) for size, width in pairwise(sizes)
        )
        self.last = Linear(sizes[-1], 1)
        start(self, spread)

    def forward(self, x: Tensor) -> Tensor:
        h = flat(x)
        for layer in self.layers:
            h = LargestPiece.apply(layer(h).unflatten(1, (self.pieces, -1)))
        return self.last(h).squeeze(-1)


class LargestPiece(torch.autograd.Function):
    """The largest of each unit's pieces: ``[n, k, units]`` to ``[n, units]``, ``pieces.amax(1)``.

    Its gradient goes to the largest piece. torch's own also counts the equal ones, to share it
    among them, for which a step takes 1.05 times as long.
    """

    @staticmethod
    def forward(ctx: Any, pieces: Tensor) -> Tensor:
        largest = pieces.amax(1)
        ctx.save_for_backward(pieces == largest[:, None])
        return largest

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (which,) = ctx.saved_tensors
        return grad[:, None] * which
