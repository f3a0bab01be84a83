"""Adam's step without bookkeeping against the optimiser's own; what optimisers remember."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from mine_cli.training.optim import Adam, adam, descend, load_moments, moments, set_gradient


def test_descend_is_the_optimisers_own_step() -> None:
    quick, plain = (nn.Parameter(torch.ones(5, 3)) for _ in range(2))
    unused = nn.Parameter(torch.ones(2))
    ours, theirs = adam([quick, unused], 0.01, 0.1), adam([plain], 0.01, 0.1)
    for _ in range(5):
        quick.grad = torch.randn(5, 3)
        plain.grad = quick.grad.clone()
        descend(ours)
        theirs.step()
    assert torch.equal(quick, plain)
    assert ours.state_dict()["state"][0]["step"] == 5
    assert torch.equal(unused, torch.ones(2))


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: adam(ps, 1e-2, 0.1),
        lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9),
        lambda ps: torch.optim.SGD([{"params": ps[:1], "lr": 0.5}, {"params": ps[1:]}], lr=0.1),
        lambda ps: torch.optim.NAdam(ps, lr=1e-2),
        lambda ps: torch.optim.RMSprop(ps, lr=1e-2, centered=True),
        lambda ps: torch.optim.Adagrad(ps, lr=1e-2),
    ],
)
def test_moments_are_tensors_that_go_on_bit_for_bit(make: Any) -> None:
    def made() -> tuple[list[torch.nn.Parameter], torch.optim.Optimizer]:
        weights = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2, 2))]
        return weights, make(weights)

    def step(weights: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
        for w in weights:
            w.grad = w.detach().cos()
        optimizer.step()

    first, first_optimizer = made()
    step(first, first_optimizer)
    first_optimizer.param_groups[-1]["lr"] *= 0.5
    saved = {name: value.clone() for name, value in moments(first_optimizer).items()}
    second, second_optimizer = made()
    for w, trained in zip(second, first, strict=True):
        w.data.copy_(trained)
    load_moments(second_optimizer, saved)
    for _ in range(2):
        step(first, first_optimizer)
        step(second, second_optimizer)
    assert all(map(torch.equal, first, second))


@pytest.mark.parametrize("shape", [(3, 4), (1, 5), (2, 3, 4, 4)])
def test_a_gradient_of_another_layout_moves_the_same_weights(shape: tuple[int, ...]) -> None:
    """A transposed view, and a gradient whose channels come last, beside a plain one."""
    plain = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    views = [plain, plain.transpose(0, -1).contiguous().transpose(0, -1)]
    if plain.dim() == 4:
        views.append(plain.contiguous(memory_format=torch.channels_last))
    found = []
    for gradient in views:
        weight = nn.Parameter(torch.zeros(shape))
        optimizer = adam([weight], 0.1)
        for scale in (1.0, -0.3):  # the first step makes the optimiser's state
            set_gradient(weight, scale * gradient)
            assert torch.equal(weight.grad, scale * plain)
            descend(optimizer)
        found.append(weight.detach())
    assert all(torch.equal(moved, found[0]) for moved in found)


def test_adam_is_torchs_adamw_bit_for_bit() -> None:
    ours, theirs = (nn.Linear(3, 2) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    pairs = [
        (ours, Adam(ours.parameters(), lr=0.1, weight_decay=0.3)),
        (theirs, torch.optim.AdamW(theirs.parameters(), lr=0.1, weight_decay=0.3)),
    ]
    for _ in range(3):
        x = torch.randn(5, 3)
        for network, optimizer in pairs:
            network(x).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            optimizer.load_state_dict(optimizer.state_dict())
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


IMPORTS = """
import sys
from mine_cli.cli.command import main

sys.argv = ["mine-run", "trainer=smoke", "trainer.tensorboard=false", *{arguments}]
try:
    main()
except SystemExit as stop:
    assert stop.code == 0
import torch

parts = [name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules]
assert not parts, parts
"""


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["dataset.n=300"], id="mi-estimate"),
        pytest.param(["task=gan", "task.samples=100"], id="gan", marks=pytest.mark.slow),
        pytest.param(
            ["task=ali", "task.samples=100", "task.evaluator_steps=5"],
            id="ali",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_does_not_wait_for_torchs_compiler(arguments: list[str], tmp_path: Any) -> None:
    command = [sys.executable, "-c", IMPORTS.format(arguments=arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
