"""The typed schemas of the configuration: every key, its default and what it may be.

They live in Hydra's store under a parallel `schema/` group; the YAML options in conf/ extend
them. A key or a type that does not fit is refused by Hydra, a value that does not fit by
`mine_cli.config.validation`, which reads the rule beside each default. Imports no torch.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from mine_cli.config import options as options
from mine_cli.config.rules import (
    FRACTIONS,
    MOMENTS,
    POSITIVE,
    SEED,
    SPLIT,
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
    "ALI_METHODS",
    "LAWS",
    "METHODS",
    "SECTIONS",
    "TAKES",
    "USES",
    "ALIConf",
    "ALIMethodConf",
    "ClassifierConf",
    "GANConf",
    "InfoBottleneckConf",
    "MIEstimateConf",
    "MethodConf",
    "Run",
    "ScreenConf",
    "TrainerConf",
    "register",
]


# Null is for what the data decide, which is settled before anything trains.
if TYPE_CHECKING:
    Settled = int
    SettledRate = float
else:
    Settled = int | None
    SettledRate = float | None


@dataclass
class MIEstimateConf:
    name: str = ruled("mi-estimate", None, "Name of the task, as chosen with task=NAME.")
    select_rows: int = ruled(
        5000, at_least(10), "Rows drawn to choose the checkpoint, where the data are fresh draws."
    )
    report_rows: int = ruled(
        10000, at_least(10), "Rows drawn for the final estimate, where the data are fresh draws."
    )
    fractions: list[float] = ruled(
        [0.8, 0.1, 0.1], FRACTIONS, "Shares of finite data that train, select and report."
    )
    pairs: int = ruled(1_000_000, at_least(1), "Marginal pairs scored for the final estimate.")
    pairs_during_training: int = ruled(
        100_000, at_least(1), "Marginal pairs scored at each evaluation before it."
    )
    negatives: int | None = ruled(
        None,
        or_none(at_least(1)),
        "Marginal pairs a row in evaluations, in place of a total; null: as many as pairs gives.",
    )
    patience: int | None = ruled(
        4,
        or_none(at_least(1)),
        "Evaluations on finite data without a better value before an early stop; null: none.",
    )


@dataclass
class GANConf:
    name: str = ruled("gan", None, "Name of the task, as chosen with task=NAME.")
    loss: str = ruled(
        "nonsaturating",
        one_of("nonsaturating", "wasserstein", "relativistic"),
        "Adversarial loss: of logits, of their means, or of pairs of real and generated samples.",
    )
    beta: float = ruled(
        1.0, at_least(0), "Weight of the information term; 0 trains the same generator without it."
    )
    clip: str = ruled(
        "global",
        one_of("global", "tensor", "none"),
        "Clipping of the information's gradient: by one norm, by that of each tensor, or none.",
    )
    latent: str = ruled(
        "normal", one_of("normal", "uniform"), "Law of the latent vector [eps, c]."
    )
    latent_dim: int | None = ruled(
        None,
        or_none(at_least(1)),
        "Coordinates of the latent vector; null: 2 in the plane, 100 for images.",
    )
    code_dim: int | None = ruled(
        None,
        or_none(at_least(1)),
        "Last coordinates of the latent vector that are the code c; null: all of them.",
    )
    discriminator_steps: int = ruled(1, at_least(1), "Discriminator steps in an iteration.")
    generator_steps: int = ruled(1, at_least(1), "Generator steps in an iteration.")
    statistics_steps: int = ruled(
        1, at_least(1), "Statistics network steps before each generator step."
    )
    discriminator_lr: float | None = ruled(
        None, or_none(POSITIVE), "Peak learning rate of the discriminator; null: trainer.lr."
    )
    statistics_lr: float | None = ruled(
        None, or_none(POSITIVE), "Peak learning rate of the statistics network; null: trainer.lr."
    )
    gradient_penalty: float = ruled(
        0.0,
        at_least(0),
        "Weight gamma of the penalty gamma / 2 E|grad logit|^2; 0: none.",
    )
    penalty_at: str = ruled(
        "real",
        one_of("real", "generated", "both"),
        "Samples at which the penalty is taken: real ones (R1), generated ones (R2), or both.",
    )
    packing: int = ruled(
        1, at_least(1), "Samples that the discriminator sees side by side, as PacGAN's does."
    )
    average: float | None = ruled(
        0.999,
        or_none(between(0, 1)),
        "Decay of the moving average of the generator that is judged; null: no average.",
    )
    samples: int | None = ruled(
        None,
        or_none(at_least(100)),
        "Generated samples that are judged; null: 2,500 in the plane, 26,000 for images.",
    )
    pairs: int = ruled(
        100_000, at_least(1), "Marginal pairs scored for the information between samples and code."
    )


@dataclass
class InfoBottleneckConf:
    name: str = ruled("infobottleneck", None, "Name of the task, as chosen with task=NAME.")
    statistics_steps: int = ruled(
        1, at_least(1), "Statistics network steps for each encoder step."
    )
    statistics_lr: float | None = ruled(
        None,
        or_none(POSITIVE),
        "Peak learning rate of the statistics network; null: ten times trainer.lr.",
    )
    sees: str = ruled(
        "code",
        one_of("code", "input"),
        "What the statistics network gets of x: its code without noise, or x itself.",
    )
    score_limit: float | None = ruled(
        5.0,
        or_none(POSITIVE),
        "Limit c on the scores, which become c tanh(T / c); null: no limit.",
    )
    average: float | None = ruled(
        0.999,
        or_none(between(0, 1)),
        "Decay of the moving average of the weights that predict; null: no average.",
    )
    validation: float = ruled(
        0.1,
        Rule(lambda v: 0 <= v < 1, "must be a share in [0, 1)"),
        "Share of the training rows that only validates; 0: all of them train.",
    )
    samples: int = ruled(
        12, at_least(1), "Posterior samples whose probabilities a prediction averages."
    )
    pairs: int = ruled(
        1_000_000, at_least(1), "Marginal pairs scored for the information term on test rows."
    )
    pairs_during_training: int = ruled(
        100_000, at_least(1), "Marginal pairs scored at each evaluation before it."
    )
    noise: list[float] = ruled(
        [0.2, 0.5, 1.0],
        each(at_least(0)),
        "Standard deviations of Gaussian noise on the test rows at which the error is measured.",
    )
    fgsm: list[float] = ruled(
        [0.1, 0.2, 0.4],
        each(at_least(0)),
        "Strengths of the fast gradient sign attack at which the error is measured.",
    )
    attacked_rows: int | None = ruled(
        1000, or_none(at_least(1)), "Test rows under noise and attack; null: all of them."
    )


@dataclass
class MethodConf:
    name: str = ruled(MISSING, None, "Name of the method, as chosen with method=NAME.")
    information: str = ruled(
        "none",
        one_of("none", "kl", "mine"),
        "Information term of the loss: none, the divergence from N(0, 1), or the MI term.",
    )
    beta: float = ruled(0.0, at_least(0), "Weight of the information term, in nats.")
    label_smoothing: float = ruled(
        0.0,
        Rule(lambda v: 0 <= v < 1, "must be a share in [0, 1)"),
        "Share of the label that is spread evenly over all classes.",
    )
    confidence_penalty: float = ruled(
        0.0, at_least(0), "Weight of the prediction's entropy, which is subtracted from the loss."
    )


@dataclass
class ALIConf:
    name: str = ruled("ali", None, "Name of the task, as chosen with task=NAME.")
    latent: str = ruled("normal", one_of("normal", "uniform"), "Law of the latent vector z.")
    latent_dim: int | None = ruled(
        None,
        or_none(at_least(1)),
        "Coordinates of the latent vector; null: 2 in the plane, 64 for images.",
    )
    sigma: float | None = ruled(
        0.0,
        or_none(at_least(0)),
        "Standard deviation of a code about the encoder's mean; 0: the mean; null: learned.",
    )
    clip: str = ruled(
        "global",
        one_of("global", "tensor", "none"),
        "Clipping of the information's gradient: by one norm, by that of each tensor, or none.",
    )
    statistics_steps: int = ruled(
        1, at_least(1), "Statistics network steps before each encoder step."
    )
    discriminator_lr: float | None = ruled(
        None, or_none(POSITIVE), "Peak learning rate of the discriminators; null: trainer.lr."
    )
    statistics_lr: float | None = ruled(
        None, or_none(POSITIVE), "Peak learning rate of the statistics network; null: trainer.lr."
    )
    gradient_penalty: float = ruled(
        0.0,
        at_least(0),
        "Weight gamma of the penalty gamma / 2 E|grad logit|^2 at pairs of both laws; 0: none.",
    )
    average: float | None = ruled(
        0.999,
        or_none(between(0, 1)),
        "Decay of the moving average of encoder and generator that is judged; null: no average.",
    )
    samples: int | None = ruled(
        None,
        or_none(at_least(100)),
        "Samples, and held-out rows, that are judged; null: 2,500 in the plane, 10,000 images.",
    )
    pairs: int = ruled(
        100_000, at_least(1), "Marginal pairs scored for the information between rows and codes."
    )
    evaluator_steps: int = ruled(
        2000,
        at_least(1),
        "Steps of the fresh network that measures the information in the final codes.",
    )
    classifier: str | None = ruled(
        None,
        None,
        "File of the classifier of images; null: what task=classifier keeps in cache_dir.",
    )


@dataclass
class ALIMethodConf:
    name: str = ruled(MISSING, None, "Name of the method, as chosen with method=NAME.")
    information: str = ruled(
        "none", one_of("none", "mine"), "Information term of the encoder's loss: none, or MI."
    )
    beta: float = ruled(0.0, at_least(0), "Weight of the information term, in nats.")
    cycle: str = ruled(
        "none",
        one_of("none", "l2", "adversarial"),
        "Term of the reconstruction: none, its squared error, or a discriminator of (x, x).",
    )
    cycle_weight: float = ruled(0.0, at_least(0), "Weight of the reconstruction's term.")


@dataclass
class ClassifierConf:
    name: str = ruled("classifier", None, "Name of the task, as chosen with task=NAME.")
    path: str = ruled(
        "${cache_dir}/classifier_${dataset.name}.pt",
        None,
        "File that keeps the trained classifier.",
    )


@dataclass
class ScreenConf:
    name: str = ruled("screen", None, "Name of the task, as chosen with task=NAME.")
    widths: list[int] = ruled(
        [32, 32], list_of(at_least(1)), "Widths of the hidden layers of each pair's network."
    )


@dataclass
class TrainerConf:
    steps: Settled = ruled(
        6000,
        or_none(at_least(1)),
        "Training steps; null: 72 epochs, at most 3,000; of fresh draws 6,000, of few columns "
        "3,000; of task=screen 200.",
    )
    batch_size: Settled = ruled(
        512,
        or_none(at_least(2)),
        "Rows in a training step; null: a fifth of those that train, from 32 to 256.",
    )
    lr: SettledRate = ruled(
        2e-3,
        or_none(POSITIVE),
        "Peak learning rate of AdamW; null: 5e-3; of fresh draws 1e-3, of up to eight columns "
        "7e-3.",
    )
    warmup: float = ruled(
        0.03,
        Rule(lambda v: 0 <= v < 1, "must be a share of the steps in [0, 1)"),
        "Share of the steps over which the learning rate rises to its peak.",
    )
    schedule: str = ruled(
        "cosine",
        one_of("cosine", "linear", "exponential", "constant"),
        "Learning rate after the warm-up: falls to 0, or to a twentieth if exponential.",
    )
    betas: list[float] = ruled(
        [0.9, 0.999], MOMENTS, "Decay rates of AdamW's two moving averages."
    )
    weight_decay: float = ruled(0.1, at_least(0), "Decoupled weight decay of AdamW.")
    device: str = ruled(
        "auto",
        one_of("auto", "cpu", "mps", r"cuda(:\d+)?", shown="cuda, cuda:N"),
        "Device that trains; auto: a GPU where there is one.",
    )
    dtype: str = ruled(
        "float32",
        one_of("float32", "tf32", "bfloat16"),
        "Precision: tf32 rounds products to 10 bits (NVIDIA GPU), bfloat16 is autocast.",
    )
    compile: bool = ruled(
        False,
        None,
        "Compile the training step; with task=gan on an NVIDIA GPU, record it as one CUDA graph.",
    )
    threads: int | None = ruled(
        1,
        or_none(within(1, 1024)),
        "CPU threads; null: all. One is fastest for small networks and runs side by side.",
    )
    log_every: int = ruled(100, at_least(1), "Steps between logged metrics.")
    evaluate_every: int | None = ruled(
        None, or_none(at_least(1)), "Steps between evaluations; null: a twelfth of the steps."
    )
    checkpoint_every: int | None = ruled(
        None, or_none(at_least(1)), "Steps between checkpoints; null: at every evaluation."
    )
    progress: bool = ruled(True, None, "Show a progress bar on a terminal.")
    tensorboard: bool = ruled(True, None, "Write TensorBoard events to the folder tb/.")

    @property
    def moments(self) -> tuple[float, float]:
        """Adam's betas, as its constructor wants them."""
        first, second = self.betas
        return first, second


