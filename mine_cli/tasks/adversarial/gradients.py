"""The squared slope of a discriminator, which a gradient penalty weighs."""

import torch
from torch import Tensor

__all__ = ["squared_slope"]


def squared_slope(logits: Tensor, x: Tensor) -> Tensor:
    r"""The mean squared gradient of a discriminator's logits at real samples, scalar.

    .. math:: R_1 = \tfrac{\gamma}{2}\, E_{p(x)}\big[\|\nabla_x \psi(x)\|^2\big]

    with psi the logit: this is the expectation, to be weighted by gamma / 2 and added to the loss
    in nats, so that gamma is in nats times the square of the samples' unit. It is differentiable
    in the discriminator's weights. Where BatchNorm couples the rows of a batch, the gradient is
    that of the sum of all their logits.

    Arguments:
        logits: psi of each row of x, [n].
        x: n real samples of any shape, that the logits were computed from.

    References:
        | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), eq. 9
        | https://arxiv.org/abs/1801.04406
    """
    (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()
