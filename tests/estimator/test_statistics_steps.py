"""How many steps the statistics network takes: more where they help, and a word where none do."""

import logging
import math

import pytest
import torch

from mine_cli.estimator.statistics_steps import MOST_STEPS, PROBE_EVERY, PROBES, Pace
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.mlp import MLP


def told(pace: Pace, gains: list[float], value: float = 1.0) -> Pace:
    for i, gain in enumerate(gains):
        pace.record(gain, value + 0.01 * (-1) ** i)
    return pace


HELPS, NOTHING = [0.1, 0.12, 0.09, 0.11, 0.1], [0.01, -0.012, 0.009, -0.01, 0.001]


def test_steps_double_while_they_help_and_halve_when_they_do_not() -> None:
    pace = told(Pace(), 3 * HELPS)
    assert pace.steps == 8
    assert told(pace, NOTHING).steps == 4
    assert told(pace, HELPS[:-1]).steps == 4  # not before the fifth probe
    assert told(pace, 20 * HELPS).steps == MOST_STEPS
    assert pace.outrun  # more of them would still help
    assert told(pace, 20 * NOTHING).steps == 1
    assert not pace.outrun


def test_a_value_below_zero_is_outrun_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mine_cli"):
        pace = told(Pace(), 3 * NOTHING, value=-0.5)
    assert pace.outrun
    assert caplog.text.count("outruns the statistics network: -0.498") == 1
    assert not told(Pace(), NOTHING, value=0.001).outrun  # zero, as far as five values say


def test_a_state_goes_on_in_the_middle_of_a_decision() -> None:
    pace, other = told(Pace(), HELPS + NOTHING[:3]), Pace()
    other.restore(pace.state())
    assert vars(other) == vars(pace)


def calls(turn: float) -> Pace:
    """The pace after 240 calls on z = 2 R x + noise, whose R turns by so much a call."""
    torch.manual_seed(0)
    mi = MutualInformation(MLP((2,), (2,), widths=[32]), "dv", lr=5e-3, statistics_steps="auto")
    for step in range(PROBE_EVERY * PROBES * 6):
        x = torch.randn(128, 2)
        cos, sin = math.cos(turn * step), math.sin(turn * step)
        z = 2 * x @ torch.tensor([[cos, sin], [-sin, cos]]) + torch.randn(128, 2)
        mi.step(x, z)
    assert mi.pace is not None
    return mi.pace


def test_what_stands_still_takes_few_steps_and_what_moves_takes_many() -> None:
    assert calls(turn=0.0).steps <= 2
    assert calls(turn=0.2).steps >= 4