@dataclass
class Run:
    seed: int = ruled(0, SEED, "Seed of every random stream.")
    deterministic: bool = ruled(
        False, None, "Refuse operations whose result depends on the order of threads."
    )
    units: str = ruled(
        "nats", one_of("nats", "bits"), "Unit on the terminal; files are always in nats."
    )
    references: str = ruled(
        "auto",
        one_of("auto", "none"),
        "Reference estimates, KSG, Gaussian and copula, beside the estimate where they apply.",
    )
    folds: int | None = ruled(
        None,
        or_none(at_least(1)),
        "Folds of cross-fitting; null: 5 for finite rows of numbers, else 1; task=screen: 2 of "
        "2,000 rows or more.",
    )
    portfolio: str = ruled(
        "auto",
        one_of("auto", "none"),
        "Whether several critics, weighed on select rows, judge finite rows of numbers; none: one "
        "network.",
    )
    margins: str = ruled(
        "auto",
        one_of("auto", "standard", "rank"),
        "Columns as networks see them: standardised or by rank; auto: both in a portfolio, ranks "
        "of heavy tails.",
    )
    split: str = ruled(
        "random",
        SPLIT,
        "How finite data are split: rows at random, in blocks, or whole groups of a column.",
    )
    resume: str | None = ruled(None, None, "Folder of a run or sweep to go on with.")
    trust: bool = ruled(
        False, None, "Vouch for the folder of resume: run what it names, whoever wrote it."
    )
    dry_run: bool = ruled(
        False, None, "Compose, check and build everything, score a few rows, and write nothing."
    )
    objective: str | None = ruled(
        None,
        None,
        "Number of the result that a search compares; null: the error, or the task's measure.",
    )
    retry_diverged: bool = ruled(
        True, None, "Run the diverged jobs of a sweep anew when it is resumed."
    )
    data_dir: str = ruled(
        "${oc.env:MINE_RUN_DATA,data}",
        None,
        "Folder of image data, by default from the variable MINE_RUN_DATA.",
    )
    cache_dir: str = ruled(
        "${oc.env:MINE_RUN_CACHE,'~/.cache/mine-run'}",
        None,
        "Folder of the images' classifiers, by default from the variable MINE_RUN_CACHE.",
    )
    task: Any = ruled(MISSING, None, "What is done.")
    dataset: Any = ruled(MISSING, None, "Where the data come from.")
    network: Any = ruled(None, None, "The statistics network.")
    bound: Any = ruled(None, None, "The bound that is trained and reported.")
    marginals: Any = ruled(
        None, None, "How pairs of the product of the marginals are drawn in training."
    )
    generator: Any = ruled(None, None, "The generator of task=gan or task=ali.")
    discriminator: Any = ruled(None, None, "The discriminator of task=gan or task=ali.")
    method: Any = ruled(
        None, None, "What task=infobottleneck adds to the cross-entropy, or task=ali to its loss."
    )
    encoder: Any = ruled(None, None, "The encoder of task=infobottleneck or task=ali.")
    trainer: TrainerConf = field(
        default_factory=TrainerConf,
        metadata={"says": "The optimiser, its schedule, the device and the intervals."},
    )


