"""The typed schemas of the configuration: every key, its default and what it may be.

They live in Hydra's store under a parallel `schema/` group; the YAML options in conf/ extend
them. A key or a type that does not fit is refused by Hydra, a value that does not fit by
`mine_cli.validation`, which reads the rule beside each default. Imports no torch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import II, MISSING

from mine_cli.rules import (
    FRACTIONS,
    POSITIVE,
    SEED,
    SHARE,
    SPLIT,
    Rule,
    at_least,
    between,
    list_of,
    one_of,
    or_none,
)

__all__ = ["SECTIONS", "MIEstimateConf", "Run", "TrainerConf", "register"]

ACTIVATIONS = ("elu", "relu", "leaky_relu", "gelu", "silu", "tanh", "softplus")
DATA_DIR = II("data_dir")
ROOT_SEED = II("seed")
WIDTHS = list_of(at_least(1))


def ruled(default: Any, rule: Rule) -> Any:
    """A dataclass field with its default and the rule that its value must obey."""
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


@dataclass
class MIEstimateConf:
    name: str = "mi-estimate"
    select_rows: int = ruled(5000, at_least(10))
    report_rows: int = ruled(10000, at_least(10))
    fractions: list[float] = ruled([0.8, 0.1, 0.1], FRACTIONS)
    pairs: int = ruled(1_000_000, at_least(1))
    pairs_during_training: int = ruled(100_000, at_least(1))
    negatives: int | None = ruled(None, or_none(at_least(1)))
    patience: int | None = ruled(8, or_none(at_least(1)))


@dataclass
class TrainerConf:
    steps: int = ruled(3000, at_least(1))
    batch_size: int = ruled(512, at_least(2))
    lr: float = ruled(2e-3, POSITIVE)
    warmup: float = ruled(
        0.03, Rule(lambda v: 0 <= v < 1, "must be a share of the steps in [0, 1)")
    )
    weight_decay: float = ruled(0.0, at_least(0))
    device: str = ruled("auto", one_of("auto", "cpu", "mps", r"cuda(:\d+)?", shown="cuda, cuda:N"))
    dtype: str = ruled("float32", one_of("float32", "bfloat16"))
    compile: bool = False
    log_every: int = ruled(100, at_least(1))
    evaluate_every: int | None = ruled(None, or_none(at_least(1)))
    checkpoint_every: int | None = ruled(None, or_none(at_least(1)))
    progress: bool = True
    tensorboard: bool = True


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
    data_dir: str = "${oc.env:MINE_RUN_DATA,data}"
    task: Any = MISSING
    dataset: Any = MISSING
    network: Any = MISSING
    bound: Any = MISSING
    marginals: Any = MISSING
    trainer: TrainerConf = field(default_factory=TrainerConf)


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


@dataclass
class ImageLabelConf:
    _target_: str = "mine_cli.data.images.ImageLabel"
    name: str = ruled("mnist", one_of("mnist", "fashion_mnist"))
    data_dir: str = DATA_DIR
    shuffle_labels: bool = False
    seed: int = ruled(ROOT_SEED, SEED)


@dataclass
class ImageHalvesConf:
    _target_: str = "mine_cli.data.images.ImageHalves"
    name: str = ruled("mnist", one_of("mnist", "fashion_mnist"))
    data_dir: str = DATA_DIR
    axis: str = ruled("horizontal", one_of("horizontal", "vertical"))


@dataclass
class MLPConf:
    _target_: str = "mine_cli.networks.MLP"
    widths: list[int] = ruled([100, 100], WIDTHS)
    activation: str = ruled("elu", one_of(*ACTIVATIONS))


@dataclass
class NoisyMLPConf:
    _target_: str = "mine_cli.networks.NoisyMLP"
    widths: list[int] = ruled([512, 512], WIDTHS)
    input_noise: float = ruled(0.3, at_least(0))
    hidden_noise: float = ruled(0.5, at_least(0))
    activation: str = ruled("elu", one_of(*ACTIVATIONS))


@dataclass
class SeparableConf:
    _target_: str = "mine_cli.networks.Separable"
    widths: list[int] = ruled([100, 100], WIDTHS)
    features: int = ruled(32, at_least(1))
    activation: str = ruled("elu", one_of(*ACTIVATIONS))


@dataclass
class SeparableQuadraticConf(SeparableConf):
    _target_: str = "mine_cli.networks.SeparableQuadratic"


@dataclass
class BilinearConf:
    _target_: str = "mine_cli.networks.Bilinear"


@dataclass
class ConvConf:
    _target_: str = "mine_cli.networks.Conv"
    channels: list[int] = ruled([16, 32], WIDTHS)
    widths: list[int] = ruled([100], WIDTHS)
    activation: str = ruled("elu", one_of(*ACTIVATIONS))


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
    baseline: float = ruled(1.0, POSITIVE)


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
    rows: int = ruled(128, at_least(2))


SECTIONS: dict[str, dict[str, Callable[[], Any]]] = {
    "task": {"mi-estimate": MIEstimateConf},
    "dataset": {
        "gaussian": GaussianConf,
        "functions": FunctionsConf,
        "arrays": ArraysConf,
        "image_label": ImageLabelConf,
        "image_halves": ImageHalvesConf,
    },
    "network": {
        "mlp": MLPConf,
        "noisy_mlp": NoisyMLPConf,
        "separable": SeparableConf,
        "separable_quadratic": SeparableQuadraticConf,
        "bilinear": BilinearConf,
        "conv": ConvConf,
    },
    "bound": {
        "mine": MineConf,
        "dv": DVConf,
        "mine_f": MineFConf,
        "infonce": InfoNCEConf,
        "js": JensenShannonConf,
        "smile": SmileConf,
        "tuba": TubaConf,
    },
    "marginals": {
        "shuffle": ShuffleConf,
        "derangement": DerangementConf,
        "independent": IndependentConf,
        "all_pairs": AllPairsConf,
    },
    "trainer": {"default": TrainerConf},
}
"""Group -> shipped option -> its schema."""


def register() -> None:
    """Put every schema into Hydra's store as `schema/GROUP/OPTION` (twice does no harm)."""
    store = ConfigStore.instance()
    store.store(group="schema", name="run", node=Run)
    for section, options in SECTIONS.items():
        for name, node in options.items():
            store.store(group=f"schema/{section}", name=name, node=node)
