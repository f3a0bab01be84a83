r"""``task=infobottleneck``: a stochastic encoder that keeps what tells the class, and little else.

.. math:: \min_{p(z|x)} \; H(Y \mid Z) + \beta\, I(X; Z)

The encoder and its softmax layer descend the cross-entropy plus beta times an information term,
both in nats: the MI term of this package (the statistics network ascends its bound, with an
optimiser of its own), VIB's closed-form divergence, or none. The baselines of the paper's table 3
are the same objective with other parts: dropout, label smoothing, a confidence penalty.

References:
    | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 5.3, eq. 20
    | Deep Variational Information Bottleneck (Alemi et al., 2017), eq. 17
    | Regularizing Neural Networks by Penalizing Confident Output Distributions (Pereyra et al.,
    | 2017), eq. 3, for the confidence penalty
"""

import copy
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from mine_cli.average import MovingAverage
from mine_cli.data.labelled import Labelled
from mine_cli.ensemble import Ensemble, Stack
from mine_cli.estimator import MutualInformation, adam, descend
from mine_cli.evaluation import Evaluation
from mine_cli.models.encoders import Bottleneck
from mine_cli.schemas import InfoBottleneckConf, MethodConf, TrainerConf
from mine_cli.status import status
from mine_cli.tasks.bottleneck_report import ROWS_AT_ONCE, information, prediction, predictions_of
from mine_cli.tasks.feeds import FixedRows, stream
from mine_cli.trainer import set_rate

__all__ = ["InfoBottleneck", "objective", "validation_split"]

log = logging.getLogger("mine_cli")

FASTER = 10  # than the encoder, at which rate the statistics network keeps up
WATCHED_ROWS = 2000  # whose exact information is bounded during the training: the cost is n^2


