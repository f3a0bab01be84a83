r"""R MI terms of one shape, stepped as one: folds, seeds and fused jobs.

Each stays a plain module with its own data, pairing and noise; only the arithmetic is shared
(``torch.func.stack_module_state`` and ``vmap``), so each learns what it would have learned alone.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Generator, Tensor

from mine_cli.bounds import Bound
from mine_cli.estimator.data_parallel import SharedBatch
from mine_cli.estimator.gathered import average_gradients
from mine_cli.estimator.scoring import score
from mine_cli.estimator.stacked_mlp import StackedMLP
from mine_cli.estimator.term import MutualInformation, frozen
from mine_cli.networks.interface import Noise
from mine_cli.training.stack import Call, Stack, fixed, mapped, stack, together
from mine_cli.training.stacked_adam import StackedAdam, StackMember, runs

__all__ = ["Ensemble", "EnsembleMember", "same"]

Batches = Sequence[tuple[Tensor, Tensor]]
"""The x and z of each term."""
Losses = tuple[Tensor, Tensor, Tensor]
"""Losses ``[R]``, and the detached joint and marginal scores that they come from."""
Plan = tuple[Tensor, Tensor, Tensor | None, Noise | None]
"""What one step of a term takes: x, z, pairing and noise; see `MutualInformation.losses`."""


class Ensemble:
    """MI terms of one shape and one optimiser that moves each as if it were alone.

    Networks are called as one; neighbours of equal bound and rate share one call of the bound and
    one of the optimiser.

    Arguments:
        terms: of one shape; a single one is called directly.
        lr: of their Adam: one for all, or each its own.
        weight_decay: of their Adam (decoupled decay).
        autocast: makes the context that the networks are called in.
        compiled: compile the step's forward pass.
        betas: of their Adam's moving averages.
    """

    def __init__(
        self,
        terms: Sequence[MutualInformation],
        lr: float | Sequence[float],
        weight_decay: float = 0.0,
        autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
        compiled: bool = False,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self.terms, self.autocast = list(terms), autocast
        self.alone = len(self.terms) == 1
        rates = list(lr) if isinstance(lr, Sequence) else [lr] * len(self.terms)
        keys = [(same(t.bound), rate) for t, rate in zip(self.terms, rates, strict=True)]
        self.networks = Stack([Call(term.network, scores_of(term)) for term in self.terms])
        self.parts = [Part(self.terms, run) for run in runs(keys)]
        self.forward: Callable[..., Losses] = self._losses
        if self.alone:
            self.forward = self.terms[0].losses
        self.score: Callable[..., tuple[Tensor, Tensor]] = self.networks.forward
        if compiled:
            self.forward, self.score = torch.compile(self.forward), torch.compile(self.score)
        self.mlp = StackedMLP.of([term.network for term in self.terms], self.networks.state[0])
        self.adam = StackedAdam(
            self.networks.parameters(),
            [part.run for part in self.parts],
            [rates[part.run.start] for part in self.parts],
            [part.own for part in self.parts],
            weight_decay,
            betas,
        )
        self.optimizer = self.adam.optimizer
        self.losses, self.scores = torch.empty(0), (torch.empty(0), torch.empty(0))
        self.shared = False

    def noise(
        self, pairing: Tensor | None, n: int, generators: Sequence[Generator]
    ) -> Noise | None:
        """Draws noise of every network on n rows and their pairs, stacked; None without any."""
        if not self.terms[0].network.takes_noise:
            return None
        of_one = pairing if pairing is None or self.alone else pairing[0]
        drawn = [
            term.draw_noise(n, of_one, generator)
            for term, generator in zip(self.terms, generators, strict=True)
        ]
        return drawn[0] if self.alone else together(drawn)

    def share_batches(self) -> None:
        """Lets several processes score each batch of a single term together from here on."""
        self.forward, self.shared = SharedBatch(self.terms[0]), True

    def step(self, batches: Batches, generators: Sequence[Generator]) -> Tensor:
        """Takes a step of every term on its own batch; returns the losses ``[R]``, detached.

        Batches are ``x [n, ...]`` and ``z [n * (1 + extra), ...]``, of one n for all terms.
        """
        plans = self._plans(batches, generators)
        return self.train(*(plans[0] if self.alone else stack(plans)))

    def train(
        self, x: Tensor, z: Tensor, pairing: Tensor | None = None, noise: Noise | None = None
    ) -> Tensor:
        """Takes a step of every term on what was drawn; returns the losses ``[R]``, detached.

        Arguments are those of `MutualInformation.losses`, stacked ``[R, ...]`` for several terms.
        """
        self.adam.zero_grad()
        with self.autocast():
            losses, *scores = self.forward(x, z, pairing, noise)
        self.losses, self.scores = losses.detach().reshape(-1), (scores[0], scores[1])
        losses.sum().backward()
        if self.shared:
            average_gradients(self.adam.parameters)
        self.adam.step()
        return self.losses

    def _losses(self, x: Tensor, z: Tensor, pairing: Tensor | None, noise: Noise | None) -> Losses:
        """Returns the terms' losses ``[R]``, and the detached scores that they come from."""
        if pairing is not None and self.mlp is not None and self.mlp.takes(x):
            t_joint, t_marginal = self.mlp(x, z, pairing)
        else:
            t_joint, t_marginal = self.networks.forward(x, z, pairing, noise)
        losses = self._of_bounds("loss", (t_joint, t_marginal))
        return losses, t_joint.detach(), t_marginal.detach()

    def step_and_minimise(
        self, batches: Batches, generators: Sequence[Generator]
    ) -> tuple[Tensor, Tensor]:
        """Takes a step of every term, and returns what lowers the information of its batch.

        Both are of one forward pass, with the networks as they were before the step, and for a
        bound that is trained by what is lowered of one backward pass.

        Returns:
            The losses ``[R]``, detached, and what is added to R losses to lower the information,
            ``[R]``: each is the term's `MutualInformation.minimise`, differentiable in its z
            alone, while no gradient reaches a statistics network.
        """
        plans = self._plans(batches, generators)
        x, z, pairing, noise = plans[0] if self.alone else stack(plans)
        leaf = z.detach().requires_grad_()
        with self.autocast():
            scores = self.score(x.detach(), leaf, pairing, noise)
            losses = self._of_bounds("loss", scores)
        self.adam.zero_grad()
        weights = self.adam.parameters
        one = all(trains_what_it_lowers(part.bound) for part in self.parts)
        # Not `autograd.grad`: the fused Adam takes it for granted that gradients lie in memory as
        # their weights do, which `backward` sees to.
        losses.sum().backward(retain_graph=not one, inputs=[*weights, leaf] if one else weights)
        lowered, of_z = -losses, None if leaf.grad is None else -leaf.grad
        if not one:
            with self.autocast():
                lowered = self._of_bounds("objective", scores)
            (of_z,) = torch.autograd.grad(lowered.sum(), [leaf], allow_unused=True)
        self.adam.step()
        self.losses = losses.detach()
        self.scores = scores[0].detach(), scores[1].detach()
        return self.losses, self._led_back(lowered.detach(), z, of_z)

    def _of_bounds(self, name: str, scores: tuple[Tensor, Tensor]) -> Tensor:
        """Returns the bounds' losses or objectives of the scores ``[R]``."""
        t_joint, t_marginal = scores
        if self.alone:
            return getattr(self.terms[0].bound, name)(t_joint, t_marginal).reshape(1)
        calls = [(getattr(part, name), part.run) for part in self.parts]
        return torch.cat([call(t_joint[run], t_marginal[run]) for call, run in calls])

    def _led_back(self, value: Tensor, z: Tensor, of_z: Tensor | None) -> Tensor:
        """Returns values ``[R]`` whose gradient with respect to z is known."""
        if of_z is None:
            return value
        moved = (z - z.detach()) * of_z
        return value + (moved.sum() if self.alone else moved.flatten(1).sum(1))

    def parameters(self) -> Iterable[Tensor]:
        """Returns the tensors that the optimiser moves (stacked ones for several terms)."""
        return self.adam.parameters

    def member(self, r: int) -> "EnsembleMember":
        """Returns the share of one term: its parameters and gradients, and Adam's moments."""
        return EnsembleMember(self, r)

    def _plans(self, batches: Batches, generators: Sequence[Generator]) -> list[Plan]:
        """Draws a pairing and noise for each batch from its own random stream."""
        return [
            (*batch, *term.draw(len(batch[0]), generator))
            for term, batch, generator in zip(self.terms, batches, generators, strict=True)
        ]


