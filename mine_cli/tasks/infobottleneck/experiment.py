"""``task=infobottleneck`` made ready to run: labelled data, a method, pictures of its course."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from omegaconf import DictConfig
from torch import Generator

from mine_cli import figures
from mine_cli.config.schemas import InfoBottleneckConf, MethodConf, TrainerConf
from mine_cli.data import counts
from mine_cli.data.labelled import labelled_data
from mine_cli.errors import BadInput
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.encoders import Bottleneck
from mine_cli.results.files import read_json
from mine_cli.results.folder import Charts
from mine_cli.tasks import build
from mine_cli.tasks.common import (
    UNKNOWN,
    common,
    drawn,
    forward_pass,
    options,
    sections,
    trained_alike,
)
from mine_cli.tasks.infobottleneck.rows import sizes
from mine_cli.tasks.infobottleneck.training import InfoBottleneck
from mine_cli.tasks.protocol import Experiment, Result
from mine_cli.training.device import autocast, device
from mine_cli.training.rng import stream

__all__ = ["InfoBottleneckExperiment", "gather"]

PARTS = ("dataset", "method", "encoder", "network", "bound", "marginals")
# What runs in one table may differ in: method, beta and seed; those of one method in less.
ARM: dict[str, set[str]] = {
    part: set() for part in ("network", "bound", "marginals", "infobottleneck", "trainer")
}
ARM |= {"dataset": {"seed"}}
OF_METHOD: dict[str, set[str]] = {"method": {"beta"}, "encoder": set()}
# What runs may differ in that are trained as one model, beside seed, bound and learning rate.
MAY_DIFFER = (("dataset", "seed"), ("method", "beta"), ("task", "statistics_lr"))
NOT_KNOWN = "not known; see metrics for what bounds it"
FEWEST_ROWS = 20  # to cross with one another in an evaluation


class InfoBottleneckExperiment(Experiment):
    """A bottleneck on labelled data."""

    opening = "looking at the untrained encoder on the rows that validate"
    closing = "trained; predicting the test rows, with noise and under attack"
    metrics = ("error_averaged", "error", "i_xz_term", "i_xz_reference", "i_zy")
    charts: ClassVar[Charts] = {
        "bottleneck": {
            "error on validation rows": ["Multiline", ["^ib/error$"]],
            "cross-entropy, nats": ["Multiline", ["^loss/cross_entropy$", "^ib/cross_entropy$"]],
            "I(X; Z), nats": [
                "Multiline",
                ["^mi/estimate$", "^mi/reference$", "^mi/kl$", "^train/value$"],
            ],
            "I(Z; Y) and H(Y), nats": ["Multiline", ["^mi/z_y$", "^mi/h_y$"]],
        }
    }

    def __init__(self, cfg: DictConfig, dataset: object) -> None:
        super().__init__(cfg, dataset)
        self.data = labelled_data(dataset)
        self.x_shape = tuple(self.data.x.shape[1:])
        self.warnings += self.data.warnings
        if not cfg.task.validation:
            self.warnings.append(
                "task.validation=0: every training row trains, so the curves are of rows that did"
            )
        self.informed = cfg.method.information == "mine"
        self.features = self._features()

    def _features(self) -> int:
        """The number of coordinates of a code, found by a forward pass."""
        encoder = self.encoder(0)
        x, generator = self.data.x[:4], Generator().manual_seed(0)
        try:
            with torch.no_grad():
                z = encoder.eval()(x, encoder.draw_noise(len(x), generator))
        except (AttributeError, RuntimeError, TypeError, ValueError, IndexError) as error:
            raise BadInput(
                f"encoder: {type(encoder).__name__} cannot take {list(x.shape)}: "
                f"{str(error).splitlines()[0]}"
            ) from error
        if z.dim() != 2 or len(z) != len(x):
            raise BadInput(
                f"encoder: codes of {len(x)} rows have shape {list(z.shape)}; want [{len(x)}, d]"
            )
        return int(z.shape[1])

    def check(self) -> None:
        """Raise BadInput for parts that do not fit one another, or too few rows."""
        cfg = self.cfg
        fit, held_out = sizes(len(self.data.x), cfg.task.validation)
        faults = []
        if fit < cfg.trainer.batch_size:
            faults.append(
                f"trainer.batch_size={cfg.trainer.batch_size}: larger than the {fit} rows that "
                f"train; want at most {fit}"
            )
        if min(held_out, len(self.data.test_x)) < FEWEST_ROWS:
            faults.append(
                f"dataset: {held_out} rows to validate and {len(self.data.test_x)} to test; want "
                f"at least {FEWEST_ROWS} of each: more rows, or another task.validation"
            )
        if cfg.method.information == "kl" and not hasattr(self.encoder(0), "law"):
            faults.append(
                f"encoder: {build.type_name(cfg.encoder)} has no law(x, noise), which "
                f"method={cfg.method.name} needs; want encoder=gaussian"
            )
        encoder = self.encoder(0)
        if self.informed and cfg.task.sees == "code" and not hasattr(encoder, "clean"):
            faults.append(
                f"task.sees=code: encoder {build.type_name(cfg.encoder)} has no clean(x); want "
                "task.sees=input"
            )
        if faults:
            raise BadInput(*faults)
        if self.informed:
            z = torch.zeros(4, self.features)
            forward_pass(self.term(0), z if cfg.task.sees == "code" else self.data.x[:4], z)

    def encoder(self, seed: int) -> Any:
        return build.module(self.cfg.encoder, "encoder", seed, self.x_shape)

    def bottleneck(self, seed: int) -> Bottleneck:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(seed, "decoder"))
            sees = self.cfg.task.sees if self.informed else "input"
            return Bottleneck(self.encoder(seed), self.features, self.data.num_classes, sees)

    def term(self, seed: int) -> MutualInformation:
        code = (self.features,)
        seen = code if self.cfg.task.sees == "code" else self.x_shape
        return build.term(self.cfg, seen, code, seed=seed, limit=self.cfg.task.score_limit)

    def listing(self) -> dict[str, str]:
        cfg, data = self.cfg, self.data
        count = sum(p.numel() for p in self.bottleneck(0).parameters())
        fit, held_out = sizes(len(data.x), cfg.task.validation)
        shown = {
            "dataset": f"{type(self.dataset).__name__}; x {self.x_shape}, {data.num_classes} "
            f"classes; {fit:,} rows train, {held_out:,} validate, "
            f"{len(data.test_x):,} test",
            "method": f"{cfg.method.name}, beta {cfg.method.beta:g}",
            "encoder": f"{build.type_name(cfg.encoder)} to {self.features} features, "
            f"{count:,} parameters with its decoder",
        }
        if self.informed:
            term = self.term(0)
            weights = sum(p.numel() for p in term.statistics_parameters())
            pairs = term.marginals.pairs(cfg.trainer.batch_size)
            shown |= {
                "network": f"{build.type_name(cfg.network)}, {weights:,} parameters",
                "bound": build.type_name(cfg.bound),
                "marginals": f"{build.type_name(cfg.marginals)}, {pairs:,} pairs a batch",
            }
        steps, size = cfg.trainer.steps, cfg.trainer.batch_size
        epochs = steps / max(1, fit // size)
        where = device(cfg.trainer.device)
        return shown | {
            "training": f"{steps} steps of {size} rows, {epochs:.1f} epochs, on {where}"
        }

    def fusion_key(self) -> str:
        """Seeds, beta, rates and bound may differ: modules and batches are of one shape."""
        parts = ("dataset", "method", "encoder", "network", "marginals", "task")
        alike = trained_alike(self.cfg, *parts, but=["lr"])
        for part, key in MAY_DIFFER:
            alike[part].pop(key, None)
        shapes = [self.x_shape, self.features, self.data.num_classes]
        return json.dumps(alike | {"shapes": shapes}, sort_keys=True)

    def start(self, where: torch.device) -> InfoBottleneck:
        cfg = self.cfg
        return InfoBottleneck(
            options(cfg.task, InfoBottleneckConf),
            options(cfg.method, MethodConf),
            options(cfg.trainer, TrainerConf),
            self.data,
            self.bottleneck,
            self.term,
            seed=cfg.seed,
            device=where,
            autocast=partial(autocast, where, cfg.trainer.dtype),
        )

    def head(self) -> Result:
        return {
            **UNKNOWN,
            "true_mi": None,
            "true_mi_note": NOT_KNOWN,
            **sections(self.cfg, *PARTS, "trainer"),
            "infobottleneck": sections(self.cfg, "task")["task"],
            "rows": counts(self.data),
        }

    def pictures(self, folder: Path) -> Mapping[str, Path]:
        return drawn(folder, "learning", "plane", "robustness")

    def settings(self) -> Result:
        method = self.cfg.method
        kinds = {name: build.type_name(self.cfg[name]) for name in ("dataset", "encoder")}
        return kinds | {"method": method.name, "beta": method.beta} | super().settings()


def gather(sweep: Path) -> None:
    """Draw the finished runs of a sweep in one table and one plane, where they can be compared.

    Runs that differ in more than method, beta and seed are no repetitions of one another.
    """
    results = [read_json(path) for path in sweep.glob("*/result.json")]
    methods = {result["method"]["name"] for result in results if "method" in result}
    alike = {common(result, ARM) for result in results}
    of_methods = {common(result, OF_METHOD) for result in results}
    if len(alike) == 1 and len(of_methods) == len(methods):
        figures.compare_methods(sweep)
        figures.plane_of_sweep(sweep)
