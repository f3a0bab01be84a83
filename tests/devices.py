"""A mark for tests that run on the CPU and, where there is one, on an NVIDIA GPU."""

import pytest
import torch

__all__ = ["each_device"]

ON_GPU = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
each_device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=ON_GPU)])
