"""The typed schemas of datasets, networks, bounds and marginals: each names the class it builds.

Beside each default stands the rule that its value obeys. Imports no torch.
"""

from dataclasses import dataclass
from typing import Any

from omegaconf import II, MISSING

from mine_cli.config.rules import (
    FILES,
    FINITE,
    NAMES,
    POSITIVE,
    SEED,
    SHARE,
    TABLE,
    Rule,
    at_least,
    between,
    each,
    list_of,
    one_of,
    or_none,
    ruled,
    within,
)

__all__ = [
    "AdditiveConf",
    "AdditiveNoiseConf",
    "AllPairsConf",
    "ArraysConf",
    "BeyondNormalConf",
    "BilinearConf",
    "ConditionedConvConf",
    "ConvConf",
    "ConvMLPConf",
    "DCGANDiscriminatorConf",
    "DCGANEncoderConf",
    "DCGANGeneratorConf",
    "DVConf",
    "DenseGaussianConf",
    "DerangementConf",
    "DeterministicConf",
    "DigitsConf",
    "DiscreteTableConf",
    "FullyConnectedDiscriminatorConf",
    "FullyConnectedEncoderConf",
    "FullyConnectedGeneratorConf",
    "FunctionsConf",
    "GaussianConf",
    "GaussianConvEncoderConf",
    "GaussianEncoderConf",
    "GaussianGridConf",
    "GaussianRingConf",
    "ImageChannelConf",
    "ImageFolderConf",
    "ImageHalvesConf",
    "ImageLabelConf",
    "IndependentConf",
    "InfoNCEConf",
    "JensenShannonConf",
    "JointConf",
    "JointConvConf",
    "MLPConf",
    "MNISTConf",
    "MaxoutDiscriminatorConf",
    "MineConf",
    "MineFConf",
    "MixtureConf",
    "NoisyMLPConf",
    "OscillatingConf",
    "PropagatedConf",
    "SeparableConf",
    "SeparableQuadraticConf",
    "ShuffleConf",
    "SmileConf",
    "SparseGaussianConf",
    "SpiralConf",
    "StackedMNISTConf",
    "StaircaseConf",
    "StudentConf",
    "TubaConf",
]

ACTIVATION = one_of("elu", "gelu", "leaky_relu", "relu", "silu", "tanh")
CLASSIFIER = "${cache_dir}/classifier_${.name}.pt"
DATA_DIR = II("data_dir")
IMAGES = one_of("mnist", "fashion_mnist")
ROOT_SEED = II("seed")
WIDTHS = list_of(at_least(1))
FIXED_ROWS = "Rows of a fixed sample; null: fresh draws for every batch."
MAPS = each(
    one_of("asinh", "half_cube", "wiggly", "normal_cdf", "bimodal", "spiral", "swiss_roll")
)
TRANSFORM = "Invertible maps of x and z, in their order, which leave the information as it is."


@dataclass
class GaussianConf:
    _target_: str = "mine_cli.data.gaussian.Gaussian"
    dim: int = ruled(2, at_least(1), "Dimension of x, and of z.")
    rho: float | None = ruled(0.8, or_none(between(-1, 1)), "Correlation of x_i and z_i.")
    mi: float | None = ruled(
        None,
        or_none(at_least(0)),
        "Mutual information in nats, which then sets rho; null: rho holds.",
    )
    cube: bool = ruled(
        False, None, "Give the cubes of x and z, which leaves the mutual information as it is."
    )
    n: int | None = ruled(
        None, or_none(at_least(100)), "Rows of a fixed sample; null: fresh draws for every batch."
    )
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class StaircaseConf:
    _target_: str = "mine_cli.data.staircase.Staircase"
    levels: list[float] = ruled(
        [2, 4, 6, 8, 10],
        list_of(at_least(0)),
        "Mutual information in nats of each stage, of which all are equally long.",
    )
    dim: int = ruled(20, at_least(1), "Dimension of x, and of z.")
    cube: bool = ruled(
        False, None, "Give the cubes of x and z, which leaves the mutual information as it is."
    )


