"""The hand-written backward pass of stacked perceptrons against autograd's."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mine_cli.estimator.scoring import score_pairs
from mine_cli.estimator.stacked_mlp import PairScores, StackedMLP
from mine_cli.networks.layers import ACTIVATIONS
from mine_cli.networks.mlp import MLP, NoisyMLP

NETWORKS, ROWS = 3, 6


def networks(widths: list[int], activation: str, lengths: bool = False) -> list[MLP]:
    return [MLP((2,), (2, 2), widths, activation, lengths).double() for _ in range(NETWORKS)]


def stacked(networks: list[MLP]) -> dict[str, Tensor]:
    names = dict(networks[0].named_parameters())
    return {
        f"module.{name}": torch.stack([n.get_parameter(name).detach() for n in networks])
        .requires_grad_()
        for name in names
    }  # fmt: skip


def batch(k: int, rows_of_z: int = ROWS) -> tuple[Tensor, Tensor, Tensor]:
    x = torch.randn(NETWORKS, ROWS, 2, dtype=torch.float64)
    z = torch.randn(NETWORKS, rows_of_z, 2, 2, dtype=torch.float64)
    return x, z, torch.randint(rows_of_z, (NETWORKS, ROWS, k))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("widths", "k", "rows_of_z"), [([4], 1, ROWS), ([5, 4, 3], 2, 10)])
@pytest.mark.parametrize("lengths", [False, True])
def test_scores_and_gradients_are_autograd_s(
    activation: str, widths: list[int], k: int, rows_of_z: int, lengths: bool
) -> None:
    own = networks(widths, activation, lengths)
    weights = stacked(own)
    x, z, pairing = batch(k, rows_of_z)
    found = StackedMLP(own[0], weights)(x, z, pairing)
    upstream = [torch.randn_like(t) for t in found]
    sum((t * u).sum() for t, u in zip(found, upstream, strict=True)).backward()
    for r, network in enumerate(own):
        expected = score_pairs(network, x[r], z[r], pairing[r])
        for part, (f, e, u) in enumerate(zip(found, expected, upstream, strict=True)):
            torch.testing.assert_close(f[r], e, msg=f"part {part}")
            (e * u[r]).sum().backward(retain_graph=True)
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(weights[f"module.{name}"].grad[r], parameter.grad)


def test_gradient_by_differences() -> None:
    own = networks([3, 3], "tanh")
    weights = StackedMLP(own[0], stacked(own)).weights
    x, z, pairing = batch(1)

    def scores(*weights: Tensor) -> Tensor:
        return PairScores.apply(own[0].rest.activation, x, z.flatten(2), pairing, *weights)

    assert torch.autograd.gradcheck(scores, weights)


def test_only_stacks_of_plain_perceptrons_are_taken() -> None:
    own = networks([4], "gelu")
    assert StackedMLP.of(own, stacked(own)) is not None
    assert StackedMLP.of(own[:1], stacked(own)) is None
    noisy: list[Any] = [NoisyMLP((2,), (2,), [4]) for _ in range(2)]
    assert StackedMLP.of(noisy, {}) is None


def test_under_autocast_vmap_does_it() -> None:
    own = networks([4], "gelu")
    found = StackedMLP(own[0], stacked(own))
    x, *_ = batch(1)
    assert found.takes(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not found.takes(x)
