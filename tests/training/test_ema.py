"""The moving average of weights: its formula, against torch's own, and what it goes on from."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mine_cli.training.ema import MovingAverage

KEEP = 0.9


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def train(module: nn.Module) -> None:
    """A stand-in for a step: other weights, other statistics of BatchNorm."""
    module(torch.randn(8, 3))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


def weights(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_the_first_weights_are_taken_as_they_are() -> None:
    module = network()
    average = MovingAverage(module, KEEP)
    train(module)
    average.follow()
    for kept, now in zip(weights(average.module()), weights(module), strict=True):
        assert torch.equal(kept, now)


def test_it_is_torch_s_bit_for_bit() -> None:
    module = network()
    average = MovingAverage(module, KEEP)
    expected = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(KEEP))
    for _ in range(5):
        train(module)
        average.follow()
        expected.update_parameters(module)
    found, wanted = average.module().state_dict(), expected.module.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_it_goes_on_from_its_state() -> None:
    for steps_before in (0, 1, 3):
        module = network()
        whole = MovingAverage(module, KEEP)
        for _ in range(steps_before):
            train(module)
            whole.follow()
        other = copy.deepcopy(module)
        resumed = MovingAverage(other, KEEP)
        resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
        train(module)
        other.load_state_dict(module.state_dict())
        for average in (whole, resumed):
            average.follow()
        for a, b in zip(weights(whole.module()), weights(resumed.module()), strict=True):
            assert torch.equal(a, b)


def test_nothing_is_trained_through_the_average() -> None:
    module = network()
    average = MovingAverage(module, KEEP)
    assert not any(parameter.requires_grad for parameter in average.module().parameters())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert not {p.data_ptr() for p in module.parameters()} & {
        p.data_ptr() for p in average.module().parameters()
    }


def test_a_ramped_average_soon_forgets_where_it_began() -> None:
    module = nn.Linear(1, 1, bias=False)
    plain, ramped = MovingAverage(module, 0.999), MovingAverage(module, 0.999, ramp=True)
    with torch.no_grad():
        for value in (0.0, *[1.0] * 50):
            module.weight.fill_(value)
            plain.follow()
            ramped.follow()
    # Of the first value the product of k = (1 + t) / (10 + t) is left, t = 1, 2, ..., 50.
    left = math.prod((1 + t) / (10 + t) for t in range(1, 51))
    assert 1 - ramped.module().weight.item() == pytest.approx(left, abs=1e-6)
    assert 1 - plain.module().weight.item() == pytest.approx(0.999**50, rel=1e-4)
