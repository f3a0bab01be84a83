"""The typed schemas of the configuration: every key, its default and what it may be.

They live in Hydra's store under a parallel `schema/` group; the YAML options in conf/ extend
them. A key or a type that does not fit is refused by Hydra, a value that does not fit by
`mine_cli.config.validation`, which reads the rule beside each default. Imports no torch.
"""

from dataclasses import dataclass, field
from typing import Any

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
    one_of,
    or_none,
    ruled,
)

__all__ = [
    "DATASETS",
    "METHODS",
    "SECTIONS",
    "USES",
    "ClassifierConf",
    "GANConf",
    "InfoBottleneckConf",
    "MIEstimateConf",
    "MethodConf",
    "Run",
    "TrainerConf",
    "register",
]


@dataclass
class MIEstimateConf:
    name: str = "mi-estimate"
    select_rows: int = ruled(5000, at_least(10))
    report_rows: int = ruled(10000, at_least(10))
    fractions: list[float] = field(
        default_factory=lambda: [0.8, 0.1, 0.1], metadata={"rule": FRACTIONS}
    )
    pairs: int = ruled(1_000_000, at_least(1))
    pairs_during_training: int = ruled(100_000, at_least(1))
    negatives: int | None = ruled(None, or_none(at_least(1)))
    patience: int | None = ruled(4, or_none(at_least(1)))


@dataclass
class GANConf:
    name: str = "gan"
    beta: float = ruled(1.0, at_least(0))
    clip: str = ruled("global", one_of("global", "tensor", "none"))
    latent: str = ruled("normal", one_of("normal", "uniform"))
    latent_dim: int | None = ruled(None, or_none(at_least(1)))
    code_dim: int | None = ruled(None, or_none(at_least(1)))
    discriminator_steps: int = ruled(1, at_least(1))
    generator_steps: int = ruled(1, at_least(1))
    statistics_steps: int = ruled(1, at_least(1))
    discriminator_lr: float | None = ruled(None, or_none(POSITIVE))
    statistics_lr: float | None = ruled(None, or_none(POSITIVE))
    gradient_penalty: float = ruled(0.0, at_least(0))
    average: float | None = ruled(0.999, or_none(between(0, 1)))
    samples: int | None = ruled(None, or_none(at_least(100)))
    pairs: int = ruled(100_000, at_least(1))


@dataclass
class InfoBottleneckConf:
    name: str = "infobottleneck"
    statistics_steps: int = ruled(1, at_least(1))
    statistics_lr: float | None = ruled(None, or_none(POSITIVE))
    sees: str = ruled("code", one_of("code", "input"))
    score_limit: float | None = ruled(5.0, or_none(POSITIVE))
    average: float | None = ruled(0.999, or_none(between(0, 1)))
    validation: float = ruled(0.1, Rule(lambda v: 0 <= v < 1, "must be a share in [0, 1)"))
    samples: int = ruled(12, at_least(1))
    pairs: int = ruled(1_000_000, at_least(1))
    pairs_during_training: int = ruled(100_000, at_least(1))
    noise: list[float] = field(
        default_factory=lambda: [0.2, 0.5, 1.0], metadata={"rule": each(at_least(0))}
    )
    fgsm: list[float] = field(
        default_factory=lambda: [0.1, 0.2, 0.4], metadata={"rule": each(at_least(0))}
    )
    attacked_rows: int | None = ruled(1000, or_none(at_least(1)))


@dataclass
class MethodConf:
    name: str = MISSING
    information: str = ruled("none", one_of("none", "kl", "mine"))
    beta: float = ruled(0.0, at_least(0))
    label_smoothing: float = ruled(0.0, Rule(lambda v: 0 <= v < 1, "must be a share in [0, 1)"))
    confidence_penalty: float = ruled(0.0, at_least(0))


@dataclass
class ClassifierConf:
    name: str = "classifier"
    path: str = "${cache_dir}/classifier_${dataset.name}.pt"


@dataclass
class TrainerConf:
    steps: int = ruled(6000, at_least(1))
    batch_size: int = ruled(512, at_least(2))
    lr: float = ruled(2e-3, POSITIVE)
    warmup: float = ruled(
        0.03, Rule(lambda v: 0 <= v < 1, "must be a share of the steps in [0, 1)")
    )
    schedule: str = ruled("cosine", one_of("cosine", "linear", "exponential", "constant"))
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999], metadata={"rule": MOMENTS})
    weight_decay: float = ruled(0.1, at_least(0))
    device: str = ruled("auto", one_of("auto", "cpu", "mps", r"cuda(:\d+)?", shown="cuda, cuda:N"))
    dtype: str = ruled("float32", one_of("float32", "tf32", "bfloat16"))
    compile: bool = False
    threads: int | None = ruled(1, or_none(at_least(1)))
    log_every: int = ruled(100, at_least(1))
    evaluate_every: int | None = ruled(None, or_none(at_least(1)))
    checkpoint_every: int | None = ruled(None, or_none(at_least(1)))
    progress: bool = True
    tensorboard: bool = True

    @property
    def moments(self) -> tuple[float, float]:
        """Adam's betas, as its constructor wants them."""
        first, second = self.betas
        return first, second


