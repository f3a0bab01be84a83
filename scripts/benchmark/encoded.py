"""Two ways to train an encoder beside a generator, each timed over a number of steps.

`Encoded` is the program's own `Trainer` and `ALI`; `PlainEncoded` is what an experienced user
would write by hand for the method without information, with the same networks, data and penalty.
"""

import copy
from collections.abc import Mapping

import torch
from adversarial import Rows
from loops import ByHand, Trained
from omegaconf import OmegaConf
from torch import Tensor
from torch.nn.functional import softplus

from mine_cli.api import composed
from mine_cli.tasks import build
from mine_cli.tasks.adversarial.samples import Latent
from mine_cli.tasks.ali.autoencoder import autoencoder
from mine_cli.tasks.ali.sources import Points
from mine_cli.tasks.ali.training import ALI

__all__ = ["Encoded", "PlainEncoded"]


class Unjudged(ALI):
    """Without evaluations, which are no part of a step."""

    def evaluate(self, step: int) -> Mapping[str, float | None]:
        return {}


class Encoded(Trained):
    """`Trainer` with `ALI` in the setting of ``ali/25gaussians``, logging into a folder.

    Arguments:
        data: the samples that are encoded.
        method: of task=ali.
        device: where it is trained.
    """

    def __init__(self, data: Tensor, method: str, device: str) -> None:
        cfg = composed(
            [
                "experiment=ali/25gaussians",
                f"method={method}",
                "trainer.evaluate_every=1000000000",
                "trainer.progress=false",
            ]
        )
        shape, latent = tuple(data.shape[1:]), Latent(2)
        task = Unjudged(
            OmegaConf.to_object(cfg.task),
            OmegaConf.to_object(cfg.method),
            OmegaConf.to_object(cfg.trainer),
            Points(Rows(data)),
            autoencoder(cfg, shape, latent),
            build.module(cfg.discriminator, "discriminator", 0, shape, (latent.dim,)),
            lambda seed: build.term(cfg, shape, (latent.dim,), seed=seed),
            device=device,
        )
        super().__init__(cfg, task, device)
        self.ali, self.data = task, data


class PlainEncoded(ByHand):
    """Data on the device, fused Adam, one batch for all networks, nothing logged.

    Arguments:
        ours: whose networks, data and settings are copied.
    """

    def __init__(self, ours: Encoded) -> None:
        super().__init__(ours.device)
        conf, self.data = ours.cfg.trainer, ours.data.to(ours.device)
        self.encoder = copy.deepcopy(ours.ali.encoder.network)
        self.generator = copy.deepcopy(ours.ali.generator)
        self.discriminator = copy.deepcopy(ours.ali.discriminator.layers)
        self.models = [*self.encoder.parameters(), *self.generator.parameters()]
        self.average = [p.detach().clone() for p in self.models]
        self.keep, self.gamma = ours.cfg.task.average, ours.cfg.task.gradient_penalty
        self.optimizer, self.optimizer_d = (
            torch.optim.Adam(parameters, conf.lr, tuple(conf.betas), fused=True)
            for parameters in (self.models, self.discriminator.parameters())
        )
        self.shape = (conf.batch_size, ours.ali.latent.dim)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            rows = torch.randint(len(self.data), self.shape[:1], device=self.device)
            x, z = self.data[rows], torch.randn(self.shape, device=self.device)
            q = torch.cat([x, self.encoder(x)], 1)
            p = torch.cat([self.generator(z), z], 1)
            inputs = [side.detach().requires_grad_() for side in (q, p)]
            on_q, on_p = map(self.discriminator, inputs)
            loss = softplus(-on_q).mean() + softplus(on_p).mean()
            for logits, side in zip((on_q, on_p), inputs, strict=True):
                (slope,) = torch.autograd.grad(logits.sum(), side, create_graph=True)
                loss = loss + self.gamma / 2 * slope.square().sum(1).mean()
            self.optimizer_d.zero_grad()
            loss.backward()
            self.optimizer_d.step()

            self.discriminator.requires_grad_(False)
            loss = softplus(self.discriminator(q)).mean()
            loss = loss + softplus(-self.discriminator(p)).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.discriminator.requires_grad_(True)
            with torch.no_grad():
                for kept, now in zip(self.average, self.models, strict=True):
                    kept.lerp_(now, 1 - self.keep)
