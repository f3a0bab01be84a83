"""Marks for tests that need an NVIDIA GPU, and for those that run on the CPU and on one."""

import pytest
import torch

__all__ = ["NEEDS_GPU", "each_device"]

NEEDS_GPU = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
each_device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NEEDS_GPU)])
