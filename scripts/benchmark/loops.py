"""Three ways to train the same statistics network, each timed over a number of steps.

All have the same data, layer sizes, activation (GELU), batch size and learning rate. `Ours` is the
program's own `Trainer` and `MIEstimate`; the other two are what one would write by hand.
`ByHand` and `Trained` are what these loops share with those of other tasks.
"""

import math
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from mine_cli import MutualInformation
from mine_cli.api import composed
from mine_cli.data.gaussian import Gaussian
from mine_cli.networks import MLP
from mine_cli.results.folder import RunFolder
from mine_cli.tasks.build import term
from mine_cli.tasks.mi_estimate.parts import Parts
from mine_cli.tasks.mi_estimate.training import MIEstimate
from mine_cli.training.task import Task
from mine_cli.training.trainer import Trainer
from mine_cli.training.training import Training, TrainingRecord

__all__ = ["ByHand", "HandWritten", "Ordinary", "Ours", "Stepped", "Trained", "gaussian"]

LR = 2e-3
RATE = 0.01  # of the moving average
SELECT_ROWS = 1000


def gaussian(dim: int, rows: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """x and z ``[rows, dim]`` with 2.877 nats between them, whatever the dimension."""
    law = Gaussian(dim, mi=-10 * math.log(1 - 0.5**2))
    x, z = law.sample(rows, torch.Generator().manual_seed(0))
    return x.to(device), z.to(device)


def perceptron(dim: int, widths: tuple[int, ...], device: str) -> nn.Sequential:
    """T over the concatenation [x, z]."""
    layers: list[nn.Module] = []
    size = 2 * dim
    for width in widths:
        layers += [nn.Linear(size, width), nn.GELU()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, 1)).to(device)


class ByHand:
    """A loop of its own, timed from outside."""

    def __init__(self, device: str) -> None:
        self.device = device

    def seconds(self, steps: int) -> float:
        """The wall time of that many steps."""
        synchronise(self.device)
        start = time.perf_counter()
        self.run(steps)
        synchronise(self.device)
        return time.perf_counter() - start

    def run(self, steps: int) -> None:
        raise NotImplementedError


class Loop(ByHand):
    """What the two hand-made loops share: network, data and the moving average of e^T."""

    def __init__(self, x: Tensor, z: Tensor, widths: tuple[int, ...], batch: int) -> None:
        super().__init__(str(x.device))
        self.x, self.z, self.batch = x, z, batch
        torch.manual_seed(0)
        self.network = perceptron(x.shape[1], widths, self.device)
        self.average: Tensor | None = None

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """MINE's loss with the bias-corrected gradient, in plain float32."""
        mean = t_marginal.exp().mean()
        now = mean.detach()
        before = now if self.average is None else self.average
        self.average = (1 - RATE) * before + RATE * now
        return mean / self.average - t_joint.mean()


class Ordinary(Loop):
    """DataLoader, two forward passes, plain Adam, ``.item()`` after every step."""

    def __init__(self, x: Tensor, z: Tensor, widths: tuple[int, ...], batch: int) -> None:
        super().__init__(x, z, widths, batch)
        self.optimizer = torch.optim.Adam(self.network.parameters(), LR)
        rows = TensorDataset(x.cpu(), z.cpu())
        self.loader = DataLoader(rows, batch_size=batch, shuffle=True, drop_last=True)
        self.history: list[float] = []
        self.batches = self.endless()

    def endless(self) -> Iterator[list[Tensor]]:
        while True:
            yield from self.loader

    def run(self, steps: int) -> None:
        for _ in range(steps):
            x, z = (side.to(self.device) for side in next(self.batches))
            other = z[torch.randperm(len(z), device=self.device)]
            t_joint = self.network(torch.cat([x, z], 1))
            t_marginal = self.network(torch.cat([x, other], 1))
            loss = self.loss(t_joint, t_marginal)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.history.append(loss.item())


