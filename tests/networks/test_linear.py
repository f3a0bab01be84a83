"""Matrix products are the same by either library; which one it is decided by their size."""

import pytest
import torch
from torch import Tensor

from mine_cli.networks import linear

ROWS = linear.FEWEST_ROWS


def operands(rows: int, outputs: int) -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(rows, 20), torch.randn(outputs, 20), torch.randn(outputs)


@pytest.mark.parametrize(("rows", "outputs"), [(ROWS, 30), (ROWS - 1, 30), (ROWS, 1)])
@pytest.mark.parametrize("biased", [True, False])
def test_products_are_exact_up_to_rounding(rows: int, outputs: int, biased: bool) -> None:
    x, weight, bias = operands(rows, outputs)
    exact = x.double() @ weight.double().T + biased * bias.double()
    found = linear.linear(x, weight, bias if biased else None)
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=0)


def test_a_transposed_weight_and_rows_that_are_a_view() -> None:
    x, weight = torch.randn(2 * ROWS, 30)[::2], torch.randn(30, 20)
    exact = x.double() @ weight.double()
    torch.testing.assert_close(linear.linear(x, weight.T).double(), exact, atol=1e-5, rtol=0)


def test_leading_dimensions_are_kept() -> None:
    assert linear.linear(torch.randn(2, ROWS, 20), torch.randn(30, 20)).shape == (2, ROWS, 30)


@pytest.mark.skipif(not linear.has_wide_vectors(), reason="needs AVX-512")
def test_only_what_gains_by_it_is_onednn_s() -> None:
    x, weight, _ = operands(ROWS, 30)
    assert linear.by_onednn(x, weight)
    assert not linear.by_onednn(x[1:], weight)
    assert not linear.by_onednn(x.double(), weight.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not linear.by_onednn(x, weight)
