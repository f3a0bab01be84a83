"""A task of a few milliseconds that draws from every random stream a real one draws from."""

import copy
import math
import os
import signal
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class FakeTask:
    """Fits a line with Adam and dropout; can go bad, stop early or be killed at a step.

    Arguments:
        nan_at: The step whose loss is not a number.
        nan_weights_at: The step after which a weight is not a number, though its loss was fine.
        finish_at: The evaluation that ends the training.
        signal_at: The step that the process sends itself `signal_number` at.
    """

    def __init__(
        self,
        nan_at: int | None = None,
        nan_weights_at: int | None = None,
        finish_at: int | None = None,
        signal_at: int | None = None,
        signal_number: int = signal.SIGINT,
    ) -> None:
        self.nan_at, self.nan_weights_at = nan_at, nan_weights_at
        self.finish_at, self.signal_at, self.signal_number = finish_at, signal_at, signal_number
        torch.manual_seed(3)
        self.network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-2)
        self.generator = torch.Generator().manual_seed(5)
        self.best: dict[str, Any] | None = None
        self.best_value = -math.inf
        self.finished = False
        self.taken: list[int] = []
        self.curve: list[float] = []

    def train_step(self, step: int) -> dict[str, Tensor]:
        self.taken.append(step)
        if step == self.signal_at:
            os.kill(os.getpid(), self.signal_number)
        x = torch.randn(16, 4, generator=self.generator)
        loss = (self.network(x) - x.sum(1, keepdim=True)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if step == self.nan_weights_at:
            self.network[0].weight.data.view(-1)[0] = math.nan
        return {"loss": loss.detach() * (math.nan if step == self.nan_at else 1.0)}

    def evaluate(self, step: int) -> dict[str, float | None]:
        value = -float(torch.stack([p.detach().square().sum() for p in self.parameters()]).sum())
        if value > self.best_value:
            self.best_value, self.best = value, {"network": copy.deepcopy(self._weights())}
        self.finished = step == self.finish_at
        return {"mi/estimate": value, "mi/true": 1.0, "mi/unknown": None}

    def arrays(self) -> dict[str, Any]:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        return self.network.parameters()

    def _weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self._weights(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "best": self.best,
            "best_value": self.best_value,
            "finished": self.finished,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.best, self.best_value = state["best"], state["best_value"]
        self.finished = state["finished"]