@dataclass
class FunctionsConf:
    _target_: str = "mine_cli.data.functions.Functions"
    f: str = ruled("sin", one_of("x", "cube", "sin"), "The function f in z = f(x) + sigma noise.")
    sigma: float = ruled(0.3, POSITIVE, "Standard deviation of the noise.")
    dim: int = ruled(2, at_least(1), "Dimension of x, and of z.")
    n: int | None = ruled(
        None, or_none(at_least(100)), "Rows of a fixed sample; null: fresh draws for every batch."
    )
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class DenseGaussianConf:
    _target_: str = "mine_cli.data.elliptical.DenseGaussian"
    dim: int = ruled(2, at_least(1), "Columns of x, and of z.")
    rho: float = ruled(0.5, between(-1, 1), "Correlation of any two columns of x and z.")
    transform: list[str] = ruled([], MAPS, TRANSFORM)
    n: int | None = ruled(None, or_none(at_least(100)), FIXED_ROWS)
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class SparseGaussianConf:
    _target_: str = "mine_cli.data.elliptical.SparseGaussian"
    dim: int = ruled(3, at_least(1), "Columns of x, and of z.")
    rho: float = ruled(0.8, between(-1, 1), "Correlation of x_i and z_i in the first columns.")
    pairs: int = ruled(2, at_least(1), "Columns that correlate with their partner, at most dim.")
    transform: list[str] = ruled([], MAPS, TRANSFORM)
    n: int | None = ruled(None, or_none(at_least(100)), FIXED_ROWS)
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class StudentConf:
    _target_: str = "mine_cli.data.elliptical.Student"
    dim: int = ruled(2, at_least(1), "Columns of x, and of z.")
    degrees: int = ruled(1, within(1, 100), "Degrees of freedom; 1 is the Cauchy law.")
    rho: float = ruled(
        0.0, between(-1, 1), "Off-diagonal of the dispersion of x and z; 0: the identity."
    )
    transform: list[str] = ruled([], MAPS, TRANSFORM)
    n: int | None = ruled(None, or_none(at_least(100)), FIXED_ROWS)
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class AdditiveNoiseConf:
    _target_: str = "mine_cli.data.laws.AdditiveNoise"
    eps: float = ruled(0.1, POSITIVE, "Largest noise: uniform between -eps and eps.")
    transform: list[str] = ruled([], MAPS, TRANSFORM)
    n: int | None = ruled(None, or_none(at_least(100)), FIXED_ROWS)
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class OscillatingConf:
    _target_: str = "mine_cli.data.laws.Oscillating"
    periods: int = ruled(4, at_least(1), "Periods of the sine over the range of x.")
    sigma: float = ruled(
        0.2,
        Rule(lambda value: 0.01 <= value <= 100, "must lie between 0.01 and 100"),
        "Standard deviation of the noise.",
    )
    transform: list[str] = ruled([], MAPS, TRANSFORM)
    n: int | None = ruled(None, or_none(at_least(100)), FIXED_ROWS)
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class MixtureConf:
    _target_: str = "mine_cli.data.pair_mixtures.PairMixture"
    law: str = ruled(
        "cross",
        one_of("cross", "letters", "galaxy", "waves"),
        "The mixture: cross and letters of 1 + 1 columns, galaxy and waves of 2 + 1.",
    )
    transform: list[str] = ruled([], MAPS, TRANSFORM)
    n: int | None = ruled(None, or_none(at_least(100)), FIXED_ROWS)
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class DiscreteTableConf:
    _target_: str = "mine_cli.data.discrete.DiscreteTable"
    table: list[Any] = ruled(
        [[0.4, 0.1], [0.1, 0.4]], TABLE, "Probabilities of the cells, a list for each value of x."
    )
    n: int | None = ruled(None, or_none(at_least(100)), FIXED_ROWS)
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class BeyondNormalConf:
    _target_: str = "mine_cli.data.beyond_normal.BeyondNormal"
    law: str = ruled("normal", None, "Name of one of the forty laws, such as student_5_2.")
    n: int | None = ruled(None, or_none(at_least(100)), FIXED_ROWS)
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class ImageChannelConf:
    _target_: str = "mine_cli.data.image_channel.ImageChannel"
    name: str = ruled("mnist", IMAGES, "Image data set.")
    data_dir: str = ruled(DATA_DIR, None, "Folder of the image data.")
    bits: int = ruled(4, within(1, 16), "Bits that are sent, each an image of a 0 or a 1.")
    flip: float = ruled(
        0.1,
        Rule(lambda value: 0 <= value <= 0.5, "must be a probability from 0 to 0.5"),
        "Probability that a bit is flipped on its way.",
    )
    n: int | None = ruled(None, or_none(at_least(100)), FIXED_ROWS)
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class ArraysConf:
    _target_: str = "mine_cli.data.arrays.Arrays"
    path: Any = ruled(
        MISSING,
        FILES,
        "File .npz, .csv, .tsv, .parquet, .feather or .h5ad, a folder of .parquet, or two .npy.",
    )
    x: Any = ruled(None, or_none(NAMES), "Array or columns of x; null: the array named x.")
    z: Any = ruled(None, or_none(NAMES), "Array or columns of z; null: the array named z.")
    given: Any = ruled(
        None, or_none(NAMES), "Columns w: the information of x and z is that given w; null: none."
    )
    categorical: list[Any] = ruled(
        [], NAMES, "Columns whose numbers are classes, to be one-hot coded; text is anyway."
    )
    missing: str | None = ruled(
        None,
        or_none(one_of("drop", "refuse")),
        "Rows with a gap in a chosen column: drop, refuse; null: drop in tables, else refuse.",
    )
    lag: int = ruled(
        0, None, "Pairs x with z so many rows later (below 0: earlier); for rows in time order."
    )
    separator: str | None = ruled(
        None,
        or_none(one_of("tab", '[^\\w"]', shown="one character")),
        "Between the cells of a text file; null: comma, semicolon or tab, as its lines show.",
    )
    decimal: str | None = ruled(
        None,
        or_none(one_of("[.,]", shown="a point or a comma")),
        "Decimal sign of a text file; null: as its numbers show.",
    )
    test_path: Any = ruled(
        None,
        or_none(FILES),
        "File of the test rows, for task=infobottleneck; null: a random tenth of the rows.",
    )
    seed: int = ruled(
        0, SEED, "Seed that draws the test rows, the same for every seed of the run."
    )  # not the root's: runs of all seeds are tested on the same rows


