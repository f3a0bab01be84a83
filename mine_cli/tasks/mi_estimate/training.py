r"""``task=mi-estimate``: the mutual information of a data set, as an honest number in nats.

*Fit* rows train the critics, *select* rows stop them early, pick the checkpoint and weigh the
critics against one another, *report* rows are touched once. With ``folds=K`` the networks of all
folds train together, and none ever sees the rows it is reported on.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from mine_cli.config.schemas import MIEstimateConf, TrainerConf
from mine_cli.estimator.ensemble import Ensemble, EnsembleMember, same
from mine_cli.estimator.evaluation import Crossing, Evaluation, evaluate, pool
from mine_cli.estimator.independence import (
    least_p_value,
    means_of_permuted_groups,
    p_value,
)
from mine_cli.estimator.interval import interval
from mine_cli.estimator.status import status
from mine_cli.estimator.term import MutualInformation, evaluating
from mine_cli.tasks.batches import FixedRows, FreshDraws, Prefetched, StackedBatches, stage_of
from mine_cli.tasks.mi_estimate.fold import Fold, Member, fitted_critics
from mine_cli.tasks.mi_estimate.parts import Parts
from mine_cli.tasks.protocol import Result
from mine_cli.training import distributed
from mine_cli.training.device import Autocast
from mine_cli.training.optim import set_rate
from mine_cli.training.rng import stream
from mine_cli.training.stack import AT_ONCE_ON_CPU
from mine_cli.training.task import Arrays, State

__all__ = ["MIEstimate", "StackedEstimates", "of_rows", "say_stopped"]

log = logging.getLogger("mine_cli")

SIGNIFICANT = 0.05
# Times rows: the information that such a test finds four times out of five. A small information I
# has a log-ratio of mean I and variance 2 I, so that 1.64 + 0.84 = sqrt(n I / 2).
DETECTABLE = 12.4
CONTRASTIVE_NEGATIVES = 4096  # of InfoNCE at the end: its ceiling is then log 4097 = 8.3 nats


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
    """Trains the networks of each fold and reports the bound on rows that none of them has seen.

    Arguments:
        conf: rows, pairs and patience; see `MIEstimateConf`.
        trainer: steps, batch size, learning rate; see `TrainerConf`.
        make_term: makes a fold's term from its seed.
        views: each fold's data on the device, once for each of the margins that a network sees.
        portfolio: whether critics in closed form take part.
        seed: of every random stream.
        true_mi: in nats, for the display and the error; None where it is not known.
        autocast: makes the context that the networks are called in.
    """

    def __init__(
        self,
        conf: MIEstimateConf,
        trainer: TrainerConf,
        make_term: Callable[..., MutualInformation],
        views: Sequence[Sequence[Parts]],
        seed: int = 0,
        true_mi: float | None = None,
        autocast: Autocast = nullcontext,
        portfolio: bool = False,
    ) -> None:
        self.conf, self.trainer, self.true_mi = conf, trainer, true_mi
        self.portfolio = portfolio

        def member(r: int, parts: Parts) -> Member:
            seeds = stream(seed, "training", r), stream(seed, "noise", r)
            return self._member(make_term(seed=stream(seed, "network", r)), parts, seeds)

        self.folds = [
            Fold([member(k + v * len(views), parts) for v, parts in enumerate(of_fold)])
            for k, of_fold in enumerate(views)
        ]
        self.members = [member for fold in self.folds for member in fold.members]
        self.bound = self.members[0].term.bound
        for fold, of_fold in zip(self.folds, views, strict=True):
            if portfolio:
                crossing = self._crossing(conf.pairs_during_training)
                fold.fitted = fitted_critics(of_fold, self.bound, crossing)
        self.patience = conf.patience if views[0][0].law is None else None
        self.autocast = autocast
        self.stacked = StackedEstimates([self])
        self.curve: list[float] = []
        self.best: State | None = None
        self.finished = False
        self.stages, self.stage = views[0][0].stages, 0
        self._enter(0)

    def _enter(self, stage: int) -> None:
        """Goes on in another stage of a law that has several: its rows, and no others, judge."""
        if not self.stages:
            return
        self.stage, self.curve = stage, []
        for member in self.members:
            member.enter(self.stages[stage])

    def _member(self, term: MutualInformation, parts: Parts, seeds: tuple[int, int]) -> Member:
        device, size = parts.select[0].device, self.trainer.batch_size
        extra = term.marginals.extra
        feed: FixedRows | FreshDraws
        if parts.law is None:
            feed = FixedRows(*parts.fit, size, extra)
        else:
            laws = [stage.law for stage in parts.stages if stage.law] or [parts.law]
            feed = FreshDraws(laws, size, extra, self.trainer.steps)
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
        found = self.look(step)
        if self.finished:
            say_stopped(step, self.trainer.steps, self.patience)
        return found

    def look(self, step: int) -> dict[str, float | None]:
        """As `evaluate`, without a word of an early stop."""
        if (stage := stage_of(step, self.trainer.steps, len(self.stages))) > self.stage:
            self._enter(stage)
        crossing = self._crossing(self.conf.pairs_during_training)
        before = [m.best_step for m in self.members]
        critics = [fold.look(step, crossing, self.patience) for fold in self.folds]
        found = [
            of_fold[0] if fold.alone else fold.combine()
            for fold, of_fold in zip(self.folds, critics, strict=True)
        ]
        if self.best is None or before != [m.best_step for m in self.members]:
            self.best = {
                "folds": [fold.best() for fold in self.folds],
                "shapes": [list(side.shape[1:]) for side in self.members[0].parts.select],
            }
        self.finished = distributed.broadcast(
            all(m.exhausted(self.patience) for m in self.members)
        )
        pooled = pool(found)
        self.curve.append(pooled.value)
        return {
            "mi/estimate": pooled.value,
            "mi/true": self.stages[self.stage].true_mi if self.stages else self.true_mi,
            "train/value": self._training_value() if step else None,
            "evaluation/effective_sample_size": pooled.effective_sample_size,
            **self._of_critics(critics),
        }

    def _of_critics(self, found: list[list[Evaluation]]) -> dict[str, float]:
        """The value of each critic, where there are several."""
        if self.folds[0].alone:
            return {}
        names = [f"critic/{critic.name}" for critic in self.folds[0].critics]
        return {
            name: pool(values).value
            for name, values in zip(names, zip(*found, strict=True), strict=True)
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

    def arrays(self) -> Arrays:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        return [p for share in self.shares for p in share.parameters()]

    def state_dict(self) -> State:
        return {
            "members": [m.state_dict() for m in self.members],
            "curve": self.curve,
            "best": self.best,
            "finished": self.finished,
            "stage": self.stage,
        }

    def load_state_dict(self, state: State) -> None:
        self._enter(state.get("stage", 0))
        for member, saved in zip(self.members, state["members"], strict=True):
            member.load_state_dict(saved)
        self.curve, self.best = state["curve"], state["best"]
        self.finished = state["finished"]

    # The result

    def result(self) -> Result:
        """The report rows' verdict on each fold's best critics, pooled; nats."""
        report, fit = self.report()
        pooled = pool(report)
        values = torch.tensor([r.value for r in report])
        return {
            "status": self.status_of(pooled),
            **pooled.reported(),
            "groups": pooled.units if pooled.whole else None,
            **self._chance(report),
            "true_mi": self.true_mi,
            "error": None if self.true_mi is None else pooled.value - self.true_mi,
            "fit_value": pool(fit).value if fit else None,
            "interval": interval(pooled, pool(fit)) if fit and self.portfolio else None,
            "fold_sd": values.std().item() if len(values) > 1 else None,
            "metrics": {
                **of_rows(pooled),
                "best_steps": [m.best_step for m in self.members],
                "fold_estimates": [r.value for r in report],
                "at_training_negatives": pooled.at_training_negatives,
                "weights": []
                if self.folds[0].alone
                else [fold.named_weights() for fold in self.folds],
            },
        }

    def status_of(self, report: Evaluation) -> str:
        """What is to be said of the report; one that stopped early did not run out of steps."""
        return status(self.bound, report, [] if self.finished else self.curve)

    def report(self) -> tuple[list[Evaluation], list[Evaluation]]:
        """The evaluations of each fold's best critics on its report rows, and on rows that
        trained them, of which there are none where all were drawn afresh."""
        options = self._crossing(self.conf.pairs, final=True)
        report, fit = [], []
        for fold in self.folds:
            if not fold.alone:
                fold.combine()
            evaluated, fitted = self._reported(fold, options.copy())
            report.append(evaluated)
            fit += [fitted] if fitted else []
        return report, fit

    def _chance(self, report: list[Evaluation]) -> Result:
        """The p-value of independence, and a word where chance explains what was found."""
        found, units = p_value(report), sum(part.units for part in report)
        if found <= SIGNIFICANT:
            return {"p_value": found, "least_p_value": least_p_value(report)}
        of_what = "groups" if units < sum(part.rows for part in report) else "rows"
        told = f"less than {DETECTABLE / units:.1g} nats would not show in {units:,} {of_what}"
        return {"p_value": found, "note": f"nothing found beyond chance; {told}"}

    @torch.no_grad()
    def _reported(self, fold: Fold, options: Crossing) -> tuple[Evaluation, Evaluation | None]:
        """A fold's T on its report rows, and on as many rows that trained it, unless all were
        drawn afresh."""
        network, rows = fold.network(), fold.part("report")
        term, parts = fold.members[0].term, fold.members[0].parts
        options["constant"] = float(term.log_partition) if fold.alone else fold.log_partition
        with evaluating(network):
            of_rows: Crossing = {"clusters": parts.clusters, "whole": parts.whole}
            report = evaluate(network, term.bound, *rows, **(options | of_rows))
            if parts.whole and parts.clusters is not None:
                means = means_of_permuted_groups(
                    network, *rows, parts.clusters, len(report.shift_means)
                )
                report = replace(report, shift_means=means)
            if parts.law is not None:
                return report, None
            return report, evaluate(
                network, term.bound, *fold.part("fit", len(rows[0])), **options
            )

    def _affordable_negatives(self, training_negatives: int) -> int:
        """As many negatives a row as cost a tenth of the training (forward and backward)."""
        trained = 3 * self.trainer.steps * self.trainer.batch_size * training_negatives
        reported = len(self.members[0].parts.report[0])
        return min(CONTRASTIVE_NEGATIVES, trained // (10 * reported))

    def _crossing(self, pairs: int, final: bool = False) -> Crossing:
        """How evaluation rows are crossed; in the report as the configuration may say."""
        shared = len(self.folds) if self.portfolio else 1
        found = self.members[0].term.crossing(self.trainer.batch_size, pairs // shared)
        if final and self.bound.needs == "matrix":
            affordable = self._affordable_negatives(found["training_negatives"])
            found["negatives"] = max(found["negatives"], affordable)
        if final and self.conf.negatives is not None:
            found["negatives"] = self.conf.negatives
        return found


def of_rows(evaluation: Evaluation) -> Result:
    """Returns how many rows and pairs an evaluation is of."""
    return {"report_rows": evaluation.rows, "negatives": evaluation.negatives}


def say_stopped(step: int, steps: int, patience: int | None) -> None:
    """Tells of an early stop."""
    if step < steps:
        told = "stopped early at step %d: no better on the select rows for %d evaluations"
        log.info(told, step, patience)