METHODS = (
    "none", "dropout", "confidence_penalty", "label_smoothing", "vib", "vib_additive",
    "mine_gaussian", "mine_propagated", "mine_additive",
)  # fmt: skip
"""The rows of the paper's table 3."""

ALI_METHODS = ("ali", "ali_mine", "alice_l2", "alice_adversarial")
"""The rows of the paper's table 2."""

SECTIONS: dict[str, dict[str, type]] = {
    "task": {
        "mi-estimate": MIEstimateConf,
        "gan": GANConf,
        "infobottleneck": InfoBottleneckConf,
        "ali": ALIConf,
        "classifier": ClassifierConf,
        "screen": ScreenConf,
    },
    "dataset": {
        "gaussian": options.GaussianConf,
        "staircase": options.StaircaseConf,
        "functions": options.FunctionsConf,
        "dense_gaussian": options.DenseGaussianConf,
        "sparse_gaussian": options.SparseGaussianConf,
        "student": options.StudentConf,
        "additive_noise": options.AdditiveNoiseConf,
        "oscillating": options.OscillatingConf,
        "mixture": options.MixtureConf,
        "beyond_normal": options.BeyondNormalConf,
        "discrete_table": options.DiscreteTableConf,
        "image_channel": options.ImageChannelConf,
        "arrays": options.ArraysConf,
        "image_label": options.ImageLabelConf,
        "image_halves": options.ImageHalvesConf,
        "mnist": options.MNISTConf,
        "gaussian_grid": options.GaussianGridConf,
        "gaussian_ring": options.GaussianRingConf,
        "spiral": options.SpiralConf,
        "stacked_mnist": options.StackedMNISTConf,
        "digits": options.DigitsConf,
        "image_folder": options.ImageFolderConf,
    },
    "network": {
        "mlp": options.MLPConf,
        "noisy_mlp": options.NoisyMLPConf,
        "separable": options.SeparableConf,
        "separable_quadratic": options.SeparableQuadraticConf,
        "bilinear": options.BilinearConf,
        "conv": options.ConvConf,
        "conv_mlp": options.ConvMLPConf,
        "conditioned_conv": options.ConditionedConvConf,
    },
    "bound": {
        "mine": options.MineConf,
        "dv": options.DVConf,
        "mine_f": options.MineFConf,
        "infonce": options.InfoNCEConf,
        "js": options.JensenShannonConf,
        "smile": options.SmileConf,
        "tuba": options.TubaConf,
    },
    "marginals": {
        "shuffle": options.ShuffleConf,
        "derangement": options.DerangementConf,
        "independent": options.IndependentConf,
        "all_pairs": options.AllPairsConf,
    },
    "generator": {
        "fully_connected": options.FullyConnectedGeneratorConf,
        "dcgan": options.DCGANGeneratorConf,
    },
    "discriminator": {
        "fully_connected": options.FullyConnectedDiscriminatorConf,
        "maxout": options.MaxoutDiscriminatorConf,
        "dcgan": options.DCGANDiscriminatorConf,
        "joint": options.JointConf,
        "joint_conv": options.JointConvConf,
    },
    "method": dict.fromkeys(METHODS, MethodConf) | dict.fromkeys(ALI_METHODS, ALIMethodConf),
    "encoder": {
        "deterministic": options.DeterministicConf,
        "gaussian": options.GaussianEncoderConf,
        "gaussian_conv": options.GaussianConvEncoderConf,
        "additive": options.AdditiveConf,
        "propagated": options.PropagatedConf,
        "fully_connected": options.FullyConnectedEncoderConf,
        "dcgan": options.DCGANEncoderConf,
    },
    "trainer": {"default": TrainerConf},
}
"""Group -> shipped option -> its schema."""