class HandWritten(Loop):
    """Data on the device, one forward pass over joint and marginal pairs, fused Adam."""

    def __init__(self, x: Tensor, z: Tensor, widths: tuple[int, ...], batch: int) -> None:
        super().__init__(x, z, widths, batch)
        self.optimizer = torch.optim.Adam(self.network.parameters(), LR, fused=True)
        self.rows = self.endless()

    def endless(self) -> Iterator[Tensor]:
        while True:
            order = torch.randperm(len(self.x), device=self.device)
            yield from order[: len(order) // self.batch * self.batch].split(self.batch)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            rows = next(self.rows)
            x, z = self.x[rows], self.z[rows]
            other = z[torch.randperm(len(z), device=self.device)]
            pairs = torch.cat([torch.cat([x, z], 1), torch.cat([x, other], 1)])
            t_joint, t_marginal = self.network(pairs).squeeze(1).split(self.batch)
            loss = self.loss(t_joint, t_marginal)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()


class Stepped(Loop):
    """The term in a loop of one's own: a batch, and `step`."""

    def __init__(self, x: Tensor, z: Tensor, widths: tuple[int, ...], batch: int) -> None:
        super().__init__(x, z, widths, batch)
        network = MLP(x.shape[1:], z.shape[1:], widths).to(self.device)
        self.term = MutualInformation(network, "mine", lr=LR)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            rows = torch.randint(len(self.x), (self.batch,), device=self.device)
            self.term.step(self.x[rows], self.z[rows])


class Trained:
    """A task in the program's own `Trainer`, logging into a folder.

    Arguments:
        cfg: the whole configuration.
        task: what is trained, on the device.
        device: where it is trained.
    """

    def __init__(self, cfg: DictConfig, task: Task, device: str) -> None:
        self.cfg, self.task, self.device = cfg, task, device
        # Kept between blocks: a run opens its files once, not every few hundred steps.
        self.folder = tempfile.TemporaryDirectory()
        self.files = RunFolder(Path(self.folder.name))

    def train(self, steps: int) -> TrainingRecord:
        """Train that many steps; where the time went."""
        conf = OmegaConf.to_object(self.cfg.trainer)
        conf.steps = steps
        synchronise(self.device)
        training = Training(self.task, conf, self.files)
        Trainer([training]).fit()
        return training.record

    def seconds(self, steps: int) -> float:
        """The wall time of that many steps and their logging, without evaluations and checkpoints.

        The trainer reads the last loss before it stops the clock: the device has finished then.
        """
        record = self.train(steps)
        return record.stepping_seconds + record.logging_seconds


class Ours(Trained):
    """`Trainer` with `MIEstimate` on the default configuration, logging into a folder.

    Arguments:
        x, z: the rows that train each network, on the device.
        widths: of the hidden layers.
        batch: rows a step.
        networks: how many are trained together, each on all the rows.
        overrides: more of the configuration.
    """

    def __init__(
        self,
        x: Tensor,
        z: Tensor,
        widths: tuple[int, ...],
        batch: int,
        networks: int = 1,
        overrides: tuple[str, ...] = (),
    ) -> None:
        cfg = composed(
            [
                f"dataset.dim={x.shape[1]}",
                f"network.widths={list(widths)}",
                f"trainer.batch_size={batch}",
                f"trainer.lr={LR}",
                "trainer.steps=6000",
                f"bound.rate={RATE}",
                # Evaluations are timed apart; they shall not stop the loop either.
                "task.patience=null",
                "task.pairs_during_training=20000",
                "trainer.evaluate_every=1000000000",
                "trainer.progress=false",
                *overrides,
            ]
        )
        held_out = (x[:SELECT_ROWS], z[:SELECT_ROWS])
        part = Parts(fit=(x, z), select=held_out, report=held_out)
        shapes = (tuple(x.shape[1:]), tuple(z.shape[1:]))
        task = MIEstimate(
            OmegaConf.to_object(cfg.task),
            OmegaConf.to_object(cfg.trainer),
            partial(term, cfg, *shapes),
            [[part]] * networks,
        )
        super().__init__(cfg, task, str(x.device))


def synchronise(device: str) -> None:
    """Wait for a GPU, whose work is only queued when a call returns."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
