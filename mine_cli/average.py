"""The moving average of a network's weights while it trains."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["MovingAverage"]


class MovingAverage:
    r"""A copy of a module, each of whose weights follows the module's own.

    .. math:: \bar w \leftarrow k\, \bar w + (1 - k)\, w

    The first time it takes them as they are. What `torch.optim.swa_utils.AveragedModel` does, at
    a tenth of its cost for small networks: its own bookkeeping is left out, and buffers, which
    are not averaged, are copied when the average is asked for, not with every step.

    Arguments:
        module: What is followed, on its device.
        keep: k, between 0 and 1.
    """

    def __init__(self, module: nn.Module, keep: float) -> None:
        self.source, self.copy = module, copy.deepcopy(module).requires_grad_(False)
        self.keep, self.started = keep, False
        self._kept: list[Tensor] = list(self.copy.parameters())
        self._now: list[Tensor] = list(module.parameters())

    @torch.no_grad()
    def follow(self) -> None:
        """Take in the module's weights of now."""
        share = 1.0 - self.keep if self.started else 1.0
        torch._foreach_lerp_(self._kept, self._now, share)
        self.started = True

    @torch.no_grad()
    def module(self) -> nn.Module:
        """The copy itself: the average weights, and the module's buffers of now."""
        for kept, now in zip(self.copy.buffers(), self.source.buffers(), strict=True):
            kept.copy_(now)
        return self.copy

    def state_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on bit for bit."""
        return {"module": self.copy.state_dict(), "started": self.started}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.copy.load_state_dict(state["module"])
        self.started = state["started"]
