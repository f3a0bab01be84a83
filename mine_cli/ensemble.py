r"""R modules of one shape, stepped together: folds, seeds and fused jobs.

Each stays a plain module with its own data, pairing and noise; only the arithmetic is shared
(``torch.func.stack_module_state`` and ``vmap``), so each learns what it would have learned alone.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from mine_cli.estimator import MutualInformation, adam, descend, frozen
from mine_cli.scoring import draw
from mine_cli.shared_batch import SharedBatch, average_gradients

__all__ = ["Ensemble", "Stack", "stack"]


class Stack:
    """Modules of one shape, called as one; a single one is called directly.

    The stacked tensors are the ones that are trained: those of the modules become views of them,
    so that each module is at all times what it has learned, and can be loaded and saved alone.

    Arguments:
        modules: On one device, where they stay.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = list(modules)
        self.alone = len(self.modules) == 1
        if self.alone:
            (module,) = self.modules
            self.state: tuple[dict[str, Any], dict[str, Any]] = (
                dict(module.named_parameters()),
                dict(module.named_buffers()),
            )
            self.forward: Callable[..., Any] = module
        else:
            self.state = stack_module_state(self.modules)
            self._share()
            self.forward = self._together

    @torch.no_grad()
    def _share(self) -> None:
        for r, module in enumerate(self.modules):
            own = dict(module.named_parameters()) | dict(module.named_buffers())
            for name, stacked in (*self.state[0].items(), *self.state[1].items()):
                own[name].data = stacked.data[r]

    def parameters(self) -> list[Tensor]:
        """The tensors that an optimiser moves."""
        return list(self.state[0].values())

    def __call__(self, calls: Sequence[Sequence[Any]]) -> Any:
        """What each module makes of its own arguments; for several ``[R, ...]``."""
        if self.alone:
            return self.forward(*calls[0])
        return self.forward(*stack(calls))

    def _together(self, *arguments: Any) -> Any:
        # Buffers (the moving average of `mine`) are batched, so their in-place update reaches all.
        return mapped(self.modules[0], self.state, arguments)


def mapped(module: nn.Module, state: tuple[Any, Any], arguments: Sequence[Any]) -> Any:
    """A module with R states on R arguments; an argument that is None is None for all."""

    def one(parameters: Any, buffers: Any, *own: Any) -> Any:
        return functional_call(module, (parameters, buffers), own)

    in_dims = tuple(None if part is None else 0 for part in arguments)
    return vmap(one, in_dims=(0, 0, *in_dims))(*state, *arguments)


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
        self.stack = Stack(self.terms)
        if compiled:
            self.stack.forward = torch.compile(self.stack.forward)
        self._parameters = self.stack.parameters()
        self.optimizer = adam(self._parameters, lr, weight_decay, betas)
        self.scores: list[Tensor] = []
        self.shared = False

    def share(self) -> None:
        """From here on several processes score a batch together; of one term alone."""
        self.stack.forward, self.shared = SharedBatch(self.terms[0]), True

    def step(
        self, batches: Sequence[tuple[Tensor, Tensor]], generators: Sequence[torch.Generator]
    ) -> Tensor:
        """One step of every term on its own batch; the losses ``[R]``, detached.

        Batches are ``x [n, ...]`` and ``z [n * (1 + extra), ...]``, of one n for all terms.
        """
        plans = self._plans(batches, generators)
        # As zero_grad does, without its twenty microseconds.
        for parameter in self._parameters:
            parameter.grad = None
        with self.autocast():
            losses, *self.scores = self.stack(plans)
        losses.sum().backward()
        if self.shared:
            average_gradients(self._parameters)
        descend(self.optimizer)
        return losses.detach().reshape(-1)

    def minimise(
        self, batches: Sequence[tuple[Tensor, Tensor]], generators: Sequence[torch.Generator]
    ) -> Tensor:
        """What is added to R losses that shall lower the information in R batches, ``[R]``.

        Each is the term's `MutualInformation.minimise`: differentiable in its x and z, while no
        gradient reaches a statistics network, and no buffer moves.
        """
        plans = self._plans(batches, generators)
        if self.stack.alone:
            with self.autocast(), frozen(self.terms[0]):
                return Objective(self.terms[0])(*plans[0]).reshape(1)
        fixed = tuple(
            {f"term.{name}": value.detach() for name, value in part.items()}
            for part in self.stack.state
        )
        with self.autocast():
            return mapped(Objective(self.terms[0]), (fixed[0], fixed[1]), stack(plans))

    def values(self) -> Tensor:
        """The bounds' values ``[R]`` on the batches of the latest step, in nats."""
        t_joint, t_marginal = self.scores
        if self.stack.alone:
            return self.terms[0].bound.value(t_joint, t_marginal).detach().reshape(-1)
        pairs = zip(self.terms, t_joint, t_marginal, strict=True)
        return torch.stack([term.bound.value(tj, tm).detach() for term, tj, tm in pairs])

    def parameters(self) -> Iterable[Tensor]:
        """The tensors that the optimiser moves (stacked ones for several terms)."""
        return self._parameters

    def _plans(
        self, batches: Sequence[tuple[Tensor, Tensor]], generators: Sequence[torch.Generator]
    ) -> list[tuple[Any, ...]]:
        """Each batch with a fresh pairing and noise from its own random stream."""
        return [
            (*batch, *draw(term.network, term.marginals, len(batch[0]), generator))
            for term, batch, generator in zip(self.terms, batches, generators, strict=True)
        ]


class Objective(nn.Module):
    """What an encoder moves, as the forward pass of a module that can be stacked."""

    def __init__(self, term: MutualInformation) -> None:
        super().__init__()
        self.term = term

    def forward(self, *batch: Any) -> Tensor:
        return self.term.bound.objective(*self.term.scores(*batch))


def stack(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """Each argument of the R calls, stacked: tensors ``[R, ...]``, dictionaries key by key."""

    def together(values: Sequence[Any]) -> Any:
        if values[0] is None:
            return None
        if isinstance(values[0], dict):
            return {key: torch.stack([v[key] for v in values]) for key in values[0]}
        return torch.stack(list(values))

    return [together(values) for values in zip(*parts, strict=True)]
