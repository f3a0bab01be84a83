"""Statistics networks, encoders, generators, discriminators and the digit classifier."""

from mine_cli.networks.conv import ConditionedConv, Conv, ConvMLP
from mine_cli.networks.interface import Bounded
from mine_cli.networks.mlp import MLP, NoisyMLP
from mine_cli.networks.separable import Bilinear, Separable, SeparableQuadratic

__all__ = [
    "MLP", "Bilinear", "Bounded", "ConditionedConv", "Conv", "ConvMLP", "NoisyMLP", "Separable",
    "SeparableQuadratic",
]  # fmt: skip
