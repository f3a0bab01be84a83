"""Matrix products are the same by either library; which one it is decided by their size."""

import pytest
import torch
from torch import Tensor

from mine_cli.networks import linear

ROWS = linear.FEWEST_ROWS


@pytest.fixture(params=["torch", "onednn"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """On every CPU both are tried: torch's own, and oneDNN where it may be used."""
    if request.param == "onednn" and not linear.has_operator():
        pytest.skip("this torch has no such operator")
    monkeypatch.setattr(linear, "gains_by_onednn", lambda: request.param == "onednn")
    return request.param


def operands(rows: int, outputs: int) -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(3, rows, 20), torch.randn(3, outputs, 20), torch.randn(3, outputs)


@pytest.mark.parametrize(("rows", "outputs"), [(ROWS, 30), (ROWS - 1, 30), (ROWS, 1)])
@pytest.mark.parametrize("biased", [True, False])
def test_products_are_exact_up_to_rounding(rows: int, outputs: int, biased: bool) -> None:
    x, weights, biases = operands(rows, outputs)
    exact = x.double() @ weights.double().mT + biased * biases.double()[:, None]
    found = linear.batched(x, weights, biases if biased else None)
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=0)
    first = linear.linear(x[0], weights[0], biases[0] if biased else None)
    torch.testing.assert_close(first.double(), exact[0], atol=1e-5, rtol=0)


def test_a_transposed_weight_and_rows_that_are_a_view() -> None:
    x, weight = torch.randn(2 * ROWS, 30)[::2], torch.randn(30, 20)
    exact = x.double() @ weight.double()
    torch.testing.assert_close(linear.linear(x, weight.T).double(), exact, atol=1e-5, rtol=0)


def test_leading_dimensions_are_kept() -> None:
    assert linear.linear(torch.randn(2, ROWS, 20), torch.randn(30, 20)).shape == (2, ROWS, 30)


def test_only_what_gains_by_it_is_onednn_s(library: str) -> None:
    x, weights, _ = operands(ROWS, 30)
    assert linear.by_onednn(x[0], weights[0]) == (library == "onednn")
    assert not linear.by_onednn(x[0, 1:], weights[0])
    assert not linear.by_onednn(x[0].double(), weights[0].double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not linear.by_onednn(x[0], weights[0])
