r"""R terms of one shape, stepped together: folds, seeds and fused jobs.

Each term stays a plain module with its own data, pairing and noise; only the arithmetic is shared
(``torch.func.stack_module_state`` and ``vmap``), so each learns what it would have learned alone.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from mine_cli.estimator import MutualInformation, adam, descend
from mine_cli.scoring import draw

__all__ = ["Ensemble"]


class Ensemble:
    """MI terms of one shape and one optimiser that moves each as if it were alone.

    Arguments:
        terms: of one shape; a single one is called directly.
        lr, weight_decay: of their Adam (decoupled decay).
        betas: of their Adam's moving averages.
        autocast: makes the context that the networks are called in.
        compiled: compile the step's forward pass.
    """

    def __init__(
        self,
        terms: Sequence[MutualInformation],
        lr: float,
        weight_decay: float = 0.0,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        compiled: bool = False,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self.terms = list(terms)
        self.autocast = autocast
        self.alone = len(self.terms) == 1
        if self.alone:
            self._parameters = list(self.terms[0].parameters())
            self.forward: Callable[..., tuple[Tensor, Tensor, Tensor]] = self.terms[0]
        else:
            self.stacked, self.buffers = stack_module_state(self.terms)
            self._parameters = list(self.stacked.values())
            self.forward = self._forward_stacked
        if compiled:
            self.forward = torch.compile(self.forward)
        self.optimizer = adam(self._parameters, lr, weight_decay, betas)
        self.scores: list[Tensor] = []

    def step(
        self, batches: Sequence[tuple[Tensor, Tensor]], generators: Sequence[torch.Generator]
    ) -> Tensor:
        """One step of every term on its own batch; the losses ``[R]``, detached.

        Batches are ``x [n, ...]`` and ``z [n * (1 + extra), ...]``, of one n for all terms.
        """
        plans = [
            draw(term.network, term.marginals, len(x), generator)
            for term, (x, _), generator in zip(self.terms, batches, generators, strict=True)
        ]
        # As zero_grad does, without its twenty microseconds.
        for parameter in self._parameters:
            parameter.grad = None
        with self.autocast():
            if self.alone:
                losses, *self.scores = self.forward(*batches[0], *plans[0])
            else:
                losses, *self.scores = self.forward(*stack(batches), *stack(plans))
        losses.sum().backward()
        descend(self.optimizer)
        return losses.detach().reshape(-1)

    def values(self) -> Tensor:
        """The bounds' values ``[R]`` on the batches of the latest step, in nats."""
        t_joint, t_marginal = self.scores
        if self.alone:
            return self.terms[0].bound.value(t_joint, t_marginal).detach().reshape(-1)
        pairs = zip(self.unstack(), t_joint, t_marginal, strict=True)
        return torch.stack([term.bound.value(tj, tm).detach() for term, tj, tm in pairs])

    def _forward_stacked(
        self, x: Tensor, z: Tensor, pairing: Tensor | None, noise: dict[str, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        term = self.terms[0]

        def one(parameters: Any, buffers: Any, *batch: Any) -> tuple[Tensor, Tensor, Tensor]:
            return functional_call(term, (parameters, buffers), batch)

        # Buffers (the moving average of `mine`) are batched, so their in-place update reaches all.
        mapped = tuple(None if part is None else 0 for part in (x, z, pairing, noise))
        return vmap(one, in_dims=(0, 0, *mapped))(self.stacked, self.buffers, x, z, pairing, noise)

    @torch.no_grad()
    def unstack(self) -> list[MutualInformation]:
        """The terms, with what they have learned so far."""
        if not self.alone:
            for r, term in enumerate(self.terms):
                own = dict(term.named_parameters()) | dict(term.named_buffers())
                for name, value in (*self.stacked.items(), *self.buffers.items()):
                    own[name].copy_(value[r])
        return self.terms

    @torch.no_grad()
    def restack(self) -> None:
        """Take the terms' own state, as loaded from a checkpoint, for the next step."""
        if not self.alone:
            for r, term in enumerate(self.terms):
                own = dict(term.named_parameters()) | dict(term.named_buffers())
                for name, value in (*self.stacked.items(), *self.buffers.items()):
                    value[r].copy_(own[name])

    def parameters(self) -> Iterable[Tensor]:
        """The tensors that the optimiser moves (stacked ones for several terms)."""
        return self._parameters


def stack(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """Each argument of the R calls, stacked: tensors ``[R, ...]``, dictionaries key by key."""

    def together(values: Sequence[Any]) -> Any:
        if values[0] is None:
            return None
        if isinstance(values[0], dict):
            return {key: torch.stack([v[key] for v in values]) for key in values[0]}
        return torch.stack(list(values))

    return [together(values) for values in zip(*parts, strict=True)]
