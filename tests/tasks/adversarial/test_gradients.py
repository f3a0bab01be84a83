"""The penalty on a discriminator's slope against closed forms."""

import pytest
import torch
from torch import nn

from mine_cli.tasks.adversarial.gradients import squared_slope


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4)])
def test_of_a_linear_discriminator(shape: tuple[int, ...]) -> None:
    """|w|^2 whatever x is, with the gradient 2 w in w and none in the bias."""
    x = torch.randn(5, *shape, requires_grad=True)
    linear = nn.Linear(x[0].numel(), 1)
    penalty = squared_slope(linear(x.flatten(1)).squeeze(-1), x)
    torch.testing.assert_close(penalty, linear.weight.square().sum())
    in_weight, in_bias = torch.autograd.grad(
        penalty, (linear.weight, linear.bias), allow_unused=True
    )
    torch.testing.assert_close(in_weight, 2 * linear.weight)
    assert in_bias is None or not in_bias.any()


def test_is_the_mean_over_the_samples() -> None:
    """Logits a |x|^2 have the slope 2 a x."""
    x = torch.randn(7, 2, requires_grad=True)
    a = torch.tensor(0.3, requires_grad=True)
    penalty = squared_slope(a * x.square().sum(1), x)
    mean = x.detach().square().sum(1).mean()
    torch.testing.assert_close(penalty, 4 * a**2 * mean)
    (slope,) = torch.autograd.grad(penalty, a)
    torch.testing.assert_close(slope, 8 * a.detach() * mean)
