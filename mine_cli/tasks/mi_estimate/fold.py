"""One fold of an estimate: its critics, the rows that they may see, and the one T that reports."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mine_cli.bounds import Bound, log_mean_exp
from mine_cli.estimator.combination import Combination, Critic, best_weights, columns
from mine_cli.estimator.ensemble import EnsembleMember
from mine_cli.estimator.evaluation import (
    Crossed,
    Crossing,
    Evaluation,
    assess,
    cross,
    random_shifts,
)
from mine_cli.estimator.term import MutualInformation, evaluating
from mine_cli.networks.contingency import Contingency
from mine_cli.networks.elliptical import Elliptical
from mine_cli.networks.interface import StatisticsNetwork
from mine_cli.tasks.batches import Prefetched
from mine_cli.tasks.mi_estimate.parts import Pair, Parts
from mine_cli.training.rng import go_on
from mine_cli.training.task import State

__all__ = ["CLOSED_FORMS", "Fitted", "Fold", "Member", "fitted_critics"]

CLOSED_FORMS: dict[str, type[Contingency] | type[Elliptical]] = {
    "contingency": Contingency,
    "elliptical": Elliptical,
}
SEEN_BY = {"contingency": "standard", "elliptical": "rank"}  # the margins that each wants

# Rows and shifts of the fit part that tell the range of a network's scores, and the share of
# these that lies beyond it on either side: what few rows say alone counts for no more than that.
LIMIT_ROWS, LIMIT_SHIFTS, BEYOND = 2000, 5, 1e-3
DEEPEST = 7.0  # nats below the log-partition: lower scores add less than 0.001 to E e^T
NO_LIMITS = (-math.inf, math.inf)


@dataclass
class Member:
    """One network, the data it may see, and the best it has been on its select rows.

    `noise` is the stream of its network's noise, `share` its part in what it is stepped with; see
    `StackedEstimates`. `scores` are those of its select rows when it was best, within `limits`,
    the range of the scores of fit rows.
    """

    term: MutualInformation
    parts: Parts
    batches: Prefetched
    noise: torch.Generator
    best_quality: float = -math.inf
    best_step: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict)
    waited: int = 0
    scores: Tensor = field(default_factory=lambda: torch.empty(0))
    limits: Tensor = field(default_factory=lambda: torch.tensor(NO_LIMITS))
    share: EnsembleMember | None = None

    @property
    def name(self) -> str:
        """Returns what the critic is called beside others: by its margins."""
        return f"network_{self.parts.kind}"

    @property
    def network(self) -> StatisticsNetwork:
        return self.term.network

    @property
    def learned(self) -> bool:
        """Whether training has made it better than it began."""
        return self.best_step > 0

    def enter(self, stage: Parts) -> None:
        """Goes on in another stage of the law, where none of the earlier ones is the best."""
        self.parts, self.best_quality, self.best_step, self.waited = stage, -math.inf, 0, 0

    def look(self, step: int, crossing: Crossing, patience: int | None) -> Evaluation:
        """Evaluates the bound on the select rows, and keeps the network if it is the best yet."""
        with evaluating(self.network):
            crossed = crossed_with(self.network, self.parts.select, crossing)
            training_negatives = crossing.get("training_negatives")
            found = assess(self.term.bound, crossed, training_negatives=training_negatives)
            if self.select(step, found, patience) and self.parts.law is None:
                self.limits = limits_of(self.network, self.parts.fit, BEYOND)
                self.scores = within(self.limits, crossed)
        return found

    def select(self, step: int, found: Evaluation, patience: int | None) -> bool:
        """Keeps the network if it is the best yet on its select rows; whether it was."""
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
            "scores": self.scores,
            "limits": self.limits,
        }

    def load_state_dict(self, state: State) -> None:
        self.term.load_state_dict(state["term"])
        self.batches.load_state_dict(state["ahead"])
        go_on(self.noise, state["noise"])
        if self.share:
            self.share.load_moments(state["moments"])
        self.best_quality, self.best_step = state["best_quality"], state["best_step"]
        self.best_state, self.waited = state["best_state"], state["waited"]
        self.scores, self.limits = state["scores"], state["limits"]


@dataclass
class Fitted:
    """A critic in closed form, and the parts that it was fitted on; the rest as a `Member`'s."""

    name: str
    parts: Parts
    network: StatisticsNetwork
    found: Evaluation
    scores: Tensor
    limits: Tensor
    learned: bool = True


@torch.no_grad()
def fitted_critics(views: Sequence[Parts], bound: Bound, crossing: Crossing) -> list[Fitted]:
    """Fits every closed form that suits the rows of one fold."""
    critics = []
    for name, form in CLOSED_FORMS.items():
        parts = next((view for view in views if view.kind == SEEN_BY[name]), None)
        network = None if parts is None else form.fit(*parts.fit)
        if parts is not None and network is not None:
            limits = limits_of(network, parts.fit, beyond=0.0)
            crossed = crossed_with(network, parts.select, crossing)
            found, scores = assess(bound, crossed), within(limits, crossed)
            critics.append(Fitted(name, parts, network, found, scores, limits))
    return critics