TERM = ("network", "bound", "marginals")
KNOWN_LAW = ("gaussian", "gaussian_conv")  # encoders whose p(z | x) is known
MODELS = ("generator", "discriminator")
LAWS = (
    "gaussian", "functions", "dense_gaussian", "sparse_gaussian", "student", "additive_noise",
    "oscillating", "mixture", "beyond_normal", "discrete_table", "image_channel",
)  # fmt: skip
PAIRS = (*LAWS, "staircase", "arrays", "image_label", "image_halves")
LABELLED = ("mnist", "fashion_mnist", "arrays")
SAMPLES = ("gaussian_grid", "gaussian_ring", "spiral", "stacked_mnist", "digits")
ENCODED = (
    "gaussian_grid", "gaussian_ring", "spiral", "mnist", "fashion_mnist", "image_folder",
)  # fmt: skip
USES: dict[str, tuple[str, ...]] = {
    "mi-estimate": ("dataset", *TERM),
    "gan": ("dataset", *TERM, *MODELS),
    "infobottleneck": ("dataset", *TERM, "method", "encoder"),
    "ali": ("dataset", *TERM, *MODELS, "method", "encoder"),
    "classifier": ("dataset",),
    "screen": ("dataset",),
}
"""Task -> the sections that it builds, beside its own and the trainer; the others are null."""

