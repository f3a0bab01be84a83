"""Rows times weights on a CPU, by the faster of the two libraries that torch brings along.

torch multiplies by MKL, which keeps to AVX2 on CPUs of other makers than Intel; oneDNN uses the
AVX-512 that they have, and an evaluation takes half the time once there are rows enough. On an
Intel CPU it takes as long by either (1.0 for widths of 64 to 512). The products are the same but
for rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Linear", "linear", "products_by_onednn"]

FEWEST_ROWS = 512  # with fewer, what oneDNN prepares for each call takes longer than it saves
FEWEST_OUTPUTS = 16
FEWEST_PRODUCTS = 12_000_000  # of a layer that trains, at any number of rows: 100 of 350 x 350


class Linear(nn.Linear):
    """A linear layer whose products, forward and backward, are oneDNN's where they are large.

    For layers of 400 and batches of 100 they take 0.5 of the time of `torch.nn.Linear`, on the
    CPUs that `linear` is made for; small layers, other devices and `vmap` are torch's own.
    """

    def forward(self, rows: Tensor) -> Tensor:
        products = rows.shape[:-1].numel() * self.weight.numel()
        if products < FEWEST_PRODUCTS or not possible(rows, self.weight):
            return super().forward(rows)
        found = Product.apply(rows.flatten(0, -2), self.weight, self.bias)
        return found.unflatten(0, rows.shape[:-1])


class Product(torch.autograd.Function):
    r"""Rows ``[n, i]`` times a weight ``[o, i]``, plus a bias, differentiable any number of times.

    .. math:: y = x W^T + b, \quad g_x = g_y W, \quad g_W = g_y^T x, \quad g_b = \sum g_y
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return onednn(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        of_rows, of_weight, of_bias = ctx.needs_input_grad
        return (
            Product.apply(grad, weight.T, None) if of_rows else None,
            Product.apply(grad.T, rows.T, None) if of_weight else None,
            grad.sum(0) if of_bias else None,
        )


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Returns rows ``[..., i]`` times a weight ``[o, i]``, plus a bias ``[o]``: ``[..., o]``.

    No gradient flows through it.
    """
    if not by_onednn(rows, weight):
        return functional.linear(rows, weight, bias)
    return onednn(rows, weight, bias)


def by_onednn(rows: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN is the faster one for a product without a gradient."""
    return rows.shape[:-1].numel() >= FEWEST_ROWS and possible(rows, weight)


def onednn(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(dense(rows), dense(weight), bias, "none", [], "")


def dense(matrix: Tensor) -> Tensor:
    """Copies a matrix that is laid out neither by rows nor by columns, such as some columns of a
    wider one: oneDNN may take a thousand times as long for it."""
    return matrix if matrix.is_contiguous() or matrix.mT.is_contiguous() else matrix.contiguous()


def possible(rows: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN may be used for a product, and can be the faster one."""
    return (
        len(weight) >= FEWEST_OUTPUTS
        and rows.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and has_wide_vectors()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not any(map(torch._C._functorch.is_batchedtensor, (rows, weight)))
    )


@cache
def has_wide_vectors() -> bool:
    """Whether this CPU has AVX-512, and this torch the operator, which is not public."""
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    known = hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return wide and torch.backends.mkldnn.is_available() and known


@contextmanager
def products_by_onednn() -> Iterator[None]:
    """Has torch multiply float32 matrices by oneDNN for a while, where that is faster and exact.

    A batched product of 5 x 1,024 rows by 128 x 128 takes 0.4 of the time that it takes by MKL.
    """
    if not has_wide_vectors() or not onednn_is_exact():
        yield
        return
    with medium_precision():
        yield


@contextmanager
def medium_precision() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def onednn_is_exact() -> bool:
    """Whether oneDNN, free to round to bfloat16, does not: it does on CPUs with units for that."""
    rows = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    with medium_precision():
        found = rows @ rows
    return torch.allclose(found.double(), rows.double() @ rows.double(), atol=1e-4)
