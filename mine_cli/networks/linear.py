"""Rows times weights on a CPU, by the faster of the two libraries that torch brings along.

torch multiplies by MKL, which keeps to AVX2 on CPUs of other makers than Intel; oneDNN uses the
AVX-512 that they have, and an evaluation takes half the time once there are rows enough. On an
Intel CPU it takes as long by either (1.0 for widths of 64 to 512). The products are the same but
for rounding. No gradient flows through them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["linear", "products_by_onednn"]

FEWEST_ROWS = 512  # with fewer, what oneDNN prepares for each call takes longer than it saves
FEWEST_OUTPUTS = 16


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Returns rows ``[..., i]`` times a weight ``[o, i]``, plus a bias ``[o]``: ``[..., o]``."""
    if not by_onednn(rows, weight):
        return functional.linear(rows, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


def by_onednn(rows: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN is the faster one for a product, and may be used."""
    return (
        rows.shape[:-1].numel() >= FEWEST_ROWS
        and len(weight) >= FEWEST_OUTPUTS
        and rows.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and has_wide_vectors()
        and not torch.is_autocast_enabled("cpu")
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
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    found = rows @ rows
    torch.set_float32_matmul_precision(before)
    return torch.allclose(found.double(), rows.double() @ rows.double(), atol=1e-4)
