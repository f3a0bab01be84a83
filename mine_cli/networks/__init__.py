"""Statistics networks, encoders, generators, discriminators and the digit classifier."""

from mine_cli.networks.conv import ConditionedConv
from mine_cli.networks.mlp import (
    MLP,
    Bilinear,
    Bounded,
    Conv,
    NoisyMLP,
    Separable,
    SeparableQuadratic,
)

__all__ = [
    "MLP", "Bilinear", "Bounded", "ConditionedConv", "Conv", "NoisyMLP", "Separable",
    "SeparableQuadratic",
]  # fmt: skip
