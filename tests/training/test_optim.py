"""Adam's step without bookkeeping against the optimiser's own."""

import torch
from torch import nn

from mine_cli.training.optim import adam, descend


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