@dataclass
class ImageLabelConf:
    _target_: str = "mine_cli.data.images.ImageLabel"
    name: str = ruled("mnist", IMAGES, "Image data set.")
    data_dir: str = ruled(DATA_DIR, None, "Folder of the image data.")
    shuffle_labels: bool = ruled(
        False, None, "Give every image a label at random, so that the mutual information is 0."
    )
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the shuffled labels.")


@dataclass
class ImageHalvesConf:
    _target_: str = "mine_cli.data.images.ImageHalves"
    name: str = ruled("mnist", IMAGES, "Image data set.")
    data_dir: str = ruled(DATA_DIR, None, "Folder of the image data.")
    axis: str = ruled(
        "horizontal",
        one_of("horizontal", "vertical"),
        "Axis of the halves: horizontal gives left and right, vertical upper and lower.",
    )


@dataclass
class MNISTConf:
    _target_: str = "mine_cli.data.images.LabelledImages"
    name: str = ruled("mnist", IMAGES, "Image data set.")
    data_dir: str = ruled(DATA_DIR, None, "Folder of the image data.")
    permute: bool = ruled(False, None, "Permute the pixels of every image in the same way.")
    outliers: str | None = ruled(
        None,
        or_none(IMAGES),
        "Image data set that a classifier of these is to be unsure of; null: none.",
    )
    seed: int = ruled(
        0, SEED, "Seed of the permutation, the same for every seed of the run."
    )  # not the root's: runs of all seeds see the same images


