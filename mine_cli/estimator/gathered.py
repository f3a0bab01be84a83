"""Rows and scores gathered from all ranks of a process group, and means over them."""

from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from mine_cli.errors import BadInput
from mine_cli.training.distributed import reaching_others

__all__ = ["Gathered", "average", "average_gradients", "gather", "ranks"]


class Gathered(torch.autograd.Function):
    r"""Gathers the rows of all ranks in their order ``[num_ranks * m, ...]``.

    Why its gradient is right: let :math:`T_r(\theta)` be the scores of rank r, one of R, and
    :math:`L(T_1, \dots, T_R, \theta)` the loss that every rank takes of all scores. The adjoint
    of a gather sums what the losses of all ranks ask of :math:`T_r`. They are one and the same, so
    the sum is :math:`R\,\partial L / \partial T_r`, and no rank has to ask another. Backward then
    gives rank r

    .. math:: g_r = R\,\frac{\partial L}{\partial T_r} \frac{\partial T_r}{\partial \theta}
        + \frac{\partial L}{\partial \theta}, \qquad
        \frac{1}{R} \sum_r g_r = \sum_r \frac{\partial L}{\partial T_r}
        \frac{\partial T_r}{\partial \theta} + \frac{\partial L}{\partial \theta}
        = \frac{dL}{d\theta}

    the gradient of one process that scores all rows. The mean over ranks (`average_gradients`) is
    also right for a bound's own parameters, which no gather touches.
    """

    @staticmethod
    def forward(ctx: object, own: Tensor) -> Tensor:
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        with reaching_others():
            dist.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:
        num_ranks = dist.get_world_size()
        return grads[0].chunk(num_ranks)[dist.get_rank()] * num_ranks


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Puts the mean of the ranks' gradients in place of each rank's own; see `Gathered`."""
    average([p.grad for p in parameters if p.grad is not None])


@torch.no_grad()
def average(tensors: Sequence[Tensor]) -> None:
    """Puts the mean over the ranks in place of each rank's own tensors."""
    flat = torch.cat([t.flatten() for t in tensors])
    with reaching_others():
        dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for t, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        t.copy_(mean.view_as(t))


def ranks() -> int:
    """Returns how many processes a group of this one's has; 1 without a group."""
    joined = dist.is_available() and dist.is_initialized()
    return dist.get_world_size() if joined else 1


def gather(*sides: Tensor) -> list[Tensor]:
    """Returns the rows of all ranks, in their order, of tensors of as many rows; see `Gathered`.

    Raises:
        BadInput: on every rank, where they have not equally many rows.
    """
    number = torch.tensor([len(sides[0])], device=sides[0].device)
    numbers = [torch.empty_like(number) for _ in range(ranks())]
    with reaching_others():
        dist.all_gather(numbers, number)
    found = torch.cat(numbers).tolist()
    if len(set(found)) > 1:
        raise BadInput(
            f"the {len(found)} processes have {found} rows; they share one batch and want as many "
            "each (a DistributedSampler, or drop_last=True, sees to that)"
        )
    return [Gathered.apply(side) for side in sides]
