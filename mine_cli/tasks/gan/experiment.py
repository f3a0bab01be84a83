"""``task=gan`` made ready to run: three networks, a data set of samples, pictures of them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from omegaconf import DictConfig

from mine_cli import figures
from mine_cli.config.schemas import GANConf, TrainerConf
from mine_cli.errors import BadInput
from mine_cli.results.files import read_json
from mine_cli.results.folder import Charts, RunFolder
from mine_cli.tasks import build
from mine_cli.tasks.adversarial.samples import SHOWN_IMAGES, Latent, as_bytes
from mine_cli.tasks.common import (
    UNKNOWN,
    common,
    drawn,
    forward_pass,
    options,
    passed,
    sections,
)
from mine_cli.tasks.gan.training import GAN, packed
from mine_cli.tasks.protocol import Experiment, Result, Samples
from mine_cli.training.device import autocast, device
from mine_cli.training.rng import stream

__all__ = ["GANExperiment", "compare"]

# Where the configuration leaves it open: points in the plane, images.
LATENT_DIM = (2, 100)
SAMPLES = (2500, 26_000)
PARTS = ("dataset", "generator", "discriminator", "network", "bound", "marginals")
# What the runs of a comparison may differ in: nothing but beta and the seeds.
ARM: dict[str, set[str]] = {part: set() for part in (*PARTS, "trainer")}
ARM |= {"dataset": {"seed"}, "gan": {"beta"}}
INFINITE = (
    "infinite: the samples are a function of the code, and both have densities; the estimate is a "
    "diagnostic, not a result"
)
NOT_KNOWN = "not known: part of the latent is noise; the estimate is a diagnostic, not a result"


class GANExperiment(Experiment):
    """A generator, a discriminator and the information between code and samples."""

    opening = "judging the samples of the untrained generator"
    closing = "trained; drawing the samples"
    metrics = ("kl", "modes", "high_quality", "js")
    charts: ClassVar[Charts] = {
        "generator": {
            "modes captured": ["Multiline", ["^gan/modes$"]],
            "divergence of the modes, nats": ["Multiline", ["^gan/kl$", "^gan/js$"]],
            "gradients of the generator, norms": [
                "Multiline",
                ["^norm/adversarial$", "^norm/information$", "^norm/clipped$"],
            ],
            "information, a diagnostic, nats": ["Multiline", ["^mi/estimate$", "^train/value$"]],
            "losses": ["Multiline", ["^loss/generator$", "^loss/discriminator$"]],
        }
    }

    def __init__(self, cfg: DictConfig, dataset: object) -> None:
        super().__init__(cfg, dataset)
        if not isinstance(dataset, Samples):
            raise BadInput(
                f"dataset: {type(dataset).__name__} has no draw(n, generator): task=gan "
                "wants samples, not pairs, such as dataset=gaussian_grid or stacked_mnist"
            )
        self.source = dataset
        few = dataset.draw(2, torch.Generator().manual_seed(0))
        self.shape = tuple(few.shape[1:])
        self.images = len(self.shape) == 3
        task = cfg.task
        dim = task.latent_dim or LATENT_DIM[self.images]
        if task.code_dim is not None and task.code_dim > dim:
            raise BadInput(
                f"task.code_dim={task.code_dim}: larger than the latent, which has "
                f"task.latent_dim={dim}; want at most {dim}"
            )
        if cfg.trainer.batch_size % task.packing:
            raise BadInput(
                f"task.packing={task.packing}: must divide trainer.batch_size="
                f"{cfg.trainer.batch_size}"
            )
        self.latent = Latent(dim, task.latent, task.code_dim)
        self.samples = task.samples or SAMPLES[self.images]

    def check(self) -> None:
        """Raise BadInput unless samples, logits and scores have the shapes they should."""
        models = self.models()
        packing = self.cfg.task.packing
        latent = self.latent.draw(4 * packing, torch.Generator().manual_seed(0))
        fake = passed("generator", models["generator"], latent)
        if fake.shape[1:] != self.shape:
            raise BadInput(
                f"generator: makes samples of shape {tuple(fake.shape[1:])}; the data set's have "
                f"{self.shape}"
            )
        logits = passed("discriminator", models["discriminator"], packed(fake, packing))
        if logits.shape != (4,):
            kind = "samples" if packing == 1 else "packs"
            raise BadInput(
                f"discriminator: logits of 4 {kind} have shape {list(logits.shape)}; want [4]"
            )
        forward_pass(models["term"], fake, self.latent.code(latent))

    def models(self) -> Result:
        """Generator, discriminator and information term, each from its own random stream."""
        cfg, shape = self.cfg, self.shape
        seeds = {name: stream(cfg.seed, name) for name in ("generator", "discriminator")}
        pack = (cfg.task.packing * shape[0], *shape[1:])
        return {
            "generator": build.module(
                cfg.generator, "generator", seeds["generator"], self.latent.dim, shape
            ),
            "discriminator": build.module(
                cfg.discriminator, "discriminator", seeds["discriminator"], pack
            ),
            "term": build.term(
                cfg, shape, (self.latent.code_dim,), seed=stream(cfg.seed, "network")
            ),
        }

    def listing(self) -> dict[str, str]:
        cfg, models = self.cfg, self.models()
        count = {
            name: f"{sum(p.numel() for p in model.parameters()):,} parameters"
            for name, model in {**models, "term": models["term"].network}.items()
        }
        pairs = models["term"].marginals.pairs(cfg.trainer.batch_size)
        return {
            "dataset": f"{type(self.dataset).__name__}; x {self.shape}",
            "latent": f"{self.latent.dim} {self.latent.law}, {self.latent.code_dim} of them code",
            "generator": f"{type(models['generator']).__module__.rpartition('.')[2]}, "
            f"{count['generator']}",
            "discriminator": f"{type(models['discriminator']).__module__.rpartition('.')[2]}, "
            f"{count['discriminator']}",
            "network": f"{build.type_name(cfg.network)}, {count['term']}",
            "bound": f"{build.type_name(cfg.bound)}, beta {cfg.task.beta:g}",
            "marginals": f"{build.type_name(cfg.marginals)}, {pairs:,} pairs a batch",
            "training": f"{cfg.trainer.steps} steps of {cfg.trainer.batch_size} samples on "
            f"{device(cfg.trainer.device)}",
        }

    def start(self, where: torch.device) -> GAN:
        cfg = self.cfg
        return GAN(
            options(cfg.task, GANConf),
            options(cfg.trainer, TrainerConf),
            self.source,
            self.latent,
            **self.models(),
            samples=self.samples,
            seed=cfg.seed,
            device=where,
            autocast=partial(autocast, where, cfg.trainer.dtype),
        )

    def head(self) -> Result:
        whole = self.latent.code_dim == self.latent.dim
        return {
            **UNKNOWN,
            "true_mi": None,
            "true_mi_note": INFINITE if whole else NOT_KNOWN,
            **sections(self.cfg, *PARTS, "trainer"),
            "gan": sections(self.cfg, "task")["task"]
            | {"latent_dim": self.latent.dim, "code_dim": self.latent.code_dim},
        }

    def begin(self, files: RunFolder) -> None:
        """Samples of the data, to be seen beside the generator's."""
        random = torch.Generator().manual_seed(stream(self.cfg.seed, "shown"))
        x = self.source.draw(SHOWN_IMAGES if self.images else self.samples, random)
        arm = {"beta": self.cfg.task.beta, "seed": self.cfg.seed}
        files.keep("data", {"x": as_bytes(x) if self.images else x.numpy()} | arm)

    def look(self, folder: Path, step: int) -> Mapping[str, Path]:
        return drawn(folder, "samples")

    def pictures(self, folder: Path) -> Mapping[str, Path]:
        return drawn(folder, "samples", "training", "density", "histogram", "progress")

    def settings(self) -> Result:
        task, kinds = self.cfg.task, {name: build.type_name(self.cfg[name]) for name in PARTS}
        return kinds | {"beta": task.beta, "clip": task.clip} | super().settings()


def compare(sweep: Path) -> None:
    """Draw the finished runs of a sweep in the same axes, if they differ in beta and seed alone.

    Each run of a sweep calls this at its end, so that the last one finds all that there are.
    """
    results = [read_json(path) for path in sweep.glob("*/result.json")]
    alike = {common(result, ARM) for result in results}
    betas = {result["gan"]["beta"] for result in results if "gan" in result}
    if len(alike) == 1 and len(betas) > 1:
        figures.compare_generators(sweep)