def trains_what_it_lowers(bound: Bound) -> bool:
    """Tells whether a bound's loss is minus its objective: one gradient is that of both."""
    kind = type(bound)
    defaults = Bound.loss, Bound.objective
    return isinstance(bound, Bound) and (kind.loss, kind.objective) == defaults


class Part:
    """A run of an ensemble's terms that have one bound and one rate."""

    def __init__(self, terms: Sequence[MutualInformation], run: slice) -> None:
        self.run = run
        self.failure: Exception | None = None
        bounds = [term.bound for term in terms[run]]
        self.bound = bounds[0]
        self.losses = Stack([Call(b, lambda own, *scores: own.loss(*scores)) for b in bounds])
        self.own = self.losses.parameters()

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """Returns the losses of the run, or zeros where a user's bound fails: the others go on."""
        return self._unless_it_fails(self.losses.on, t_joint, t_marginal)

    def objective(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """Returns the bounds' objectives, or zeros where one fails.

        No bound's own parameter or buffer takes part in it.
        """
        return self._unless_it_fails(self._objective, t_joint, t_marginal)

    def _unless_it_fails(self, call: Callable[..., Tensor], *scores: Tensor) -> Tensor:
        try:
            return call(*scores)
        except Exception as stop:
            self.failure = stop
            return torch.zeros(len(scores[0]), device=scores[0].device)

    def _objective(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        if self.losses.alone:
            with frozen(self.bound):
                return self.bound.objective(t_joint[0], t_marginal[0])[None]
        called = Call(self.bound, lambda own, *scores: own.objective(*scores))
        return mapped(called, fixed(self.losses.state), (t_joint, t_marginal))


class EnsembleMember(StackMember):
    """One term's share of an ensemble: what is watched and saved of its training."""

    def __init__(self, ensemble: Ensemble, r: int) -> None:
        super().__init__(ensemble.adam, r)
        self.ensemble, self.r = ensemble, r
        self.part = next(part for part in ensemble.parts if r < part.run.stop)

    @property
    def failure(self) -> Exception | None:
        """What the term's bound has raised, if anything; its parameters are of no use then."""
        return self.part.failure

    def loss(self) -> Tensor:
        """Returns the loss of the latest step, scalar."""
        return self.ensemble.losses[self.r]

    def value(self) -> Tensor:
        """Returns the bound's value on the batch of the latest step, in nats, scalar."""
        t_joint, t_marginal = self.ensemble.scores
        if not self.ensemble.alone:
            t_joint, t_marginal = t_joint[self.r], t_marginal[self.r]
        return self.ensemble.terms[self.r].bound.value(t_joint, t_marginal).detach()


def scores_of(term: MutualInformation) -> Callable[..., tuple[Tensor, Tensor]]:
    """Returns the scores of a term as a function of its network."""
    return lambda network, *plan: score(network, term.marginals, *plan)


def same(bound: Bound) -> Hashable:
    """Returns what two bounds have in common that are called as one: their kind and settings."""
    settings = {k: v for k, v in vars(bound).items() if not k.startswith("_")}
    return type(bound), repr(sorted(settings.items()))
