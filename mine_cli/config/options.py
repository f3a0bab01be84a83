"""The typed schemas of datasets, networks, bounds and marginals: each names the class it builds.

Beside each default stands the rule that its value obeys. Imports no torch.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import II, MISSING

from mine_cli.config.rules import (
    FINITE,
    POSITIVE,
    SEED,
    SHARE,
    Rule,
    at_least,
    between,
    list_of,
    one_of,
    or_none,
    ruled,
)

__all__ = [
    "AdditiveConf",
    "AllPairsConf",
    "ArraysConf",
    "BilinearConf",
    "ConditionedConvConf",
    "ConvConf",
    "DCGANDiscriminatorConf",
    "DCGANGeneratorConf",
    "DVConf",
    "DerangementConf",
    "DeterministicConf",
    "DigitsConf",
    "FullyConnectedDiscriminatorConf",
    "FullyConnectedGeneratorConf",
    "FunctionsConf",
    "GaussianConf",
    "GaussianEncoderConf",
    "GaussianGridConf",
    "GaussianRingConf",
    "ImageHalvesConf",
    "ImageLabelConf",
    "IndependentConf",
    "InfoNCEConf",
    "JensenShannonConf",
    "MLPConf",
    "MNISTConf",
    "MineConf",
    "MineFConf",
    "NoisyMLPConf",
    "PropagatedConf",
    "SeparableConf",
    "SeparableQuadraticConf",
    "ShuffleConf",
    "SmileConf",
    "SpiralConf",
    "StackedMNISTConf",
    "TubaConf",
]

ACTIVATION = one_of("elu", "gelu", "leaky_relu", "relu", "silu", "tanh")
CLASSIFIER = "${cache_dir}/classifier_${.name}.pt"
DATA_DIR = II("data_dir")
IMAGES = one_of("mnist", "fashion_mnist")
ROOT_SEED = II("seed")
WIDTHS = list_of(at_least(1))


@dataclass
class GaussianConf:
    _target_: str = "mine_cli.data.gaussian.Gaussian"
    dim: int = ruled(2, at_least(1))
    rho: float | None = ruled(0.8, or_none(between(-1, 1)))
    mi: float | None = ruled(None, or_none(at_least(0)))
    cube: bool = False
    n: int | None = ruled(None, or_none(at_least(100)))
    seed: int = ruled(ROOT_SEED, SEED)


@dataclass
class FunctionsConf:
    _target_: str = "mine_cli.data.functions.Functions"
    f: str = ruled("sin", one_of("x", "cube", "sin"))
    sigma: float = ruled(0.3, POSITIVE)
    dim: int = ruled(2, at_least(1))
    n: int | None = ruled(None, or_none(at_least(100)))
    seed: int = ruled(ROOT_SEED, SEED)


@dataclass
class ArraysConf:
    _target_: str = "mine_cli.data.arrays.Arrays"
    path: Any = MISSING
    x: Any = None
    z: Any = None
    categorical: list[Any] = field(default_factory=list)
    test_path: Any = None
    seed: int = ruled(0, SEED)  # not the root's: runs of all seeds are tested on the same rows


@dataclass
class ImageLabelConf:
    _target_: str = "mine_cli.data.images.ImageLabel"
    name: str = ruled("mnist", IMAGES)
    data_dir: str = DATA_DIR
    shuffle_labels: bool = False
    seed: int = ruled(ROOT_SEED, SEED)


@dataclass
class ImageHalvesConf:
    _target_: str = "mine_cli.data.images.ImageHalves"
    name: str = ruled("mnist", IMAGES)
    data_dir: str = DATA_DIR
    axis: str = ruled("horizontal", one_of("horizontal", "vertical"))


@dataclass
class MNISTConf:
    _target_: str = "mine_cli.data.images.LabelledImages"
    name: str = ruled("mnist", IMAGES)
    data_dir: str = DATA_DIR
    permute: bool = False
    seed: int = ruled(0, SEED)  # not the root's: runs of all seeds see the same images


@dataclass
class GaussianGridConf:
    _target_: str = "mine_cli.data.mixtures.GaussianGrid"
    side: int = ruled(5, at_least(1))
    spacing: float = ruled(2.0, POSITIVE)
    sigma: float = ruled(0.05, POSITIVE)
    n: int | None = ruled(100_000, or_none(at_least(100)))
    seed: int = ruled(ROOT_SEED, SEED)


@dataclass
class GaussianRingConf:
    _target_: str = "mine_cli.data.mixtures.GaussianRing"
    modes: int = ruled(8, at_least(1))
    radius: float = ruled(2.0, POSITIVE)
    sigma: float = ruled(0.02, POSITIVE)
    n: int | None = ruled(100_000, or_none(at_least(100)))
    seed: int = ruled(ROOT_SEED, SEED)


@dataclass
class SpiralConf:
    _target_: str = "mine_cli.data.spiral.Spiral"
    turns: float = ruled(1.5, POSITIVE)
    radius: float = ruled(4.0, POSITIVE)
    sigma: float = ruled(0.05, POSITIVE)
    bins: int = ruled(100, at_least(1))
    n: int | None = ruled(100_000, or_none(at_least(100)))
    seed: int = ruled(ROOT_SEED, SEED)


@dataclass
class StackedMNISTConf:
    _target_: str = "mine_cli.data.digits.StackedMNIST"
    name: str = ruled("mnist", IMAGES)
    data_dir: str = DATA_DIR
    classifier: str = CLASSIFIER
    n: int | None = ruled(128_000, or_none(at_least(100)))
    seed: int = ruled(ROOT_SEED, SEED)


@dataclass
class DigitsConf:
    _target_: str = "mine_cli.data.digits.Digits"
    name: str = ruled("mnist", IMAGES)
    data_dir: str = DATA_DIR
    classifier: str = CLASSIFIER


@dataclass
class FullyConnectedGeneratorConf:
    _target_: str = "mine_cli.networks.fully_connected.Generator"
    widths: list[int] = field(default_factory=lambda: [500, 500], metadata={"rule": WIDTHS})
    batch_norm: bool = True
    slope: float = ruled(0.2, at_least(0))


@dataclass
class FullyConnectedDiscriminatorConf:
    _target_: str = "mine_cli.networks.fully_connected.Discriminator"
    widths: list[int] = field(default_factory=lambda: [400, 400, 400], metadata={"rule": WIDTHS})
    slope: float = ruled(0.2, at_least(0))


@dataclass
class DCGANGeneratorConf:
    _target_: str = "mine_cli.networks.dcgan.Generator"
    channels: list[int] = field(
        default_factory=lambda: [512, 256, 128, 64], metadata={"rule": WIDTHS}
    )


@dataclass
class DCGANDiscriminatorConf:
    _target_: str = "mine_cli.networks.dcgan.Discriminator"
    channels: list[int] = field(
        default_factory=lambda: [64, 128, 256, 512], metadata={"rule": WIDTHS}
    )
    batch_norm: bool = True


@dataclass
class DeterministicConf:
    _target_: str = "mine_cli.networks.encoders.Deterministic"
    features: int = ruled(256, at_least(1))
    widths: list[int] = field(default_factory=lambda: [1024, 1024], metadata={"rule": WIDTHS})
    activation: str = ruled("relu", ACTIVATION)
    dropout: float = ruled(0.0, Rule(lambda v: 0 <= v < 1, "must be a share in [0, 1)"))


@dataclass
class GaussianEncoderConf(DeterministicConf):
    _target_: str = "mine_cli.networks.encoders.Gaussian"
    std: float = ruled(0.0067, POSITIVE)
    gain: float = ruled(1.0, POSITIVE)
    input_noise: float = ruled(0.0, at_least(0))


@dataclass
class AdditiveConf(DeterministicConf):
    _target_: str = "mine_cli.networks.encoders.Additive"
    sigma: float = ruled(0.3, POSITIVE)


@dataclass
class PropagatedConf(DeterministicConf):
    _target_: str = "mine_cli.networks.encoders.Propagated"
    noise_dim: int = ruled(100, at_least(1))


@dataclass
class ConditionedConvConf:
    _target_: str = "mine_cli.networks.conv.ConditionedConv"
    channels: list[int] = field(default_factory=lambda: [16, 32, 64], metadata={"rule": WIDTHS})
    activation: str = ruled("elu", ACTIVATION)


@dataclass
class MLPConf:
    _target_: str = "mine_cli.networks.MLP"
    widths: list[int] = field(default_factory=lambda: [100, 100], metadata={"rule": WIDTHS})
    activation: str = ruled("gelu", ACTIVATION)


@dataclass
class NoisyMLPConf:
    _target_: str = "mine_cli.networks.NoisyMLP"
    widths: list[int] = field(default_factory=lambda: [512, 512], metadata={"rule": WIDTHS})
    input_noise: float = ruled(0.3, at_least(0))
    hidden_noise: float = ruled(0.5, at_least(0))
    activation: str = ruled("elu", ACTIVATION)


@dataclass
class SeparableConf:
    _target_: str = "mine_cli.networks.Separable"
    widths: list[int] = field(default_factory=lambda: [100, 100], metadata={"rule": WIDTHS})
    features: int = ruled(32, at_least(1))
    activation: str = ruled("gelu", ACTIVATION)


@dataclass
class SeparableQuadraticConf(SeparableConf):
    _target_: str = "mine_cli.networks.SeparableQuadratic"


@dataclass
class BilinearConf:
    _target_: str = "mine_cli.networks.Bilinear"


@dataclass
class ConvConf:
    _target_: str = "mine_cli.networks.Conv"
    channels: list[int] = field(default_factory=lambda: [16, 32], metadata={"rule": WIDTHS})
    widths: list[int] = field(default_factory=lambda: [100], metadata={"rule": WIDTHS})
    features: int = ruled(32, at_least(1))
    activation: str = ruled("gelu", ACTIVATION)


@dataclass
class MineConf:
    _target_: str = "mine_cli.bounds.Mine"
    rate: float = ruled(0.01, SHARE)
    start: float | None = ruled(None, or_none(POSITIVE))


@dataclass
class DVConf:
    _target_: str = "mine_cli.bounds.DV"


@dataclass
class MineFConf:
    _target_: str = "mine_cli.bounds.MineF"


@dataclass
class InfoNCEConf:
    _target_: str = "mine_cli.bounds.InfoNCE"


@dataclass
class JensenShannonConf:
    _target_: str = "mine_cli.bounds.JensenShannon"


@dataclass
class SmileConf:
    _target_: str = "mine_cli.bounds.Smile"
    clip: float = ruled(5.0, POSITIVE)


@dataclass
class TubaConf:
    _target_: str = "mine_cli.bounds.Tuba"
    baseline: float = ruled(1.0, FINITE)


@dataclass
class ShuffleConf:
    _target_: str = "mine_cli.marginals.Shuffle"
    num: int = ruled(1, at_least(1))


@dataclass
class DerangementConf(ShuffleConf):
    _target_: str = "mine_cli.marginals.Derangement"


@dataclass
class IndependentConf(ShuffleConf):
    _target_: str = "mine_cli.marginals.Independent"


@dataclass
class AllPairsConf:
    _target_: str = "mine_cli.marginals.AllPairs"
    rows: int = ruled(64, at_least(2))