@dataclass
class GaussianGridConf:
    _target_: str = "mine_cli.data.mixtures.GaussianGrid"
    side: int = ruled(5, at_least(1), "Gaussians along each side of the grid.")
    spacing: float = ruled(2.0, POSITIVE, "Distance of neighbouring centres.")
    sigma: float = ruled(0.05, POSITIVE, "Standard deviation of each Gaussian.")
    n: int | None = ruled(
        100_000,
        or_none(at_least(100)),
        "Rows of a fixed sample; null: fresh draws for every batch.",
    )
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class GaussianRingConf:
    _target_: str = "mine_cli.data.mixtures.GaussianRing"
    modes: int = ruled(8, at_least(1), "Gaussians on the ring.")
    radius: float = ruled(2.0, POSITIVE, "Radius of the ring.")
    sigma: float = ruled(0.02, POSITIVE, "Standard deviation of each Gaussian.")
    n: int | None = ruled(
        100_000,
        or_none(at_least(100)),
        "Rows of a fixed sample; null: fresh draws for every batch.",
    )
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class SpiralConf:
    _target_: str = "mine_cli.data.spiral.Spiral"
    turns: float = ruled(1.5, POSITIVE, "Turns of the spiral.")
    radius: float = ruled(4.0, POSITIVE, "Radius of its outer end.")
    sigma: float = ruled(0.05, POSITIVE, "Standard deviation of the noise.")
    bins: int = ruled(100, at_least(1), "Bins of equal arc length that count as modes.")
    n: int | None = ruled(
        100_000,
        or_none(at_least(100)),
        "Rows of a fixed sample; null: fresh draws for every batch.",
    )
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class StackedMNISTConf:
    _target_: str = "mine_cli.data.digits.StackedMNIST"
    name: str = ruled("mnist", IMAGES, "Image data set.")
    data_dir: str = ruled(DATA_DIR, None, "Folder of the image data.")
    classifier: str = ruled(
        CLASSIFIER, None, "File of the classifier that judges images, from task=classifier."
    )
    n: int | None = ruled(
        128_000,
        or_none(at_least(100)),
        "Stacks of a fixed sample; null: fresh draws for every batch.",
    )
    seed: int = ruled(ROOT_SEED, SEED, "Seed of the fixed sample.")


@dataclass
class DigitsConf:
    _target_: str = "mine_cli.data.digits.Digits"
    name: str = ruled("mnist", IMAGES, "Image data set.")
    data_dir: str = ruled(DATA_DIR, None, "Folder of the image data.")
    classifier: str = ruled(
        CLASSIFIER, None, "File of the classifier that judges images, from task=classifier."
    )


@dataclass
class ImageFolderConf:
    _target_: str = "mine_cli.data.folder.ImageFolder"
    path: str = ruled(MISSING, None, "Folder of pictures: .jpg, .png, .gif or .webp.")
    side: int = ruled(64, Rule(lambda v: v in (32, 64), "must be 32 or 64"), "Pixels of a side.")
    held_out: float = ruled(
        0.1, between(0, 1), "Share of the pictures that does not train, on which it is judged."
    )
    workers: int = ruled(
        2,
        at_least(0),
        "Processes that decode pictures ahead, where these are too many to be kept; 0: none.",
    )
    seed: int = ruled(
        0, SEED, "Seed that draws them, the same for every seed of the run."
    )  # not the root's: runs of all seeds are judged on the same pictures


@dataclass
class FullyConnectedGeneratorConf:
    _target_: str = "mine_cli.networks.fully_connected.Generator"
    widths: list[int] = ruled([500, 500], WIDTHS, "Units of each hidden layer.")
    batch_norm: bool = ruled(True, None, "Batch normalisation after each hidden layer.")
    slope: float = ruled(0.2, at_least(0), "Negative slope of LeakyReLU.")
    spread: float | None = ruled(
        None,
        or_none(POSITIVE),
        "Standard deviation of the weights at the start; null: torch's own start.",
    )
    tanh: bool = ruled(False, None, "End in tanh, for images in [-1, 1].")


@dataclass
class FullyConnectedDiscriminatorConf:
    _target_: str = "mine_cli.networks.fully_connected.Discriminator"
    widths: list[int] = ruled([400, 400, 400], WIDTHS, "Units of each hidden layer.")
    slope: float = ruled(0.2, at_least(0), "Negative slope of LeakyReLU.")


@dataclass
class MaxoutDiscriminatorConf:
    _target_: str = "mine_cli.networks.maxout.Discriminator"
    widths: list[int] = ruled([200, 200, 200], WIDTHS, "Units of each hidden layer.")
    pieces: int = ruled(5, at_least(1), "Linear pieces of each unit.")
    spread: float = ruled(0.02, POSITIVE, "Standard deviation of the weights at the start.")


@dataclass
class DCGANGeneratorConf:
    _target_: str = "mine_cli.networks.dcgan.Generator"
    channels: list[int] = ruled(
        [512, 256, 128, 64], WIDTHS, "Channels of each layer, from the latent to the image."
    )


