"""Discriminators of pairs: shapes, gradients, and what each logit depends on."""

import pytest
import torch
from torch import nn

from mine_cli.errors import BadInput
from mine_cli.networks.joint import Convolutional, Perceptron

SMALL = {"channels": (4, 4, 8, 8), "width": 8}
MADE = [
    (Perceptron((2,), (3,), (16, 16)), (2,), (3,)),
    (Perceptron((1, 28, 28), (1, 28, 28), (16,)), (1, 28, 28), (1, 28, 28)),
    (Perceptron((1, 28, 28), (5,), (16,), products=4), (1, 28, 28), (5,)),
    (Convolutional((1, 28, 28), (5,), **SMALL), (1, 28, 28), (5,)),
    (Convolutional((3, 32, 32), (5,), **SMALL), (3, 32, 32), (5,)),
    (Convolutional((3, 64, 64), (3, 64, 64), **SMALL), (3, 64, 64), (3, 64, 64)),
]


@pytest.mark.parametrize(("network", "x_shape", "z_shape"), MADE)
def test_each_logit_is_of_its_own_pair(
    network: nn.Module, x_shape: tuple[int, ...], z_shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    x, z = torch.randn(4, *x_shape, requires_grad=True), torch.randn(4, *z_shape)
    z.requires_grad_()
    logits = network(x, z)
    assert logits.shape == (4,)
    logits[1].backward()
    for side in (x, z):
        assert side.grad is not None
        touched = side.grad.flatten(1).abs().sum(1) > 0
        assert touched.tolist() == [False, True, False, False]
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(("network", "x_shape", "z_shape"), MADE)
def test_a_permuted_batch_is_judged_alike(
    network: nn.Module, x_shape: tuple[int, ...], z_shape: tuple[int, ...]
) -> None:
    x, z, order = torch.randn(6, *x_shape), torch.randn(6, *z_shape), torch.randperm(6)
    assert network(x[order], z[order]).allclose(network(x, z)[order], atol=1e-5)


def test_products_are_added_to_the_perceptron_of_both() -> None:
    torch.manual_seed(0)
    network = Perceptron((2,), (3,), (16,), products=4)
    x, z = torch.randn(5, 2), torch.randn(5, 3)
    multiplied = torch.einsum("nk,nk->n", network.phi(x), network.psi(z)) / 2
    plain = network.layers(torch.cat([x, z], 1))
    assert network(x, z).allclose(plain + multiplied, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Convolutional((2,), (2,)), r"not \(2,\); discriminator=joint takes"),
        (lambda: Convolutional((1, 28, 28), (2,), [8]), r"1 widths; want 4"),
        (lambda: Convolutional((3, 64, 64), (3, 32, 32)), r"want pairs of one size"),
    ],
)
def test_what_cannot_be_built_is_one_line(make: type, line: str) -> None:
    with pytest.raises(BadInput, match=line):
        make()