class Fold:
    """The critics of one fold, and the combination of them that is reported.

    Arguments:
        members: a network for each view of the rows.
        fitted: critics in closed form, each on one of these views.
    """

    def __init__(self, members: Sequence[Member], fitted: Sequence[Fitted] = ()) -> None:
        self.members, self.fitted = list(members), list(fitted)
        self.weights: list[float] = [1.0]
        self.log_partition = 0.0

    @property
    def critics(self) -> list[Member | Fitted]:
        return [*self.members, *self.fitted]

    @property
    def alone(self) -> bool:
        """Whether one network is all there is, and reports as it is."""
        return len(self.critics) == 1

    @property
    def bound(self) -> Bound:
        return self.members[0].term.bound

    @torch.no_grad()
    def look(self, step: int, crossing: Crossing, patience: int | None) -> list[Evaluation]:
        """Evaluates each critic on the select rows, in the order of `critics`."""
        found = [member.look(step, crossing, patience) for member in self.members]
        return [*found, *(critic.found for critic in self.fitted)]

    def combine(self) -> Evaluation:
        """Weighs the critics, each at its best, and evaluates what they say together."""
        learned = [i for i, critic in enumerate(self.critics) if critic.learned] or [0]
        scores = torch.stack([self.critics[i].scores for i in learned])
        found = torch.from_numpy(best_weights(scores[:, 0], scores[:, 1:]))
        weights = (
            torch.zeros(len(self.critics)).double().index_put((torch.tensor(learned),), found)
        )
        self.weights = weights.tolist()
        together = torch.tensordot(found.to(scores), scores, 1)
        crossed = Crossed(together[0], together[1:], random_shifts(*reversed(together[1:].shape)))
        evaluation = assess(self.bound, crossed)
        self.log_partition = evaluation.log_partition
        return evaluation

    def network(self) -> StatisticsNetwork:
        """Returns the T that is reported, on the rows of `part`: each network at its best."""
        for member in self.members:
            member.term.load_state_dict(member.best_state)
        if self.alone:
            return self.members[0].network
        views = [member.parts.kind for member in self.members]
        critics = [
            Critic(c.network, *columns(views.index(c.parts.kind), self.widths), c.limits)
            for c in self.critics
        ]
        return Combination(critics, self.weights).eval()

    @property
    def widths(self) -> tuple[int, int]:
        """Returns how many columns x and z have."""
        x, z = self.members[0].parts.select
        return x.shape[-1], z.shape[-1]

    def part(self, name: str, rows: int | None = None) -> Pair:
        """Returns the rows of a part, or the first of these: the columns of all views."""
        views = [vars(member.parts)[name] for member in self.members]
        x, z = ([view[side][:rows] for view in views] for side in (0, 1))
        return (x[0], z[0]) if self.alone else (torch.cat(x, 1), torch.cat(z, 1))

    def best(self) -> State:
        """Returns what scores new rows: see `tasks.load`."""
        views = [member.parts for member in self.members]
        kinds = [view.kind for view in views]
        return {
            "margins": [
                (view.kind, *(side.state_dict() for side in view.margins or ())) for view in views
            ],
            "members": [member.best_state for member in self.members],
            "fitted": [
                (c.name, kinds.index(c.parts.kind), c.network.state_dict()) for c in self.fitted
            ],
            "widths": [*self.widths],
            "limits": [critic.limits for critic in self.critics],
            "weights": self.weights,
            "log_partition": self.log_partition,
        }

    def named_weights(self) -> dict[str, float]:
        """Returns the weight of each critic."""
        return dict(zip([critic.name for critic in self.critics], self.weights, strict=True))


def crossed_with(network: StatisticsNetwork, rows: Pair, crossing: Crossing) -> Crossed:
    x, z = rows
    return cross(network, x, z, crossing.get("pairs", 1), crossing.get("negatives"))


def within(limits: Tensor, crossed: Crossed) -> Tensor:
    """Returns the scores of joint and marginal pairs ``[1 + k, n]``, held within limits."""
    scores = torch.cat([crossed.t_joint[None], crossed.t_marginal])
    return scores.clamp(limits[0].to(scores), limits[1].to(scores))


def limits_of(network: StatisticsNetwork, fit: Pair, beyond: float) -> Tensor:
    """Returns the range of all but a share of the outermost scores on fit rows ``[2]``.

    Nothing is scored so low that one row could cost the estimate more than it can tell.
    """
    x, z = (side[:LIMIT_ROWS] for side in fit)
    found = cross(network, x, z, pairs=1, negatives=LIMIT_SHIFTS)
    shares = torch.tensor([beyond, 1 - beyond]).to(found.t_joint)
    ranges = [scores.flatten().quantile(shares) for scores in (found.t_joint, found.t_marginal)]
    low, high = torch.stack(ranges).T
    floor = log_mean_exp(found.t_marginal).float() - DEEPEST
    return torch.stack([torch.maximum(low.min(), floor), high.max()]).cpu()