@dataclass
class Member:
    """One bottleneck, its term, and the random stream that trains both."""

    bottleneck: Bottleneck
    term: MutualInformation
    feed: FixedRows
    generator: Generator
    average: MovingAverage | None = None

    @property
    def judged(self) -> Any:
        """The bottleneck that predicts: its average, if one is kept."""
        return self.bottleneck if self.average is None else self.average.module()

    def state_dict(self) -> dict[str, Any]:
        return {
            "bottleneck": self.bottleneck.state_dict(),
            "term": self.term.state_dict(),
            "feed": self.feed.state_dict(),
            "generator": self.generator.get_state(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.bottleneck.load_state_dict(state["bottleneck"])
        self.term.load_state_dict(state["term"])
        self.feed.load_state_dict(state["feed"])
        self.generator.set_state(state["generator"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])


class InfoBottleneck:
    """Trains a bottleneck for each seed, all together, each as it would have trained alone.

    A step trains the statistics network on the codes of this batch, then encoder and decoder.
    Nothing is chosen by the test rows: they are looked at once, after the last step.

    Arguments:
        conf: averaging, validation, the balance of the networks; see `InfoBottleneckConf`.
        method: the parts of the objective; see `MethodConf`.
        trainer: steps, batch size, rates; see `TrainerConf`. Its ``lr`` is the encoder's.
        data: training and test rows.
        make_bottleneck, make_term: make a member's modules from its seed.
        seeds: one a member, of all its random streams.
        device: where all of it computes, and the data stay.
        autocast: makes the context that the networks are called in.
    """

    def __init__(
        self,
        conf: InfoBottleneckConf,
        method: MethodConf,
        trainer: TrainerConf,
        data: Labelled,
        make_bottleneck: Callable[[int], Bottleneck],
        make_term: Callable[[int], MutualInformation],
        seeds: Sequence[int] = (0,),
        device: torch.device | str = "cpu",
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.conf, self.method, self.trainer, self.autocast = conf, method, trainer, autocast
        self.device, self.bounds = torch.device(device), data.bounds
        self.informed = method.information == "mine"
        fit, held_out = validation_split(len(data.x), conf.validation)
        x, y = data.x.to(device), data.y.to(device)
        self.held_out = x[held_out], y[held_out]
        self.test = data.test_x.to(device), data.test_y.to(device)
        fit_x, fit_y = x[fit], y[fit]
        self.members = [
            self._member(make_bottleneck, make_term, fit_x, fit_y, seed) for seed in seeds
        ]
        self.models = Stack([m.bottleneck for m in self.members])
        for member in self.members:  # what they follow is stacked by now
            if conf.average is not None:
                member.average = MovingAverage(member.bottleneck, conf.average, ramp=True)
        if trainer.compile:
            self.models.forward = torch.compile(self.models.forward)
        rest = (trainer.weight_decay, trainer.moments)
        self.optimizer = adam(self.models.parameters(), trainer.lr, *rest)
        terms = [m.term for m in self.members]
        rate = conf.statistics_lr or FASTER * trainer.lr
        self.ensemble = Ensemble(terms, rate, rest[0], autocast, trainer.compile, rest[1])
        self.curves: list[list[float]] = [[] for _ in self.members]
        self.curve = self.curves[0]
        self.best: dict[str, Any] | None = None
        self.finished = False

    def _member(
        self,
        make_bottleneck: Callable[[int], Bottleneck],
        make_term: Callable[[int], MutualInformation],
        x: Tensor,
        y: Tensor,
        seed: int,
    ) -> Member:
        return Member(
            make_bottleneck(stream(seed, "bottleneck")).to(self.device),
            make_term(stream(seed, "network")).to(self.device),
            FixedRows(x, y, self.trainer.batch_size),
            Generator(self.device).manual_seed(stream(seed, "training")),
        )

    # What the trainer asks for

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One step of every member; losses in nats, averaged over the members."""
        set_rate(self.optimizer, self.trainer, step)
        x, y = self._batch()
        logits, z, divergence, seen = self._encode(x)
        losses, cross_entropy = objective(logits[:, : y.shape[1]], y, self.method)
        metrics = {"loss/cross_entropy": cross_entropy.detach().mean()}
        if self.method.information == "kl":
            losses = losses + self.method.beta * divergence.mean(1)
            metrics["train/kl"] = divergence.detach().mean()
        if self.informed:
            metrics |= self._train_statistics(step, seen, z.detach())
            information = self.ensemble.minimise(self._pairs(seen, z), self._generators)
            losses = losses + self.method.beta * information
            metrics["train/value"] = information.detach().mean()
        self.optimizer.zero_grad()
        losses.sum().backward()
        descend(self.optimizer)
        for member in self.members:
            if member.average is not None:
                member.average.follow()
        return metrics

    @property
    def _generators(self) -> list[Generator]:
        return [m.generator for m in self.members]

    def _batch(self) -> tuple[list[Tensor], Tensor]:
        """Each member's next rows, and their labels [R, n].

        Where marginals want independent draws, further rows of x stand behind the n labelled ones.
        """
        batches = [m.feed.batch(m.generator) for m in self.members]
        x = [rows for rows, _ in batches]
        extra = getattr(self.members[0].term.marginals, "extra", 0) if self.informed else 0
        if extra:
            x = [
                torch.cat([rows, self._draw(m, extra)])
                for rows, m in zip(x, self.members, strict=True)
            ]
        return x, torch.stack([labels for _, labels in batches])

    def _draw(self, member: Member, times: int) -> Tensor:
        rows, n = member.feed.x, self.trainer.batch_size * times
        chosen = torch.randint(len(rows), (n,), generator=member.generator, device=self.device)
        return rows.index_select(0, chosen)

    def _encode(self, x: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What `Bottleneck` makes of each member's rows, [R, n, ...]."""
        calls = [
            (rows, m.bottleneck.encoder.draw_noise(len(rows), m.generator))
            for rows, m in zip(x, self.members, strict=True)
        ]
        with self.autocast():
            found = self.models(calls)
        return tuple(part[None] for part in found) if self.models.alone else found

    def _pairs(self, seen: Tensor, z: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The batches of the terms: what is seen of n rows, their codes and those of others."""
        n = self.trainer.batch_size
        return [(rows[:n], codes) for rows, codes in zip(seen, z, strict=True)]

    def _train_statistics(self, step: int, seen: Tensor, z: Tensor) -> dict[str, Tensor]:
        """Train the statistics networks on these codes, then on those of further rows."""
        set_rate(self.ensemble.optimizer, self.trainer, step)
        for again in range(self.conf.statistics_steps):
            if again:
                with torch.no_grad():
                    _, z, _, seen = self._encode(self._batch()[0])
            loss = self.ensemble.step(self._pairs(seen, z), self._generators)
        return {"loss/statistics": loss.mean()}

    def evaluate(self, step: int) -> dict[str, float | None]:
        """Prediction and information on the validation rows, averaged over the members."""
        pairs = zip(self.members, self.curves, strict=True)
        rows = [self._watched(m, curve) for m, curve in pairs]
        self.best = {"members": [copy.deepcopy(m.judged).state_dict() for m in self.members]}
        return {tag: mean([row[tag] for row in rows]) for tag in rows[0]}

    def _watched(self, member: Member, curve: list[float]) -> dict[str, float | None]:
        """One member on the validation rows; no test row is among them."""
        x, y = self.held_out
        scored = prediction(member.judged, x, y, 1, self._evaluation_stream(0))
        found, term = self._information(
            member, x, y, WATCHED_ROWS, self.conf.pairs_during_training
        )
        if term is not None:
            curve.append(term.value)
        return {
            **{f"ib/{name}": value for name, value in scored.items()},
            "mi/estimate": None if term is None else term.value,
            "mi/reference": found["i_xz_reference"],
            "mi/reference_upper": found["i_xz_reference_upper"],
            "mi/kl": found["kl"],
            "mi/z_y": found["i_zy"],
            "mi/h_y": found["h_y"],
        }

    def _information(
        self, member: Member, x: Tensor, y: Tensor, referenced: int, pairs: int
    ) -> tuple[dict[str, float | None], Evaluation | None]:
        """What the encoder as trained lets through: the term belongs to it, not to its average."""
        options = member.term.crossing(self.trainer.batch_size, pairs)
        term = member.term if self.informed else None
        return information(
            member.bottleneck, term, x, y, referenced, self._evaluation_stream(1), options
        )

    def _evaluation_stream(self, part: int) -> Generator:
        """The same noise at every evaluation, whatever the training drew."""
        return Generator(self.device).manual_seed(stream(0, "evaluation", part))

    def arrays(self) -> dict[str, Any]:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        yield from self.models.parameters()
        if self.informed:
            yield from self.ensemble.parameters()

    def state_dict(self) -> dict[str, Any]:
        return {
            "members": [m.state_dict() for m in self.members],
            "optimizer": self.optimizer.state_dict(),
            "statistics": self.ensemble.optimizer.state_dict(),
            "curves": self.curves,
            "best": self.best,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for member, saved in zip(self.members, state["members"], strict=True):
            member.load_state_dict(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.ensemble.optimizer.load_state_dict(state["statistics"])
        self.curves, self.best = state["curves"], state["best"]
        self.curve = self.curves[0]

    # The result

    def result(self) -> dict[str, Any]:
        """The first member's result; see `results`."""
        return self.results()[0]

    def results(self) -> list[dict[str, Any]]:
        """Each member on the test rows, which are looked at here for the first time; nats."""
        pairs = zip(self.members, self.curves, strict=True)
        return [self._result(m, curve) for m, curve in pairs]

    def _result(self, member: Member, curve: list[float]) -> dict[str, Any]:
        x, y = self.test
        found, term = self._information(member, x, y, len(x), self.conf.pairs)
        metrics: dict[str, Any] = {
            **predictions_of(member.judged, x, y, self.conf, self.bounds, self._evaluation_stream),
            **found,
            "i_xz_term": None if term is None else term.value,
            "test_rows": len(x),
        }
        result: dict[str, Any] = {"status": "ok", "metrics": metrics}
        if term is not None:
            metrics["estimate_status"] = status(member.term.bound, term, curve)
            result |= term.reported()
            if term.value < -2 * term.standard_error:
                result["status"] = "outrun"
        if not math.isfinite(metrics["cross_entropy"]):
            result["status"] = "diverged"
        return result


def validation_split(n: int, share: float) -> tuple[Tensor, Tensor]:
    """Row numbers that train and that validate: the same for every seed and every method.

    With share 0 all rows train, and the curves are of some that did.
    """
    order = torch.randperm(n, generator=Generator().manual_seed(stream(0, "validation")))
    held_out = round(n * share)
    if not held_out:
        return torch.arange(n), order[: min(n, ROWS_AT_ONCE)]
    return order[held_out:].sort().values, order[:held_out].sort().values


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


def mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
