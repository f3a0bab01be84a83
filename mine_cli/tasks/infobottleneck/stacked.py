r"""What a step of ``task=infobottleneck`` is, for one bottleneck or for several as one model."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from mine_cli.config.schemas import InfoBottleneckConf, MethodConf, TrainerConf
from mine_cli.estimator.ensemble import Ensemble, same
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.encoders import Bottleneck
from mine_cli.tasks.batches import FixedRows
from mine_cli.training.device import Autocast
from mine_cli.training.ema import MovingAverage
from mine_cli.training.optim import set_rate
from mine_cli.training.stack import AT_ONCE_ON_CPU, Stack
from mine_cli.training.stacked_adam import StackedAdam, runs
from mine_cli.training.task import State

__all__ = ["Batched", "Share", "StackedBottlenecks", "objective"]

# Weights of one, and activations of its pairs, that are worked on at once on a CPU. Measured with
# one thread: as one model R take a quarter of their time in turn where one has 5,000 of them, 0.8
# of it at 60,000, all of it at 200,000 and twice of it at a million.
FLOATS_AT_ONCE_ON_CPU = 2**19


class Steppable(Protocol):
    """What is stepped of a bottleneck: its networks, its random streams, its settings."""

    conf: InfoBottleneckConf
    method: MethodConf
    trainer: TrainerConf
    device: torch.device
    autocast: Autocast
    bottleneck: Bottleneck
    average: MovingAverage[Bottleneck] | None
    informed: bool
    term: MutualInformation
    statistics_lr: float
    feed: FixedRows
    generator: Generator
    share: "Share | None"


class StackedBottlenecks:
    """Steps several bottlenecks as if each had been trained alone.

    Modules and batches are of one shape; seeds, beta, learning rates and bounds may differ. Who
    takes part may change between two steps: a new `StackedBottlenecks` takes over all that is
    under way. On a CPU as many are one model as fit its caches; large ones are stepped in turn.

    Arguments:
        tasks: of one method but for beta, with the same schedule, batch size and device.
    """

    def __init__(self, tasks: "Sequence[Steppable]") -> None:
        # Neighbours of equal rates and bounds cost the least.
        ordered = sorted(tasks, key=rates_and_bound)
        size = at_once(ordered[0]) if ordered[0].device.type == "cpu" else len(ordered)
        self.batched = [Batched(ordered[i : i + size]) for i in range(0, len(ordered), size)]

    def step(self, step: int) -> None:
        """One step of every statistics network, encoder and decoder."""
        for batched in self.batched:
            try:
                batched.step(step)
            except Exception as stop:
                # Nobody's in particular, unless it was stepped by itself beside others.
                if len(batched.tasks) > 1 or len(self.batched) == 1:
                    raise
                batched.failure = stop

    @property
    def failed(self) -> bool:
        """Whether the bound of any of them has failed."""
        return any(batched.failed for batched in self.batched)


class Batched:
    """Bottlenecks of one shape as one model.

    A step moves statistics networks, encoders and decoders, each along the gradient at which it
    finds the others.
    """

    def __init__(self, tasks: "Sequence[Steppable]") -> None:
        first, self.tasks = tasks[0], list(tasks)
        self.conf, self.method, self.trainer = first.conf, first.method, first.trainer
        self.device, self.autocast = first.device, first.autocast
        self.models = Stack([task.bottleneck for task in tasks])
        if self.trainer.compile:
            self.models.forward = torch.compile(self.models.forward)
        rates = [task.trainer.lr for task in tasks]
        decay, moments = self.trainer.weight_decay, self.trainer.moments
        self.adam = StackedAdam(
            self.models.parameters(),
            runs(rates),
            [rates[run.start] for run in runs(rates)],
            weight_decay=decay,
            betas=moments,
        )
        self.ensemble: Ensemble | None = None
        if first.informed:
            self.ensemble = Ensemble(
                [task.term for task in tasks],
                [task.statistics_lr for task in tasks],
                decay,
                self.autocast,
                self.trainer.compile,
                moments,
            )
        self.beta = torch.tensor([task.method.beta for task in tasks], device=self.device)
        self.latest: dict[str, Tensor] = {}
        self.failure: Exception | None = None
        for r, task in enumerate(tasks):
            under_way = task.share.moments() if task.share else {}
            task.share = Share(self, r)
            task.share.load_moments(under_way)

    @property
    def failed(self) -> bool:
        parts = self.ensemble.parts if self.ensemble else []
        return self.failure is not None or any(part.failure for part in parts)

    def step(self, step: int) -> None:
        """One step of all; what it says of each is `latest`, nats, [R]."""
        set_rate(self.adam.optimizer, self.trainer, step)
        x, y = self.batch()
        logits, z, divergence, seen = self.encode(x)
        losses, cross_entropy = objective(logits[:, : y.shape[1]], y, self.method)
        self.latest = {"loss/cross_entropy": cross_entropy.detach()}
        if self.method.information == "kl":
            information = divergence.mean(1)
            losses = losses + self.beta * information
            self.latest["train/kl"] = information.detach()
        if self.ensemble is not None:
            set_rate(self.ensemble.optimizer, self.trainer, step)
            self.train_further(self.ensemble)
            trained, information = self.ensemble.step_and_minimise(
                self.pairs(seen, z), self.generators
            )
            self.latest["loss/statistics"] = trained
            losses = losses + self.beta * information
            self.latest["train/value"] = information.detach()
        self.adam.zero_grad()
        losses.sum().backward()
        self.adam.step()
        for task in self.tasks:
            if task.average is not None:
                task.average.follow()

    @property
    def generators(self) -> list[Generator]:
        return [task.generator for task in self.tasks]

    def batch(self) -> tuple[list[Tensor], Tensor]:
        """Each task's next rows, and their labels [R, n].

        Where marginals want independent draws, further rows of x stand behind the n labelled ones.
        """
        batches = [task.feed.batch(task.generator) for task in self.tasks]
        x = [rows for rows, _ in batches]
        extra = 0
        if self.ensemble is not None:
            extra = self.tasks[0].term.marginals.extra
        if extra:
            further = [self.draw(task, extra) for task in self.tasks]
            x = [torch.cat(pair) for pair in zip(x, further, strict=True)]
        return x, torch.stack([labels for _, labels in batches])

    def draw(self, task: "Steppable", times: int) -> Tensor:
        rows, n = task.feed.x, self.trainer.batch_size * times
        chosen = torch.randint(len(rows), (n,), generator=task.generator, device=self.device)
        return rows.index_select(0, chosen)

    def encode(self, x: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What `Bottleneck` makes of each task's rows, [R, n, ...]."""
        calls = [
            (rows, task.bottleneck.encoder.draw_noise(len(rows), task.generator))
            for rows, task in zip(x, self.tasks, strict=True)
        ]
        with self.autocast():
            found = self.models(calls)
        return tuple(part[None] for part in found) if self.models.alone else found

    def pairs(self, seen: Tensor, z: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The batches of the terms: what is seen of n rows, their codes and those of others."""
        n = self.trainer.batch_size
        return [(rows[:n], codes) for rows, codes in zip(seen, z, strict=True)]

    def train_further(self, ensemble: Ensemble) -> None:
        """Trains the statistics networks on the codes of further rows, all steps but the last."""
        for _ in range(self.conf.statistics_steps - 1):
            with torch.no_grad():
                _, z, _, seen = self.encode(self.batch()[0])
            ensemble.step(self.pairs(seen, z), self.generators)


class Share:
    """One task's part in what it is stepped with: what is watched and saved of its training."""

    def __init__(self, batched: Batched, r: int) -> None:
        self.batched, self.r = batched, r
        self.term = batched.ensemble.member(r) if batched.ensemble else None
        self.parts = {"bottleneck": batched.adam.member(r)}
        if self.term:
            self.parts["statistics"] = self.term

    def metrics(self) -> dict[str, Tensor]:
        """What the latest step says of this task.

        Raises:
            Exception: whatever a user's bound has raised in that step.
        """
        failure = self.batched.failure or (self.term and self.term.failure)
        if failure:
            raise failure
        return {tag: values[self.r] for tag, values in self.batched.latest.items()}

    def parameters(self) -> Iterable[Tensor]:
        return [p for part in self.parts.values() for p in part.parameters()]

    def moments(self) -> State:
        return {name: part.moments() for name, part in self.parts.items()}

    def load_moments(self, moments: State) -> None:
        for name, part in self.parts.items():
            part.load_moments(moments.get(name, []))


def at_once(task: "Steppable") -> int:
    """How many like this one are best stepped as one model on a CPU."""
    floats = sum(p.numel() for p in task.bottleneck.parameters())
    if task.informed:
        weights = list(task.term.network.parameters())
        groups, rows = task.term.marginals.groups(task.trainer.batch_size)
        widest = max((len(w) for w in weights if w.dim() > 1), default=1)
        floats += sum(w.numel() for w in weights) + groups * rows**2 * widest
    return max(1, min(AT_ONCE_ON_CPU, FLOATS_AT_ONCE_ON_CPU // max(1, floats)))


def rates_and_bound(task: "Steppable") -> tuple[float, str, float]:
    return task.trainer.lr, str(same(task.term.bound)), task.statistics_lr


def objective(logits: Tensor, y: Tensor, method: MethodConf) -> tuple[Tensor, Tensor]:
    r"""What classification descends, and the plain cross-entropy, [R] each, nats.

    .. math:: (1 - s)\, CE(y) + s\, CE(u) - w\, H(p)

    with s the label smoothing towards the uniform law u, and w the weight of the confidence
    penalty, which raises the entropy of the prediction p.

    Arguments:
        logits: [R, n, C].
        y: [R, n] int64.
    """
    log_p = logits.float().log_softmax(-1)
    cross_entropy = -log_p.gather(-1, y[..., None]).mean((1, 2))
    loss = cross_entropy
    if method.label_smoothing:
        uniform = -log_p.mean((1, 2))
        loss = (1 - method.label_smoothing) * loss + method.label_smoothing * uniform
    if method.confidence_penalty:
        entropy = -(log_p.exp() * log_p).sum(-1).mean(1)
        loss = loss - method.confidence_penalty * entropy
    return loss, cross_entropy
