"""One Adam over the tensors of many modules, each moved as if it had an optimiser of its own."""

import itertools
from collections.abc import Hashable, Iterable, Sequence
from types import EllipsisType

import torch
from torch import Tensor

from mine_cli.training.optim import adam, descend

__all__ = ["StackMember", "StackedAdam", "runs"]


class StackedAdam:
    """Adam over tensors ``[R, ...]`` of R members, runs of which have rates of their own.

    Arguments:
        stacked: of all members; those of a single member are its own as they are.
        runs: of neighbours that are moved at one rate; together all members.
        rates: of each run.
        own: of each run what is stacked for its members alone, or of a single one as it is.
        weight_decay: decoupled decay.
        betas: of the moving averages.
    """

    def __init__(
        self,
        stacked: Sequence[Tensor],
        runs: Sequence[slice],
        rates: Sequence[float],
        own: Sequence[Sequence[Tensor]] = (),
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self.stacked, self.alone = list(stacked), runs[-1].stop == 1
        whole = len(runs) == 1
        further = own or [()] * len(runs)
        self.groups = [
            Group(self.stacked, run, whole, part) for run, part in zip(runs, further, strict=True)
        ]
        self.parameters = [*self.stacked, *(w for part in further for w in part)]
        self.optimizer = adam(
            [
                {"params": group.parameters, "lr": rate}
                for group, rate in zip(self.groups, rates, strict=True)
            ],
            rates[0],
            weight_decay,
            betas,
        )

    def zero_grad(self) -> None:
        """As an optimiser's own, without its twenty microseconds."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """One step along the gradients of the stacked tensors."""
        for group in self.groups:
            group.take_gradients(self.stacked)
        descend(self.optimizer)

    def member(self, r: int) -> "StackMember":
        """Returns the share of one member."""
        return StackMember(self, r)


class Group:
    """What the optimiser is given of a run.

    Where the run is not the whole stack these are views of the stacked tensors, whose gradients
    are views as well: all arithmetic stays in place.
    """

    def __init__(
        self, stacked: Sequence[Tensor], run: slice, whole: bool, own: Sequence[Tensor]
    ) -> None:
        self.run, self.own = run, list(own)
        self.views = [] if whole else [p.detach()[run] for p in stacked]
        self.parameters = [*(stacked if whole else self.views), *own]

    def take_gradients(self, stacked: Sequence[Tensor]) -> None:
        for view, parameter in zip(self.views, stacked, strict=False):
            view.grad = None if parameter.grad is None else parameter.grad[self.run]


class StackMember:
    """One member's share of a `StackedAdam`: its parameters, their gradients and moments."""

    def __init__(self, stacked: StackedAdam, r: int) -> None:
        group = next(g for g in stacked.groups if g.run.start <= r < g.run.stop)
        self.optimizer, self.tensors = stacked.optimizer, group.parameters
        row, single = r - group.run.start, group.run.stop - group.run.start == 1
        # What is not stacked is the member's own as a whole.
        shared: int | EllipsisType = ... if stacked.alone else row
        own: int | EllipsisType = ... if single else row
        self.rows = [shared] * len(stacked.stacked) + [own] * len(group.own)

    def parameters(self) -> Iterable[Tensor]:
        """The member's own, with the gradients that the latest step left."""
        for tensor, row in zip(self.tensors, self.rows, strict=True):
            own = tensor.detach()[row]
            own.grad = None if tensor.grad is None else tensor.grad[row]
            yield own

    def moments(self) -> list[dict[str, Tensor]]:
        """Adam's moments of each parameter, none of one without a gradient; empty at first."""
        found = []
        for tensor, row in zip(self.tensors, self.rows, strict=True):
            state = self.optimizer.state[tensor]
            own = {k: v if k == "step" else v[row] for k, v in state.items()}
            found.append({name: value.clone() for name, value in own.items()})
        return found if any(found) else []

    def load_moments(self, moments: Sequence[dict[str, Tensor]]) -> None:
        """Takes back what `moments` gave, which may have been on another device."""
        for tensor, row, saved in zip(self.tensors, self.rows, moments, strict=False):
            if saved:
                state = self.optimizer.state[tensor]
                state["step"] = saved["step"].to(tensor.device, copy=True)
                for name in ("exp_avg", "exp_avg_sq"):
                    state.setdefault(name, torch.zeros_like(tensor))[row] = saved[name]


def runs(keys: Sequence[Hashable]) -> list[slice]:
    """The runs of equal neighbours."""
    lengths = [len([*group]) for _, group in itertools.groupby(keys)]
    ends = [*itertools.accumulate(lengths)]
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
