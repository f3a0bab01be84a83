"""The pieces of statistics networks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mine_cli.networks.layers import inner, split_linear

Shape = tuple[int, ...]


def test_the_split_first_layer_is_the_layer_over_the_concatenation() -> None:
    torch.manual_seed(5)
    whole = nn.Linear(7, 4)
    torch.manual_seed(5)
    for_x, for_z = split_linear(3, 4, 4)
    x, z = torch.randn(10, 3), torch.randn(10, 4)
    assert for_z.bias is None
    assert torch.allclose(for_x(x) + for_z(z), whole(torch.cat([x, z], 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("a", "b"),
    [((6, 4), (6, 4)), ((6, 1, 4), (1, 9, 4)), ((6, 4), (5, 6, 4)), ((2, 3, 1, 4), (2, 1, 3, 4))],
)
def test_the_inner_product_broadcasts(a: Shape, b: Shape) -> None:
    left, right = torch.randn(a), torch.randn(b)
    assert torch.allclose(inner(left, right), (left * right).sum(-1), atol=1e-5)


def test_a_matrix_of_inner_products_is_never_held_feature_by_feature() -> None:
    class Largest(TorchDispatchMode):
        bytes = 0

        def __torch_dispatch__(
            self, func: Callable, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = func(*args, **(kwargs or {}))
            self.bytes = max(self.bytes, out.untyped_storage().nbytes())
            return out

    a, b = torch.randn(200, 50), torch.randn(300, 50)
    with Largest() as largest:
        inner(a[:, None], b[None])
    assert largest.bytes == 200 * 300 * 4
