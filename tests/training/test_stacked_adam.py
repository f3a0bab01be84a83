"""One Adam over a stack against an optimiser for each of its members."""

import pytest
import torch

from mine_cli.training.optim import adam
from mine_cli.training.stacked_adam import StackedAdam, runs

SHAPES = (4, 3), (4,)


def test_runs_are_of_equal_neighbours() -> None:
    assert runs("aabcc") == [slice(0, 2), slice(2, 3), slice(3, 5)]


@pytest.mark.parametrize("rates", [[0.1, 0.1, 0.1], [0.1, 0.1, 0.02], [0.1, 0.3, 0.02]])
def test_each_member_moves_as_with_an_optimiser_of_its_own(rates: list[float]) -> None:
    stacked = [torch.randn(3, *shape, requires_grad=True) for shape in SHAPES]
    alone = [[p.detach()[r].clone().requires_grad_() for p in stacked] for r in range(3)]
    found = StackedAdam(stacked, runs(rates), sorted(set(rates), key=rates.index), (), 0.1)
    twins = [adam(own, rate, 0.1) for own, rate in zip(alone, rates, strict=True)]
    for _ in range(4):
        found.zero_grad()
        for parameter in stacked:
            parameter.grad = torch.randn_like(parameter)
        for r, own in enumerate(alone):
            for twin, parameter in zip(own, stacked, strict=True):
                assert parameter.grad is not None
                twin.grad = parameter.grad[r].clone()
            twins[r].step()
        found.step()
    for r, own in enumerate(alone):
        for twin, parameter in zip(own, stacked, strict=True):
            torch.testing.assert_close(parameter[r], twin)
        member = found.member(r)
        for twin, moments in zip(own, member.moments(), strict=True):
            torch.testing.assert_close(moments["exp_avg"], twins[r].state[twin]["exp_avg"])
        for twin, parameter in zip(own, member.parameters(), strict=True):
            torch.testing.assert_close(parameter.grad, twin.grad)