TAKES: dict[str, dict[str, tuple[str, ...]]] = {
    "mi-estimate": {"dataset": PAIRS},
    "gan": {"dataset": SAMPLES, "discriminator": ("fully_connected", "maxout", "dcgan")},
    "classifier": {"dataset": ("image_label",)},
    "screen": {"dataset": ("arrays",)},
    "infobottleneck": {
        "dataset": LABELLED,
        "method": METHODS,
        "encoder": ("deterministic", *KNOWN_LAW, "additive", "propagated"),
    },
    "ali": {
        "dataset": ENCODED,
        "method": ALI_METHODS,
        "encoder": ("fully_connected", "dcgan"),
        "discriminator": ("joint", "joint_conv"),
    },
}
"""Task -> section -> the shipped options that it takes, where it does not take all."""


def register() -> None:
    """Puts every schema into Hydra's store as `schema/GROUP/OPTION` (twice does no harm)."""
    # Hydra copies the whole store at every composition, and two hundred times for --help, where
    # that takes seconds; it changes no copy, and copies each schema that it takes out anyway.
    ConfigStore.__deepcopy__ = lambda store, memo: store  # type: ignore[attr-defined]
    store = ConfigStore.instance()
    store.store(group="schema", name="run", node=Run)
    for section, schemas in SECTIONS.items():
        for name, node in schemas.items():
            store.store(group=f"schema/{section}", name=name, node=node)
