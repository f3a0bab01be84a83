"""A step that is recorded on a GPU computes what it computes call by call."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mine_cli.config.schemas import TrainerConf
from mine_cli.errors import RunFailed
from mine_cli.training.cuda_graph import RecordedStep, rates_on_device
from mine_cli.training.optim import adam, descend, set_rate
from tests.devices import NEEDS_GPU

pytestmark = NEEDS_GPU


class Regression:
    """A line through points that are drawn anew in each step, at a falling rate."""

    def __init__(self) -> None:
        self.device = torch.device("cuda")
        self.random = torch.Generator(self.device).manual_seed(1)
        self.weight = torch.zeros(3, device=self.device, requires_grad=True)
        self.optimizer = adam([self.weight], 0.1)

    def step(self) -> dict[str, Tensor]:
        x = torch.randn(64, 3, generator=self.random, device=self.device)
        loss = (x @ (self.weight - 1)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        descend(self.optimizer)
        return {"loss": loss.detach()}


def trained(recorded: bool) -> tuple[list[float], Tensor, Tensor]:
    """The losses of ten steps, the weight that is left, and what the stream gives next."""
    line, conf = Regression(), TrainerConf(steps=10, warmup=0.2)
    iterate: Any = line.step
    if recorded:
        iterate = RecordedStep(line.step, [line.random])
        rates_on_device(line.optimizer, line.device)
    losses = []
    for step in range(1, 11):
        set_rate(line.optimizer, conf, step)
        losses.append(float(iterate()["loss"]))
    return losses, line.weight.detach(), torch.randn(5, generator=line.random, device="cuda")


def test_recorded_steps_are_the_steps() -> None:
    """Their draws and their learning rates included."""
    (losses, *expected), (found, *left) = trained(recorded=False), trained(recorded=True)
    assert found == pytest.approx(losses, rel=1e-5)
    assert len(set(found)) == 10
    for one, other in zip(expected, left, strict=True):
        torch.testing.assert_close(one, other)


def test_a_step_that_waits_for_the_device_is_refused() -> None:
    value = torch.ones(1, device="cuda")
    iterate = RecordedStep(lambda: {"value": value * value.item()}, [])
    for _ in range(3):
        iterate()
    with pytest.raises(RunFailed, match=r"cannot be recorded .* trainer\.compile=false"):
        iterate()
