"""Two ways to train the same information bottleneck, each timed over a number of steps.

`Squeezed` is the program's own `Trainer` and `InfoBottleneck`; `PlainVIB` is what an experienced
user would write by hand for the closed-form method, with the same networks and data, the same
optimiser and the same moving average of the weights.
"""

import copy
from collections.abc import Mapping
from functools import partial

import torch
from loops import ByHand, Trained
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from mine_cli.api import composed
from mine_cli.data.labelled import Labelled
from mine_cli.tasks.infobottleneck.experiment import InfoBottleneckExperiment
from mine_cli.tasks.infobottleneck.training import InfoBottleneck
from mine_cli.training.device import autocast, keep_memory

__all__ = ["PlainVIB", "Squeezed", "digits"]


def digits(rows: int, device: str) -> Labelled:
    """Noise in the shape of MNIST with random labels: a step costs what it costs."""
    random = torch.Generator().manual_seed(0)
    x = torch.rand(rows, 1, 28, 28, generator=random) * 2 - 1
    y = torch.randint(10, (rows,), generator=random)
    return Labelled(x.to(device), y.to(device), x[:100].to(device), y[:100].to(device), 10)


class Unjudged(InfoBottleneck):
    """Without evaluations, which are no part of a step."""

    def evaluate(self, step: int) -> Mapping[str, float | None]:
        return {}


class Given:
    """A data set of labelled rows that are there already."""

    def __init__(self, data: Labelled) -> None:
        self.data = data

    def labelled(self) -> Labelled:
        return self.data


class Squeezed(Trained):
    """`Trainer` with `InfoBottleneck`, logging into a folder.

    Arguments:
        data: what is classified, on the device.
        method: a row of the paper's table.
        device: where it is trained.
        seeds: how many bottlenecks are trained together.
        options: more of the configuration.
    """

    def __init__(
        self,
        data: Labelled,
        method: str,
        device: str,
        seeds: int = 1,
        options: tuple[str, ...] = (),
    ) -> None:
        cfg = composed(
            [
                "task=infobottleneck",
                f"method={method}",
                "trainer.evaluate_every=1000000000",
                "trainer.progress=false",
                *options,
            ]
        )
        job = InfoBottleneckExperiment(cfg, Given(data))
        first, *others = (
            Unjudged(
                OmegaConf.to_object(cfg.task),
                OmegaConf.to_object(cfg.method),
                OmegaConf.to_object(cfg.trainer),
                data,
                job.bottleneck,
                job.term,
                seed=seed,
                device=device,
                autocast=partial(autocast, torch.device(device), cfg.trainer.dtype),
            )
            for seed in range(seeds)
        )
        first.stacked = first.stack(others)
        keep_memory()  # as a run does
        super().__init__(cfg, first, device)
        self.data, self.bottleneck = data, partial(job.bottleneck, 0)


class PlainVIB(ByHand):
    """Data on the device, fused Adam, the closed-form divergence, nothing logged.

    Arguments:
        ours: whose networks, data and settings are copied.
    """

    def __init__(self, ours: Squeezed) -> None:
        super().__init__(ours.device)
        conf, first = ours.cfg.trainer, ours.bottleneck()
        self.x, self.y = ours.data.x.flatten(1), ours.data.y
        self.batch, self.beta = conf.batch_size, ours.cfg.method.beta
        hidden = [layer for linear in first.encoder.body.layers for layer in (linear, nn.ReLU())]
        self.encoder = nn.Sequential(*hidden[:-1]).to(self.device)
        self.decoder = first.decoder.to(self.device)
        self.networks = nn.ModuleList([self.encoder, self.decoder])
        self.average, self.keep = copy.deepcopy(self.networks), ours.cfg.task.average
        self.optimizer = torch.optim.Adam(
            self.networks.parameters(), conf.lr, tuple(conf.betas), fused=True
        )

    def run(self, steps: int) -> None:
        for _ in range(steps):
            rows = torch.randint(len(self.x), (self.batch,), device=self.device)
            x, y = self.x[rows], self.y[rows]
            mean, rho = self.encoder(x).chunk(2, 1)
            std = softplus(rho - 5)
            z = mean + std * torch.randn_like(std)
            loss = cross_entropy(self.decoder(z), y) + self.beta * divergence(mean, std)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.follow()

    @torch.no_grad()
    def follow(self) -> None:
        """The moving average of the weights."""
        pairs = zip(self.average.parameters(), self.networks.parameters(), strict=True)
        for kept, now in pairs:
            kept.lerp_(now, 1 - self.keep)


def divergence(mean: Tensor, std: Tensor) -> Tensor:
    """KL from N(0, 1) in nats, averaged over the rows."""
    return (0.5 * (mean.square() + std.square() - 1) - std.log()).sum(1).mean()
