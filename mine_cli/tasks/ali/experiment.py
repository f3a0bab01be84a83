"""``task=ali`` made ready to run: encoder, generator, discriminators, information, pictures."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from omegaconf import DictConfig
from torch import nn

from mine_cli import figures
from mine_cli.config.schemas import ALIConf, ALIMethodConf, TrainerConf
from mine_cli.errors import BadInput
from mine_cli.estimator.term import MutualInformation
from mine_cli.results.files import read_json
from mine_cli.results.folder import Charts, RunFolder
from mine_cli.tasks import build
from mine_cli.tasks.adversarial.samples import SHOWN_IMAGES, Latent, as_bytes
from mine_cli.tasks.ali.autoencoder import Autoencoder, autoencoder
from mine_cli.tasks.ali.sources import source_of
from mine_cli.tasks.ali.training import ALI
from mine_cli.tasks.common import (
    UNKNOWN,
    common,
    drawn,
    forward_pass,
    options,
    passed,
    sections,
)
from mine_cli.tasks.protocol import Experiment, Result
from mine_cli.training.device import autocast, device
from mine_cli.training.rng import stream

__all__ = ["ALIExperiment", "compare"]

# Where the configuration leaves it open: points in the plane, images.
LATENT_DIM = (2, 64)
SAMPLES = (2500, 10_000)
PARTS = (
    "dataset", "method", "generator", "encoder", "discriminator", "network", "bound", "marginals",
)  # fmt: skip
# What the runs of a comparison may differ in: the method and the seeds.
ARM: dict[str, set[str]] = {part: set() for part in (*PARTS, "trainer", "ali") if part != "method"}
ARM |= {"dataset": {"seed"}}
NOT_KNOWN = "not known; a lower bound, by a network that was trained on the final codes alone"
INFINITE = "infinite for inputs with a density: a code is a function of its input"


class ALIExperiment(Experiment):
    """An encoder and a generator against a discriminator of pairs."""

    opening = "judging the untrained networks"
    closing = "trained; measuring the information in the codes with a fresh network"
    metrics = (
        "own_mode", "reconstruction_error", "ms_ssim", "neighbour", "kl", "modes", "high_quality",
    )  # fmt: skip
    charts: ClassVar[Charts] = {
        "autoencoder": {
            "reconstructions": ["Multiline", ["^ali/own_mode$", "^ali/ms_ssim$"]],
            "error of the reconstruction": ["Multiline", ["^ali/reconstruction_error$"]],
            "nearest neighbours of codes": ["Multiline", ["^ali/neighbour$"]],
            "modes captured": ["Multiline", ["^ali/modes$"]],
            "divergence of the modes, nats": ["Multiline", ["^ali/kl$", "^ali/js$"]],
            "gradients of the encoder, norms": [
                "Multiline",
                ["^norm/adversarial$", "^norm/information$", "^norm/clipped$"],
            ],
            "information, by the trained term, nats": [
                "Multiline",
                ["^mi/estimate$", "^train/value$"],
            ],
            "losses": ["Multiline", ["^loss/models$", "^loss/discriminator$", "^loss/cycle$"]],
        }
    }

    def __init__(self, cfg: DictConfig, dataset: object) -> None:
        super().__init__(cfg, dataset)
        self.warnings += getattr(dataset, "warnings", [])
        name = getattr(dataset, "name", "")
        kept = cfg.task.classifier or f"{cfg.cache_dir}/classifier_{name}.pt"
        classifier = Path(kept).expanduser()
        self.source = source_of(dataset, classifier, cfg.trainer.batch_size, cfg.seed)
        self.unstarted = self.source.state_dict()
        self.shape = self.source.shape
        self.images = len(self.shape) == 3
        self.latent = Latent(cfg.task.latent_dim or LATENT_DIM[self.images], cfg.task.latent)
        self.samples = cfg.task.samples or SAMPLES[self.images]

    def check(self) -> None:
        """Raise BadInput unless samples, codes, logits and scores have the shapes they should."""
        model = self.model()
        x, random = torch.zeros(4, *self.shape), torch.Generator().manual_seed(0)
        z = self.latent.draw(4, random)
        fake = passed("generator", model.generator, z)
        if fake.shape[1:] != self.shape:
            raise BadInput(
                f"generator: makes samples of shape {tuple(fake.shape[1:])}; the data set's have "
                f"{self.shape}"
            )
        code = passed("encoder", model.encoder.network, x)
        width = self.latent.dim * (1 if self.cfg.task.sigma is not None else 2)
        if tuple(code.shape[1:]) != (width,):
            raise BadInput(
                f"encoder: codes of shape {tuple(code.shape[1:])}; want ({width},): the latent "
                f"has task.latent_dim={self.latent.dim}"
            )
        logits = passed("discriminator", self.discriminator(), x, z)
        if logits.shape != (4,):
            raise BadInput(
                f"discriminator: logits of 4 pairs have shape {list(logits.shape)}; want [4]"
            )
        forward_pass(self.term(0), x, z)

    def model(self) -> Autoencoder:
        return autoencoder(self.cfg, self.shape, self.latent)

    def discriminator(self, cycle: bool = False) -> nn.Module:
        """The discriminator of pairs (x, z), or of pairs (x, x)."""
        seed = stream(self.cfg.seed, "cycle" if cycle else "discriminator")
        other = self.shape if cycle else (self.latent.dim,)
        return build.module(self.cfg.discriminator, "discriminator", seed, self.shape, other)

    def term(self, seed: int) -> MutualInformation:
        return build.term(self.cfg, self.shape, (self.latent.dim,), seed=seed)

    def listing(self) -> dict[str, str]:
        cfg, model, term = self.cfg, self.model(), self.term(0)
        sigma = "learned" if cfg.task.sigma is None else f"{cfg.task.sigma:g}"
        method, weight = cfg.method, cfg.method.beta or cfg.method.cycle_weight
        told = f"{method.name}, weight {weight:g}" if weight else method.name
        return {
            "dataset": f"{type(self.dataset).__name__}; x {self.shape}",
            "method": told,
            "latent": f"{self.latent.dim} {self.latent.law}",
            "generator": f"{build.type_name(cfg.generator)}, {count(model.generator)}",
            "encoder": f"{build.type_name(cfg.encoder)}, sigma {sigma}, {count(model.encoder)}",
            "discriminator": f"{build.type_name(cfg.discriminator)}, "
            f"{count(self.discriminator())}",
            "network": f"{build.type_name(cfg.network)}, {count(term.network)}",
            "bound": build.type_name(cfg.bound),
            "marginals": f"{build.type_name(cfg.marginals)}, "
            f"{term.marginals.pairs(cfg.trainer.batch_size):,} pairs a batch",
            "training": f"{cfg.trainer.steps} steps of {cfg.trainer.batch_size} samples on "
            f"{device(cfg.trainer.device)}",
        }

    def start(self, where: torch.device) -> ALI:
        cfg = self.cfg
        self.source.load_state_dict(self.unstarted)
        return ALI(
            options(cfg.task, ALIConf),
            options(cfg.method, ALIMethodConf),
            options(cfg.trainer, TrainerConf),
            self.source,
            self.model(),
            self.discriminator(),
            self.term,
            self.discriminator(cycle=True) if cfg.method.cycle == "adversarial" else None,
            samples=self.samples,
            seed=cfg.seed,
            device=where,
            autocast=partial(autocast, where, cfg.trainer.dtype),
        )

    def head(self) -> Result:
        note = INFINITE if self.cfg.task.sigma == 0 else NOT_KNOWN
        return {
            **UNKNOWN,
            "true_mi": None,
            "true_mi_note": note,
            **sections(self.cfg, *PARTS, "trainer"),
            "ali": sections(self.cfg, "task")["task"] | {"latent_dim": self.latent.dim},
        }

    def begin(self, files: RunFolder) -> None:
        """Samples of the data, to be seen beside the generator's."""
        random = torch.Generator().manual_seed(stream(self.cfg.seed, "shown"))
        x, _ = self.source.known(SHOWN_IMAGES if self.images else self.samples, random)
        arm = {"method": self.cfg.method.name, "seed": self.cfg.seed}
        files.keep("data", {"x": as_bytes(x) if self.images else x.numpy()} | arm)

    def after(self, result: Result) -> Result:
        """What was noticed about the data while it trained stands with what was noticed before."""
        return {"warnings": [*result["warnings"], *self.source.found()]}

    def close(self) -> None:
        self.source.close()

    def look(self, folder: Path, step: int) -> Mapping[str, Path]:
        return drawn(folder, "generated", "reconstructions")

    def pictures(self, folder: Path) -> Mapping[str, Path]:
        return drawn(folder, "generated", "reconstructions", "embeddings", "faithfulness")

    def settings(self) -> Result:
        kinds = {name: build.type_name(self.cfg[name]) for name in PARTS if name != "method"}
        return kinds | {"method": self.cfg.method.name} | super().settings()


def compare(sweep: Path) -> None:
    """Draws the finished runs of a sweep side by side, if they differ in method and seed alone."""
    results = [read_json(path) for path in sweep.glob("*/result.json")]
    methods = {result["method"]["name"] for result in results if result.get("task") == "ali"}
    if len({common(result, ARM) for result in results}) == 1 and len(methods) > 1:
        figures.compare_autoencoders(sweep)


def count(module: nn.Module) -> str:
    return f"{sum(p.numel() for p in module.parameters()):,} parameters"
