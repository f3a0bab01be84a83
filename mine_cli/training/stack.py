"""Modules of one shape, called as one."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

__all__ = ["AT_ONCE_ON_CPU", "Call", "Stack", "State", "fixed", "mapped", "stack", "together"]

# Modules stepped as one on a CPU: the more, the less bookkeeping, until they outgrow its caches.
AT_ONCE_ON_CPU = 32

State = tuple[dict[str, Tensor], dict[str, Tensor]]
"""Parameters and buffers by name, of one module or ``[R, ...]`` of a stack."""
Argument = Tensor | dict[str, Tensor] | None
"""What a module is called with, such as rows and their noise, or ``[R, ...]`` of them."""


class Call(nn.Module):
    """A function of a module as a forward pass, so that it can be stacked.

    Arguments:
        module: What the parameters and buffers belong to.
        function: Is called with the module and the arguments of the forward pass.
    """

    def __init__(self, module: nn.Module, function: Callable[..., object]) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *arguments: Argument) -> object:
        return self.function(self.module, *arguments)


class Stack:
    """Modules of one shape, called as one; a single one is called directly.

    The stacked tensors are the ones that are trained: those of the modules become views of them,
    so that each module is at all times what it has learned, and can be loaded and saved alone.

    Arguments:
        modules: On one device, where they stay.
    """

    state: State
    forward: Callable[..., Any]

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = list(modules)
        self.alone = len(self.modules) == 1
        if self.alone:
            (module,) = self.modules
            self.state = dict(module.named_parameters()), dict(module.named_buffers())
            self.forward = module
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
        """Returns the tensors that an optimiser moves."""
        return list(self.state[0].values())

    def __call__(self, calls: Sequence[Sequence[Argument]]) -> Any:
        """Calls each module on its own arguments; for several what is returned is ``[R, ...]``."""
        if self.alone:
            return self.forward(*calls[0])
        return self.forward(*stack(calls))

    def on(self, *stacked: Tensor) -> Tensor:
        """Calls them on arguments ``[R, ...]`` that are stacked already; always ``[R, ...]``."""
        if self.alone:
            return self.forward(*(part[0] for part in stacked))[None]
        return self.forward(*stacked)

    def _together(self, *arguments: Argument) -> Any:
        # Buffers (the moving average of `mine`) are batched, so their in-place update reaches all.
        return mapped(self.modules[0], self.state, arguments)


def mapped(module: nn.Module, state: State, arguments: Sequence[Argument]) -> Any:
    """Calls a module with R states on R arguments; one that is None is None for all."""

    def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *own: Argument) -> object:
        return functional_call(module, (parameters, buffers), own)

    in_dims = tuple(None if part is None else 0 for part in arguments)
    return vmap(one, in_dims=(0, 0, *in_dims))(*state, *arguments)


def fixed(state: State) -> State:
    """Returns a stack's state with no gradient into it, and buffers that stay as they are."""
    parameters, buffers = state
    return (
        {name: value.detach() for name, value in parameters.items()},
        {name: value.clone() for name, value in buffers.items()},
    )


def stack(parts: Sequence[Sequence[Argument]]) -> list[Any]:
    """Stacks each argument of R calls."""
    return [together(values) for values in zip(*parts, strict=True)]


def together(values: Sequence[Any]) -> Any:
    """Stacks one argument of R calls: tensors, dictionaries key by key; None stays None."""
    if values[0] is None:
        return None
    if isinstance(values[0], dict):
        return {key: torch.stack([v[key] for v in values]) for key in values[0]}
    return torch.stack(list(values))
