r"""``task=mi-estimate``: the mutual information of a data set, as an honest number in nats.

*Fit* rows train the statistics network, *select* rows stop it early and pick the checkpoint,
*report* rows are touched once. With ``folds=K`` the K networks train together, and no network ever
sees the rows it is reported on.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mine_cli.config.schemas import MIEstimateConf, TrainerConf
from mine_cli.estimator.ensemble import Ensemble, EnsembleMember, same
from mine_cli.estimator.evaluation import Evaluation, pool
from mine_cli.estimator.status import status
from mine_cli.estimator.term import MutualInformation
from mine_cli.tasks.batches import FixedRows, FreshDraws, Prefetched, StackedBatches
from mine_cli.tasks.mi_estimate.parts import Parts
from mine_cli.tasks.protocol import Result
from mine_cli.training import distributed
from mine_cli.training.device import Autocast
from mine_cli.training.optim import set_rate
from mine_cli.training.rng import go_on, stream
from mine_cli.training.stack import AT_ONCE_ON_CPU
from mine_cli.training.task import State

__all__ = ["MIEstimate", "Member", "StackedEstimates"]

log = logging.getLogger("mine_cli")

CONTRASTIVE_NEGATIVES = 4096  # of InfoNCE at the end: its ceiling is then log 4097 = 8.3 nats


@dataclass
class Member:
    """One network, the data it may see, and the best it has been on its select rows.

    `noise` is the stream of its network's noise, `share` its part in what it is stepped with; see
    `StackedEstimates`.
    """

    term: MutualInformation
    parts: Parts
    batches: Prefetched
    noise: torch.Generator
    best_quality: float = -math.inf
    best_step: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict)
    waited: int = 0
    share: EnsembleMember | None = None

    def select(self, step: int, found: Evaluation, patience: int | None) -> bool:
        """Keep the network if it is the best yet on its select rows; whether it was."""
        if self.exhausted(patience):
            return False
        quality = found.value
        if not self.term.bound.is_lower_bound:
            # A value that is no lower bound rises with overconfidence: the Donsker-Varadhan
            # value of the same scores chooses instead.
            quality = found.joint_mean - found.log_partition
        if quality <= self.best_quality:
            self.waited += 1
            return False
        self.best_quality, self.best_step, self.waited = quality, step, 0
        self.term.log_partition.fill_(found.log_partition)
        self.term.calibrated.fill_(True)
        self.best_state = {name: value.clone() for name, value in self.term.state_dict().items()}
        return True

    def exhausted(self, patience: int | None) -> bool:
        return patience is not None and self.waited >= patience

    def state_dict(self) -> State:
        return {
            "term": self.term.state_dict(),
            "ahead": self.batches.state_dict(),
            "noise": self.noise.get_state(),
            "moments": self.share.moments() if self.share else [],
            "best_quality": self.best_quality,
            "best_step": self.best_step,
            "best_state": self.best_state,
            "waited": self.waited,
        }

    def load_state_dict(self, state: State) -> None:
        self.term.load_state_dict(state["term"])
        self.batches.load_state_dict(state["ahead"])
        go_on(self.noise, state["noise"])
        if self.share:
            self.share.load_moments(state["moments"])
        self.best_quality, self.best_step = state["best_quality"], state["best_step"]
        self.best_state, self.waited = state["best_state"], state["waited"]


class StackedEstimates:
    """Steps the networks of several estimates as if each had been trained alone.

    Networks, data and batches are of one shape; bounds and learning rates may differ. Who takes
    part may change between two steps: a new `StackedEstimates` takes over all that is under way.

    Arguments:
        estimates: with the same schedule, batch size and device.
    """

    def __init__(self, estimates: "Sequence[MIEstimate]") -> None:
        first = estimates[0]
        self.conf = first.trainer
        pairs = [(e.trainer.lr, m) for e in estimates for m in e.members]
        # Neighbours of equal bound and rate cost the least.
        pairs.sort(key=lambda pair: (str(same(pair[1].term.bound)), pair[0]))
        on_cpu = pairs[0][1].noise.device.type == "cpu"
        size = AT_ONCE_ON_CPU if on_cpu else len(pairs)
        chunks = [pairs[i : i + size] for i in range(0, len(pairs), size)]
        self.ensembles = [self._ensemble(chunk, first.autocast) for chunk in chunks]
        self.batches = [
            StackedBatches([member.batches for _, member in chunk]) for chunk in chunks
        ]
        self.noises = [[member.noise for _, member in chunk] for chunk in chunks]

    def _ensemble(
        self,
        chunk: list[tuple[float, Member]],
        autocast: Autocast,
    ) -> Ensemble:
        conf = self.conf
        rates = [lr for lr, _ in chunk]
        terms = [member.term for _, member in chunk]
        found = Ensemble(terms, rates, conf.weight_decay, autocast, conf.compile, conf.moments)
        if distributed.joined():
            found.share_batches()
        for r, (_, member) in enumerate(chunk):
            moments = member.share.moments() if member.share else []
            member.share = found.member(r)
            member.share.load_moments(moments)
        return found

    def step(self, step: int) -> None:
        """One step of every network."""
        of_each = zip(self.ensembles, self.batches, self.noises, strict=True)
        for ensemble, batches, generators in of_each:
            set_rate(ensemble.optimizer, self.conf, step)
            x, z, pairing = batches.next()
            noise = ensemble.noise(pairing, self.conf.batch_size, generators)
            ensemble.train(x, z, pairing, noise)

    @property
    def failed(self) -> bool:
        """Whether the bound of any of them has failed."""
        return any(part.failure for ensemble in self.ensembles for part in ensemble.parts)


class MIEstimate:
    """Trains one network a fold and reports the bound on rows that none of them has seen.

    Arguments:
        conf: rows, pairs and patience; see `MIEstimateConf`.
        trainer: steps, batch size, learning rate; see `TrainerConf`.
        make_term: makes a fold's term from its seed.
        parts: each fold's data, standardised, on the device.
        seed: of every random stream.
        true_mi: in nats, for the display and the error; None where it is not known.
        autocast: makes the context that the networks are called in.
    """

    def __init__(
        self,
        conf: MIEstimateConf,
        trainer: TrainerConf,
        make_term: Callable[..., MutualInformation],
        parts: list[Parts],
        seed: int = 0,
        true_mi: float | None = None,
        autocast: Autocast = nullcontext,
    ) -> None:
        self.conf, self.trainer, self.true_mi = conf, trainer, true_mi
        self.members = [
            self._member(
                make_term(seed=stream(seed, "network", r)),
                part,
                (stream(seed, "training", r), stream(seed, "noise", r)),
            )
            for r, part in enumerate(parts)
        ]
        self.bound = self.members[0].term.bound
        self.patience = conf.patience if parts[0].law is None else None
        self.autocast = autocast
        self.stacked = StackedEstimates([self])
        self.curve: list[float] = []
        self.best: State | None = None
        self.finished = False

    def _member(self, term: MutualInformation, parts: Parts, seeds: tuple[int, int]) -> Member:
        device, size = parts.select[0].device, self.trainer.batch_size
        extra = term.marginals.extra
        feed: FixedRows | FreshDraws
        if parts.law is None:
            feed = FixedRows(*parts.fit, size, extra)
        else:
            feed = FreshDraws(parts.law, size, extra)
        drawing, noise = (torch.Generator(device).manual_seed(seed) for seed in seeds)
        numbers = sum(side[0].numel() for side in parts.select) * (1 + extra)
        numbers += 2 * term.marginals.num
        batches = Prefetched(feed, term.marginals, drawing, size * numbers)
        return Member(term.to(device), parts, batches, noise)

    # What the trainer asks for

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One step of every fold's network; the loss, averaged over the folds."""
        self.stacked.step(step)
        return self.metrics()

    def metrics(self) -> dict[str, Tensor]:
        """What the latest step says of this estimate's networks.

        Raises:
            Exception: whatever a user's bound has raised in that step.
        """
        for share in self.shares:
            if share.failure is not None:
                raise share.failure
        return {"train/loss": torch.stack([share.loss() for share in self.shares]).mean()}

    def stack(self, others: "Sequence[MIEstimate]") -> StackedEstimates:
        """What steps these estimates as one from now on."""
        return StackedEstimates([self, *others])

    @property
    def shares(self) -> list[EnsembleMember]:
        return [m.share for m in self.members if m.share]

    def evaluate(self, step: int) -> dict[str, float | None]:
        """The bound on the select rows; keeps each network at its best."""
        found = [
            m.term.evaluate(*m.parts.select, **self._crossing(self.conf.pairs_during_training))
            for m in self.members
        ]
        improved = [
            m.select(step, f, self.patience) for m, f in zip(self.members, found, strict=True)
        ]
        if any(improved):
            self.best = {
                "members": [m.best_state for m in self.members],
                "scales": [m.parts.scales for m in self.members],
                "shapes": [list(side.shape[1:]) for side in self.members[0].parts.select],
            }
        self.finished = distributed.broadcast(
            all(m.exhausted(self.patience) for m in self.members)
        )
        if self.finished and step < self.trainer.steps:
            log.info(
                "stopped early at step %d: no better on the select rows for %d evaluations",
                step,
                self.patience,
            )
        pooled = pool(found)
        self.curve.append(pooled.value)
        return {
            "mi/estimate": pooled.value,
            "mi/true": self.true_mi,
            "train/value": self._training_value() if step else None,
            "evaluation/effective_sample_size": pooled.effective_sample_size,
        }

    def _training_value(self) -> float:
        return torch.stack([share.value() for share in self.shares]).mean().item()

    def data(self) -> list[Tensor]:
        """The rows that it holds, and the batches that are drawn ahead."""
        parts = [side for m in self.members for side in (m.parts.fit, m.parts.select)]
        rows = [t for pair in (*parts, *(m.parts.report for m in self.members)) for t in pair]
        return rows + [t for m in self.members for t in m.batches.block or () if t is not None]

    def shared_data(self) -> list[Tensor]:
        """The rows that it holds with others in this process: none."""
        return []

    def arrays(self) -> dict[str, Any]:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        return [p for share in self.shares for p in share.parameters()]

    def state_dict(self) -> State:
        return {
            "members": [m.state_dict() for m in self.members],
            "curve": self.curve,
            "best": self.best,
            "finished": self.finished,
        }

    def load_state_dict(self, state: State) -> None:
        for member, saved in zip(self.members, state["members"], strict=True):
            member.load_state_dict(saved)
        self.curve, self.best = state["curve"], state["best"]
        self.finished = state["finished"]

    # The result

    def result(self) -> Result:
        """The report rows' verdict on each fold's best network, pooled; nats."""
        for member in self.members:
            member.term.load_state_dict(member.best_state)
        options = self._crossing(self.conf.pairs, final=True)
        report = [
            m.term.evaluate(*m.parts.report, constant=float(m.term.log_partition), **options)
            for m in self.members
        ]
        pooled = pool(report)
        values = torch.tensor([r.value for r in report])
        return {
            "status": status(self.bound, pooled, self.curve),
            **pooled.reported(),
            "true_mi": self.true_mi,
            "error": None if self.true_mi is None else pooled.value - self.true_mi,
            "fit_value": self._fit_value(options),
            "fold_sd": values.std().item() if len(values) > 1 else None,
            "metrics": {
                "report_rows": pooled.rows,
                "negatives": pooled.negatives,
                "best_steps": [m.best_step for m in self.members],
                "fold_estimates": [r.value for r in report],
                "at_training_negatives": pooled.at_training_negatives,
            },
        }

    def _affordable_negatives(self, training_negatives: int) -> int:
        """As many negatives a row as cost a tenth of the training (forward and backward)."""
        trained = 3 * self.trainer.steps * self.trainer.batch_size * training_negatives
        reported = len(self.members[0].parts.report[0])
        return min(CONTRASTIVE_NEGATIVES, trained // (10 * reported))

    def _fit_value(self, options: dict[str, Any]) -> float | None:
        """The bound on rows that trained it, as many as are reported; None for fresh draws."""
        found = []
        for member in self.members:
            if member.parts.law is not None:
                return None
            rows = len(member.parts.report[0])
            x, z = (side[:rows] for side in member.parts.fit)
            found.append(member.term.evaluate(x, z, **options))
        return pool(found).value

    def _crossing(self, pairs: int, final: bool = False) -> dict[str, Any]:
        """How evaluation rows are crossed; in the report as the configuration may say."""
        found = self.members[0].term.crossing(self.trainer.batch_size, pairs)
        if final and self.bound.needs == "matrix":
            affordable = self._affordable_negatives(found["training_negatives"])
            found["negatives"] = max(found["negatives"], affordable)
        if final and self.conf.negatives is not None:
            found["negatives"] = self.conf.negatives
        return found
