"""Adaptive clipping: an information term never outweighs the loss that it is added to."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Clipped", "clip_adaptively", "global_norm"]

Tensors = list[Tensor] | tuple[Tensor, ...]


class Clipped(NamedTuple):
    """A clipped gradient, and the norms over all parameters of what it came from."""

    gradient: list[Tensor]
    adversarial_norm: Tensor
    information_norm: Tensor
    clipped_norm: Tensor


def clip_adaptively(adversarial: Tensors, information: Tensors, how: str = "global") -> Clipped:
    r"""The gradient of the information term, no longer than that of the adversarial loss.

    .. math:: g_a = \min(\|g_u\|, \|g_m\|)\, \frac{g_m}{\|g_m\|}

    with g_u the gradient of the adversarial loss and g_m that of the (weighted) information
    term, both of this step and with respect to the same parameters, the generator's. The
    direction of g_m is kept; where it is zero, so is the result. The paper names the Frobenius
    norm, and leaves open of what.

    Arguments:
        adversarial: g_u, a tensor for each parameter.
        information: g_m, of the same shapes.
        how: ``global``: one norm over all parameters; ``tensor``: each parameter by itself;
            ``none``: g_m as it is.

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), eq. 21, appendix 8.1
        | https://arxiv.org/abs/1801.04062
    """
    longest, lengths = torch._foreach_norm(adversarial), torch._foreach_norm(information)
    whole_u, whole_m = total(longest), total(lengths)
    if how == "none":
        return Clipped(list(information), whole_u, whole_m, whole_m)
    if how == "global":
        clipped = torch._foreach_mul(information, shrinkage(whole_u, whole_m))
        return Clipped(list(clipped), whole_u, whole_m, torch.minimum(whole_u, whole_m))
    shares = [shrinkage(u, m) for u, m in zip(longest, lengths, strict=True)]
    clipped = torch._foreach_mul(information, shares)
    return Clipped(list(clipped), whole_u, whole_m, global_norm(clipped))


def global_norm(gradients: Tensors) -> Tensor:
    """The Euclidean norm of all tensors together, scalar."""
    return total(torch._foreach_norm(gradients))


def total(norms: Tensors) -> Tensor:
    return torch.linalg.vector_norm(torch.stack(list(norms)))


def shrinkage(longest: Tensor, length: Tensor) -> Tensor:
    """min(longest, length) / length, and 0 where the length is 0: no branch, no wait."""
    share = torch.minimum(longest, length) / length
    return torch.where(length > 0, share, torch.zeros_like(share))
