"""The typed schemas of the configuration: every key, its default and what it may be.

They live in Hydra's store under a parallel `schema/` group; the YAML options in conf/ extend
them. A key or a type that does not fit is refused by Hydra, a value that does not fit by
`mine_cli.validation`, which reads the rule beside each default. Imports no torch.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from mine_cli import option_schemas as options
from mine_cli.rules import FRACTIONS, POSITIVE, SEED, SPLIT, Rule, at_least, one_of, or_none, ruled

__all__ = ["SECTIONS", "MIEstimateConf", "Run", "TrainerConf", "register"]


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
class TrainerConf:
    steps: int = ruled(6000, at_least(1))
    batch_size: int = ruled(512, at_least(2))
    lr: float = ruled(2e-3, POSITIVE)
    warmup: float = ruled(
        0.03, Rule(lambda v: 0 <= v < 1, "must be a share of the steps in [0, 1)")
    )
    weight_decay: float = ruled(0.1, at_least(0))
    device: str = ruled("auto", one_of("auto", "cpu", "mps", r"cuda(:\d+)?", shown="cuda, cuda:N"))
    dtype: str = ruled("float32", one_of("float32", "bfloat16"))
    compile: bool = False
    threads: int | None = ruled(1, or_none(at_least(1)))
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


SECTIONS: dict[str, dict[str, Any]] = {
    "task": {"mi-estimate": MIEstimateConf},
    "dataset": {
        "gaussian": options.GaussianConf,
        "functions": options.FunctionsConf,
        "arrays": options.ArraysConf,
        "image_label": options.ImageLabelConf,
        "image_halves": options.ImageHalvesConf,
    },
    "network": {
        "mlp": options.MLPConf,
        "noisy_mlp": options.NoisyMLPConf,
        "separable": options.SeparableConf,
        "separable_quadratic": options.SeparableQuadraticConf,
        "bilinear": options.BilinearConf,
        "conv": options.ConvConf,
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
    "trainer": {"default": TrainerConf},
}
"""Group -> shipped option -> its schema."""


def register() -> None:
    """Put every schema into Hydra's store as `schema/GROUP/OPTION` (twice does no harm)."""
    store = ConfigStore.instance()
    store.store(group="schema", name="run", node=Run)
    for section, schemas in SECTIONS.items():
        for name, node in schemas.items():
            store.store(group=f"schema/{section}", name=name, node=node)