@dataclass
class Run:
    seed: int = ruled(0, SEED)
    deterministic: bool = False
    units: str = ruled("nats", one_of("nats", "bits"))
    references: str = ruled("auto", one_of("auto", "none"))
    folds: int = ruled(1, at_least(1))
    split: str = ruled("random", SPLIT)
    resume: str | None = None
    dry_run: bool = False
    objective: str | None = None
    retry_diverged: bool = True
    data_dir: str = "${oc.env:MINE_RUN_DATA,data}"
    cache_dir: str = "${oc.env:MINE_RUN_CACHE,'~/.cache/mine-run'}"
    task: Any = MISSING
    dataset: Any = MISSING
    network: Any = None
    bound: Any = None
    marginals: Any = None
    generator: Any = None
    discriminator: Any = None
    method: Any = None
    encoder: Any = None
    trainer: TrainerConf = field(default_factory=TrainerConf)


METHODS = (
    "none", "dropout", "confidence_penalty", "label_smoothing", "vib", "vib_additive",
    "mine_gaussian", "mine_propagated", "mine_additive",
)  # fmt: skip
"""The rows of the paper's table 3."""

SECTIONS: dict[str, dict[str, Any]] = {
    "task": {
        "mi-estimate": MIEstimateConf,
        "gan": GANConf,
        "infobottleneck": InfoBottleneckConf,
        "classifier": ClassifierConf,
    },
    "dataset": {
        "gaussian": options.GaussianConf,
        "functions": options.FunctionsConf,
        "arrays": options.ArraysConf,
        "image_label": options.ImageLabelConf,
        "image_halves": options.ImageHalvesConf,
        "mnist": options.MNISTConf,
        "gaussian_grid": options.GaussianGridConf,
        "gaussian_ring": options.GaussianRingConf,
        "spiral": options.SpiralConf,
        "stacked_mnist": options.StackedMNISTConf,
        "digits": options.DigitsConf,
    },
    "network": {
        "mlp": options.MLPConf,
        "noisy_mlp": options.NoisyMLPConf,
        "separable": options.SeparableConf,
        "separable_quadratic": options.SeparableQuadraticConf,
        "bilinear": options.BilinearConf,
        "conv": options.ConvConf,
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
        "dcgan": options.DCGANDiscriminatorConf,
    },
    "method": {name: MethodConf for name in METHODS},
    "encoder": {
        "deterministic": options.DeterministicConf,
        "gaussian": options.GaussianEncoderConf,
        "additive": options.AdditiveConf,
        "propagated": options.PropagatedConf,
    },
    "trainer": {"default": TrainerConf},
}
"""Group -> shipped option -> its schema."""

TERM = ("network", "bound", "marginals")
MODELS = ("generator", "discriminator")
PAIRS = ("gaussian", "functions", "arrays", "image_label", "image_halves")
LABELLED = ("mnist", "fashion_mnist", "arrays")
SAMPLES = ("gaussian_grid", "gaussian_ring", "spiral", "stacked_mnist", "digits")
USES: dict[str, tuple[str, ...]] = {
    "mi-estimate": ("dataset", *TERM),
    "gan": ("dataset", *TERM, *MODELS),
    "infobottleneck": ("dataset", *TERM, "method", "encoder"),
    "classifier": ("dataset",),
}
"""Task -> the sections that it builds, beside its own and the trainer; the others are null."""

DATASETS: dict[str, tuple[str, ...]] = {
    "mi-estimate": PAIRS,
    "gan": SAMPLES,
    "classifier": ("image_label",),
    "infobottleneck": LABELLED,
}
"""Task -> the shipped data sets that it takes."""


def register() -> None:
    """Put every schema into Hydra's store as `schema/GROUP/OPTION` (twice does no harm)."""
    store = ConfigStore.instance()
    store.store(group="schema", name="run", node=Run)
    for section, schemas in SECTIONS.items():
        for name, node in schemas.items():
            store.store(group=f"schema/{section}", name=name, node=node)
