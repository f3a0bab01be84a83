"""Rows times weights on a CPU, by the faster of the two libraries that torch brings along.

torch multiplies by MKL, which keeps to AVX2 on CPUs of other makers than Intel; oneDNN uses the
AVX-512 that they have, and an evaluation takes half the time once there are rows enough. On
Intel's it takes as long by either, and a step of stacked networks by oneDNN 1.1 times as long, so
that there all products are torch's own. They are the same but for rounding. No gradient flows
through them.
"""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["batched", "linear"]

FEWEST_ROWS = 512  # with fewer, what oneDNN prepares for each call takes longer than it saves
FEWEST_OUTPUTS = 16


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows ``[..., i]`` times a weight ``[o, i]``, plus a bias ``[o]``: ``[..., o]``."""
    if not by_onednn(rows, weight):
        return functional.linear(rows, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


def batched(rows: Tensor, weights: Tensor, biases: Tensor | None = None) -> Tensor:
    """The same for each of R: rows ``[R, n, i]``, weights ``[R, o, i]``, biases ``[R, o]``."""
    if by_onednn(rows[0], weights[0]):
        own = [None] * len(rows) if biases is None else biases
        return torch.stack([linear(*of_one) for of_one in zip(rows, weights, own, strict=True)])
    if biases is None:
        return torch.bmm(rows, weights.mT)
    return torch.baddbmm(biases[:, None], rows, weights.mT)


def by_onednn(rows: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN is the faster one for a product, and may be used."""
    return (
        rows.shape[:-1].numel() >= FEWEST_ROWS
        and len(weight) >= FEWEST_OUTPUTS
        and rows.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and gains_by_onednn()
        and not torch.is_autocast_enabled("cpu")
    )


@cache
def gains_by_onednn() -> bool:
    """Whether this CPU has AVX-512 that MKL leaves unused, and this torch the private operator."""
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return wide and not made_by_intel() and has_operator()


def made_by_intel() -> bool:
    """Whether this is an Intel CPU, as far as Linux tells."""
    about = Path("/proc/cpuinfo")
    return about.exists() and "GenuineIntel" in about.read_text()


def has_operator() -> bool:
    """Whether this torch has oneDNN and its operator, which is not public."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
