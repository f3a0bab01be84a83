"""Two ways to train the same adversarial pair, each timed over a number of steps.

`Adversarial` is the program's own `Trainer` and `GAN`; `Plain` is what an experienced user would
write by hand for beta = 0, with the same networks and data, the same optimiser steps and the same
moving average of the generator's weights.
"""

import copy
from collections.abc import Mapping

import torch
from loops import ByHand, Trained
from omegaconf import OmegaConf
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from mine_cli.api import composed
from mine_cli.data.mixtures import GaussianGrid
from mine_cli.data.samples import Pool
from mine_cli.tasks import build
from mine_cli.tasks.adversarial.samples import Latent
from mine_cli.tasks.gan.training import GAN

__all__ = ["IMAGES", "PACGAN", "PLANE", "Adversarial", "Plain", "images", "points"]

PLANE = ("dataset=gaussian_grid", "task.latent_dim=2")
"""The configuration of 25 Gaussians as it is shipped."""

PACGAN = ("experiment=gan/25gaussians", "task.latent_dim=2")
"""That of 25 Gaussians in PacGAN's setting."""

IMAGES = (
    "dataset=stacked_mnist",
    "task.latent_dim=100",
    "generator.channels=[128,64,32,16]",
    "discriminator.channels=[16,32,64,128]",
)
"""That of stacked digits, a quarter as wide, as a CPU can train it."""


def points(rows: int) -> Tensor:
    """25 Gaussians, [rows, 2]."""
    return GaussianGrid().draw(rows, torch.Generator().manual_seed(0))


def images(rows: int) -> Tensor:
    """Noise in the shape of stacked digits, [rows, 3, 28, 28]: a step costs what it costs."""
    return torch.rand(rows, 3, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Rows(Pool):
    """A data set of given samples."""

    @property
    def shape(self) -> torch.Size:
        return self.rows.shape[1:]


class Unjudged(GAN):
    """Without evaluations, which are no part of a step."""

    def evaluate(self, step: int) -> Mapping[str, float | None]:
        return {}


class Adversarial(Trained):
    """`Trainer` with `GAN`, logging into a folder.

    Arguments:
        data: the samples that are imitated.
        options: of the configuration.
        beta: of the information; 0 for the adversarial pair alone.
        device: where it is trained.
    """

    def __init__(self, data: Tensor, options: tuple[str, ...], beta: float, device: str) -> None:
        cfg = composed(
            [
                "task=gan",
                f"task.beta={beta}",
                "trainer.evaluate_every=1000000000",
                "trainer.progress=false",
                *options,
            ]
        )
        dataset, latent = Rows(data), Latent(cfg.task.latent_dim, cfg.task.latent)
        task = Unjudged(
            OmegaConf.to_object(cfg.task),
            OmegaConf.to_object(cfg.trainer),
            dataset,
            latent,
            build.module(cfg.generator, "generator", 0, latent.dim, dataset.shape),
            build.module(cfg.discriminator, "discriminator", 0, dataset.shape),
            build.term(cfg, dataset.shape, (latent.dim,), seed=0),
            device=device,
        )
        super().__init__(cfg, task, device)
        self.gan, self.data = task, data


class Plain(ByHand):
    """Data on the device, one batch of fakes for both networks, fused Adam, nothing logged.

    Arguments:
        ours: whose networks, data and settings are copied.
    """

    def __init__(self, ours: Adversarial) -> None:
        super().__init__(ours.device)
        conf, self.data = ours.cfg.trainer, ours.data.to(ours.device)
        self.generator = copy.deepcopy(ours.gan.generator)
        self.discriminator = copy.deepcopy(ours.gan.discriminator)
        self.average, self.keep = copy.deepcopy(self.generator), ours.cfg.task.average
        self.optimizer_g, self.optimizer_d = (
            torch.optim.Adam(network.parameters(), conf.lr, tuple(conf.betas), fused=True)
            for network in (self.generator, self.discriminator)
        )
        self.shape = (conf.batch_size, ours.gan.latent.dim)
        self.real = torch.ones(conf.batch_size, device=self.device)
        self.fake = torch.zeros(conf.batch_size, device=self.device)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            rows = torch.randint(len(self.data), self.shape[:1], device=self.device)
            real = self.data[rows]
            fake = self.generator(torch.randn(self.shape, device=self.device))

            loss = cross_entropy(self.discriminator(real), self.real)
            loss = loss + cross_entropy(self.discriminator(fake.detach()), self.fake)
            self.optimizer_d.zero_grad()
            loss.backward()
            self.optimizer_d.step()

            self.discriminator.requires_grad_(False)
            loss = cross_entropy(self.discriminator(fake), self.real)
            self.optimizer_g.zero_grad()
            loss.backward()
            self.optimizer_g.step()
            self.discriminator.requires_grad_(True)
            self.follow()

    @torch.no_grad()
    def follow(self) -> None:
        """The moving average of the generator's weights, where there is one."""
        if self.keep is None:
            return
        pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
        for kept, now in pairs:
            kept.lerp_(now, 1 - self.keep)