@dataclass
class DCGANDiscriminatorConf:
    _target_: str = "mine_cli.networks.dcgan.Discriminator"
    channels: list[int] = ruled(
        [64, 128, 256, 512], WIDTHS, "Channels of each layer, from the image to the logit."
    )
    batch_norm: bool = ruled(True, None, "Batch normalisation of the inner layers.")


@dataclass
class JointConf:
    _target_: str = "mine_cli.networks.joint.Perceptron"
    widths: list[int] = ruled([400, 400, 400], WIDTHS, "Units of each hidden layer.")
    slope: float = ruled(0.2, at_least(0), "Negative slope of LeakyReLU.")
    products: int = ruled(
        0, at_least(0), "Features of x and of z that are multiplied beside them; 0: none."
    )


@dataclass
class JointConvConf:
    _target_: str = "mine_cli.networks.joint.Convolutional"
    channels: list[int] = ruled(
        [64, 128, 256, 512], WIDTHS, "Channels of each layer, from the image to the logit."
    )
    width: int = ruled(512, at_least(1), "Units of the hidden layer over features and code.")


@dataclass
class FullyConnectedEncoderConf:
    _target_: str = "mine_cli.networks.fully_connected.Encoder"
    widths: list[int] = ruled([500, 500], WIDTHS, "Units of each hidden layer.")
    batch_norm: bool = ruled(True, None, "Batch normalisation after each hidden layer.")
    slope: float = ruled(0.2, at_least(0), "Negative slope of LeakyReLU.")
    spread: float | None = ruled(
        None,
        or_none(POSITIVE),
        "Standard deviation of the weights at the start; null: torch's own start.",
    )


@dataclass
class DCGANEncoderConf:
    _target_: str = "mine_cli.networks.dcgan.Encoder"
    channels: list[int] = ruled(
        [64, 128, 256, 512], WIDTHS, "Channels of each layer, from the image to the code."
    )
    batch_norm: bool = ruled(True, None, "Batch normalisation of the inner layers.")


@dataclass
class DeterministicConf:
    _target_: str = "mine_cli.networks.encoders.Deterministic"
    features: int = ruled(256, at_least(1), "Dimension of the code z.")
    widths: list[int] = ruled([1024, 1024], WIDTHS, "Units of each hidden layer.")
    activation: str = ruled("relu", ACTIVATION, "Activation of the hidden layers.")
    dropout: float = ruled(
        0.0,
        Rule(lambda v: 0 <= v < 1, "must be a share in [0, 1)"),
        "Share of the hidden units that is dropped in training.",
    )


@dataclass
class GaussianEncoderConf(DeterministicConf):
    _target_: str = "mine_cli.networks.encoders.Gaussian"
    std: float = ruled(
        0.0067, POSITIVE, "Standard deviation of the code at the start of the training."
    )
    gain: float = ruled(1.0, POSITIVE, "Gain of the output layer's initial weights.")
    input_noise: float = ruled(
        0.0, at_least(0), "Standard deviation of further Gaussian noise on x; 0: none."
    )


@dataclass
class GaussianConvEncoderConf:
    _target_: str = "mine_cli.networks.encoders.GaussianConv"
    features: int = ruled(256, at_least(1), "Dimension of the code z.")
    channels: list[int] = ruled(
        [32, 64, 128], WIDTHS, "Channels of each convolution, which halves the image."
    )
    activation: str = ruled("relu", ACTIVATION, "Activation of the hidden layers.")
    std: float = ruled(
        0.0067, POSITIVE, "Standard deviation of the code at the start of the training."
    )
    gain: float = ruled(1.0, POSITIVE, "Gain of the output layer's initial weights.")
    input_noise: float = ruled(
        0.0, at_least(0), "Standard deviation of further Gaussian noise on x; 0: none."
    )


@dataclass
class AdditiveConf(DeterministicConf):
    _target_: str = "mine_cli.networks.encoders.Additive"
    sigma: float = ruled(0.3, POSITIVE, "Standard deviation of the noise on x.")


@dataclass
class PropagatedConf(DeterministicConf):
    _target_: str = "mine_cli.networks.encoders.Propagated"
    noise_dim: int = ruled(100, at_least(1), "Coordinates of noise beside x.")


