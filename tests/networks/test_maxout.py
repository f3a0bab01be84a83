"""The maxout discriminator by hand, and derivatives of both orders."""

from collections.abc import Sequence

import pytest
import torch

from mine_cli.networks.maxout import Discriminator


@pytest.mark.parametrize("shape", [(2,), (3, 5), (1, 8, 8), ()], ids=str)
def test_maxout_gives_a_logit_a_sample_and_every_weight_a_gradient(shape: Sequence[int]) -> None:
    discriminator = Discriminator(shape, widths=[6, 5], pieces=3, spread=0.5)
    logits = discriminator(torch.randn(64, *shape))
    assert logits.shape == (64,)
    (logits * torch.randn(64)).sum().backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_maxout_by_hand() -> None:
    """One unit of two pieces, 2 x + 1 and -x, then 3 h - 1."""
    discriminator = Discriminator((1,), widths=[1], pieces=2)
    with torch.no_grad():
        discriminator.layers[0].weight.copy_(torch.tensor([[2.0], [-1.0]]))
        discriminator.layers[0].bias.copy_(torch.tensor([1.0, 0.0]))
        discriminator.last.weight.fill_(3.0)
        discriminator.last.bias.fill_(-1.0)
    x = torch.tensor([[1.0], [-2.0]], requires_grad=True)
    logits = discriminator(x)
    assert logits.tolist() == [3 * 3 - 1, 3 * 2 - 1]
    logits.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[6.0], [-3.0]]  # of the larger piece alone
    assert discriminator.layers[0].weight.grad.tolist() == [[3.0], [-6.0]]


def test_units_are_largest_over_their_own_pieces() -> None:
    """Unit u's pieces are the outputs u, units + u, 2 units + u, ... of one product."""
    discriminator = Discriminator((3,), widths=[4], pieces=5, spread=1.0)
    x = torch.randn(6, 3)
    products = x @ discriminator.layers[0].weight.T
    h = torch.stack([products[:, u::4].max(1).values for u in range(4)], 1)
    expected = h @ discriminator.last.weight[0]
    torch.testing.assert_close(discriminator(x), expected)


def test_a_penalty_on_maxout_s_slope_reaches_its_weights() -> None:
    """A second derivative goes through the largest pieces: against torch's own maximum."""
    discriminator = Discriminator((2,), widths=[5, 4], pieces=3, spread=1.0).double()
    x = torch.randn(8, 2, dtype=torch.float64, requires_grad=True)

    def plain(x: torch.Tensor) -> torch.Tensor:
        for layer in discriminator.layers:
            x = torch.nn.functional.linear(x, layer.weight, layer.bias)
            x = x.unflatten(1, (3, -1)).amax(1)
        return torch.nn.functional.linear(x, discriminator.last.weight).squeeze(1)

    found = []
    for logits in (discriminator(x), plain(x)):
        (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), discriminator.layers[0].weight)[0])
    torch.testing.assert_close(*found)
    assert found[0].any()
