r"""R perceptrons of one shape on R batches, with a backward pass written by hand.

Small networks spend a step in the bookkeeping of autograd and `vmap` rather than in arithmetic.
The layers of `networks.MLP` are so few that their gradient fits on one screen, and with it a step
of a stack takes 0.65 of the time for 4 networks of 2 x 64 and batches of 128, 0.75 for 20 and 0.83
for 32; 0.77 for 2 of 2 x 100 and batches of 512, 0.95 for 5. Every other network goes through
`vmap` (`ensemble`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mine_cli.networks.linear import products_by_onednn
from mine_cli.networks.mlp import MLP

__all__ = ["StackedMLP"]

aten = torch.ops.aten
# Activation -> its gradient, from the gradient of its output, its input and its output.
GRADIENTS: dict[type[nn.Module], Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    nn.ELU: lambda grad, h, s: aten.elu_backward(grad, 1.0, 1.0, 1.0, False, h),
    nn.GELU: lambda grad, h, s: aten.gelu_backward(grad, h),
    nn.LeakyReLU: lambda grad, h, s: aten.leaky_relu_backward(grad, h, 0.01, False),
    nn.ReLU: lambda grad, h, s: aten.threshold_backward(grad, s, 0),
    nn.SiLU: lambda grad, h, s: aten.silu_backward(grad, h),
    nn.Tanh: lambda grad, h, s: aten.tanh_backward(grad, s),
}


class StackedMLP:
    """The scores of R `MLP` networks, called as one.

    Arguments:
        network: one of them, for its activation and depth.
        stacked: name -> their parameters, ``[R, ...]``.
    """

    def __init__(self, network: MLP, stacked: Mapping[str, Tensor]) -> None:
        self.activation, self.seen = network.rest.activation, network.seen
        names = ["first_x.weight", "first_x.bias", "first_z.weight"]
        for i in range(len(network.rest.layers)):
            names += [f"rest.layers.{i}.weight", f"rest.layers.{i}.bias"]
        self.weights = [stacked[f"module.{name}"] for name in names]

    @classmethod
    def of(
        cls, networks: Sequence[nn.Module], stacked: Mapping[str, Tensor]
    ) -> "StackedMLP | None":
        """Returns the stack of several `MLP`, and None for anything else."""
        network = networks[0]
        return cls(network, stacked) if len(networks) > 1 and type(network) is MLP else None

    def takes(self, x: Tensor) -> bool:
        """Whether a batch can be scored here: without autocast."""
        return not torch.is_autocast_enabled(x.device.type)

    def __call__(self, x: Tensor, z: Tensor, pairing: Tensor) -> tuple[Tensor, Tensor]:
        """Scores the joint pairs ``[R, n]`` and k marginal pairs a row ``[R, n, k]``.

        ``x [R, n, ...]``, ``z [R, m, ...]`` and ``pairing [R, n, k]`` as in `scoring.score`.
        """
        x, z = self.seen(x.flatten(2)), self.seen(z.flatten(2))
        t = PairScores.apply(self.activation, x, z, pairing, *self.weights)
        return t[:, 0], t[:, 1:].mT


class PairScores(torch.autograd.Function):
    r"""Scores ``[R, 1 + k, n]`` of the joint pairs, then of those in ``pairing [R, n, k]``.

    .. math:: h_0 = W_x x + b + W_z z, \quad s_i = \sigma(h_i), \quad h_{i+1} = W_i s_i + b_i

    Backwards, with g the gradient of the loss with respect to what is written below it,

    .. math:: g_{W_i} = \sum g_{h_{i+1}} s_i^T, \quad g_{b_i} = \sum g_{h_{i+1}}, \quad
        g_{h_i} = \sigma'(h_i) \odot W_i^T g_{h_{i+1}}

    where a row of x gathers what its 1 + k pairs give, and a row of z what the pairs give that it
    is named in. No gradient is given to x and z.
    """

    @staticmethod
    @products_by_onednn()
    def forward(
        ctx: Any, activation: nn.Module, x: Tensor, z: Tensor, pairing: Tensor, *weights: Tensor
    ) -> Tensor:
        weight_x, bias, weight_z, *rest = weights
        networks, n, k = pairing.shape
        a = torch.baddbmm(bias[:, None], x, weight_x.mT)
        b = torch.bmm(z, weight_z.mT)
        # Rows of all networks behind one another: whole rows are copied, and added up, at once.
        first = torch.arange(networks, device=z.device)[:, None, None] * z.shape[1]
        rows = (pairing.mT + first).flatten()
        h = b.new_empty(networks, 1 + k, n, b.shape[2])
        h[:, 0] = b[:, :n]
        h[:, 1:] = b.flatten(0, 1).index_select(0, rows).unflatten(0, (networks, k, n))
        h = h.add_(a[:, None]).flatten(1, 2)
        layers = []
        for weight, bias in zip(rest[::2], rest[1::2], strict=True):
            s = activation(h)
            layers += [h, s]
            h = torch.baddbmm(bias[:, None], s, weight.mT)
        ctx.activation, ctx.depth = type(activation), len(rest) // 2
        ctx.save_for_backward(x, z, rows, *rest[::2], *layers)
        return h.unflatten(1, (1 + k, n)).squeeze(3)

    @staticmethod
    @products_by_onednn()
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, z, rows, *saved = ctx.saved_tensors
        weights, layers = saved[: ctx.depth], saved[ctx.depth :]
        networks, pairs, n = grad.shape
        grad = grad.flatten(1)[..., None]
        found: list[Tensor] = []
        for weight, h, s in zip(weights[::-1], layers[-2::-2], layers[::-2], strict=True):
            found = [torch.bmm(grad.mT, s), grad.sum(1), *found]
            # An outer product for the last layer, of width one: cheaper than a matrix product.
            one = weight.shape[1] == 1
            below = grad * weight if one else torch.bmm(grad, weight)
            grad = GRADIENTS[ctx.activation](below, h, s)
        grad = grad.unflatten(1, (pairs, n))
        of_b = grad.new_zeros(networks, z.shape[1], grad.shape[3])
        of_b[:, :n] = grad[:, 0]
        of_b.flatten(0, 1).index_add_(0, rows, grad[:, 1:].reshape(-1, grad.shape[3]))
        of_a = grad.sum(1)
        first = [torch.bmm(of_a.mT, x), of_a.sum(1), torch.bmm(of_b.mT, z)]
        return None, None, None, None, *first, *found