@dataclass
class ConditionedConvConf:
    _target_: str = "mine_cli.networks.conv.ConditionedConv"
    channels: list[int] = ruled([16, 32, 64], WIDTHS, "Channels of each convolution.")
    activation: str = ruled("elu", ACTIVATION, "Activation of the hidden layers.")


@dataclass
class MLPConf:
    _target_: str = "mine_cli.networks.MLP"
    widths: list[int] = ruled([100, 100], WIDTHS, "Units of each hidden layer.")
    activation: str = ruled("gelu", ACTIVATION, "Activation of the hidden layers.")
    lengths: bool = ruled(
        False, None, "Whether it sees the length of each x and of each z beside their columns."
    )


@dataclass
class NoisyMLPConf:
    _target_: str = "mine_cli.networks.NoisyMLP"
    widths: list[int] = ruled([512, 512], WIDTHS, "Units of each hidden layer.")
    input_noise: float = ruled(
        0.3, at_least(0), "Standard deviation of Gaussian noise on the input in training."
    )
    hidden_noise: float = ruled(
        0.5, at_least(0), "Standard deviation of Gaussian noise on the hidden layers in training."
    )
    activation: str = ruled("elu", ACTIVATION, "Activation of the hidden layers.")


@dataclass
class SeparableConf:
    _target_: str = "mine_cli.networks.Separable"
    widths: list[int] = ruled(
        [100, 100], WIDTHS, "Units of each hidden layer, in the network of x and in that of z."
    )
    features: int = ruled(32, at_least(1), "Dimension of the inner product.")
    activation: str = ruled("gelu", ACTIVATION, "Activation of the hidden layers.")


@dataclass
class SeparableQuadraticConf(SeparableConf):
    _target_: str = "mine_cli.networks.SeparableQuadratic"


@dataclass
class BilinearConf:
    _target_: str = "mine_cli.networks.Bilinear"


@dataclass
class ConvConf:
    _target_: str = "mine_cli.networks.Conv"
    channels: list[int] = ruled([16, 32], WIDTHS, "Channels of each convolution of an image.")
    widths: list[int] = ruled(
        [100],
        WIDTHS,
        "Units of each hidden layer behind the convolutions, or of a vector's perceptron.",
    )
    features: int = ruled(32, at_least(1), "Dimension of the inner product.")
    activation: str = ruled("gelu", ACTIVATION, "Activation of the hidden layers.")
    input_noise: float = ruled(
        0.0, at_least(0), "Standard deviation of Gaussian noise on the image in training."
    )


@dataclass
class ConvMLPConf:
    _target_: str = "mine_cli.networks.ConvMLP"
    channels: list[int] = ruled([64, 128, 256, 512], WIDTHS, "Channels of each convolution.")
    features: int = ruled(128, at_least(1), "Features of an image behind the convolutions.")
    widths: list[int] = ruled([512], WIDTHS, "Units of each hidden layer over features and z.")
    activation: str = ruled("leaky_relu", ACTIVATION, "Activation of the hidden layers.")
    input_noise: float = ruled(
        0.0, at_least(0), "Standard deviation of Gaussian noise on the image in training."
    )


@dataclass
class MineConf:
    _target_: str = "mine_cli.bounds.Mine"
    rate: float = ruled(0.01, SHARE, "Weight of a new batch in the moving average of E[e^T].")
    start: float | None = ruled(
        None,
        or_none(POSITIVE),
        "First value of the moving average; null: that of the first batch.",
    )


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
    clip: float = ruled(
        5.0, POSITIVE, "Limit tau, to which the log of e^T is clipped from both sides."
    )


@dataclass
class TubaConf:
    _target_: str = "mine_cli.bounds.Tuba"
    baseline: float = ruled(1.0, FINITE, "Initial value of the learned log-baseline a.")


@dataclass
class ShuffleConf:
    _target_: str = "mine_cli.marginals.Shuffle"
    num: int = ruled(1, at_least(1), "Marginal pairs drawn for each row of the batch.")


@dataclass
class DerangementConf(ShuffleConf):
    _target_: str = "mine_cli.marginals.Derangement"


@dataclass
class IndependentConf(ShuffleConf):
    _target_: str = "mine_cli.marginals.Independent"


@dataclass
class AllPairsConf:
    _target_: str = "mine_cli.marginals.AllPairs"
    rows: int = ruled(64, at_least(2), "Largest group of rows that are crossed with one another.")
