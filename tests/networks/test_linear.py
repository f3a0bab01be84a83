"""Matrix products are the same by either library; which one it is decided by their size."""

import pytest
import torch
from torch import Tensor

from mine_cli.networks import linear

ROWS = linear.FEWEST_ROWS
LARGE = (100, 350, 360)  # rows, inputs, outputs: just beyond the least that a layer gives oneDNN
assert LARGE[0] * LARGE[1] * LARGE[2] >= linear.FEWEST_PRODUCTS


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


WIDER = torch.randn(6, 9)


@pytest.mark.parametrize(
    ("matrix", "copied"),
    [(WIDER, False), (WIDER.T, False), (WIDER[2:], False), (WIDER[:, 2:], True),
     (WIDER[:, 2:].T, True), (WIDER[::2], True), (torch.randn(2, 6, 9)[..., :4], True)],
    ids=["rows", "columns", "some rows", "some columns", "both", "every other row", "batched"],
)  # fmt: skip
def test_onednn_is_given_dense_matrices_alone(matrix: Tensor, copied: bool) -> None:
    found = linear.dense(matrix)
    assert torch.equal(found, matrix)
    assert found.is_contiguous() or found.mT.is_contiguous()
    assert (found is not matrix) == copied


def test_a_layer_on_some_columns_of_wider_rows_has_torch_s_own_gradients() -> None:
    """As where both sides of a pair are parts of one tensor, for a penalty on its gradient."""
    rows, inputs, outputs = LARGE
    layer, plain = linear.Linear(inputs, outputs), torch.nn.Linear(inputs, outputs)
    plain.load_state_dict(layer.state_dict())
    wider, found = torch.randn(rows, inputs + 20), []
    for each in (layer, plain):
        x = wider.clone().requires_grad_()
        (slope,) = torch.autograd.grad(each(x[:, :inputs]).square().sum(), x, create_graph=True)
        slope.square().sum().backward()
        found.append([x.grad, *(p.grad for p in each.parameters())])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


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


# Layers that train


@pytest.mark.parametrize("rows", [(LARGE[0],), (2, LARGE[0] // 2), (3,)], ids=str)
@pytest.mark.parametrize("biased", [True, False])
def test_a_layer_s_values_and_gradients_are_torch_s_own(
    rows: tuple[int, ...], biased: bool
) -> None:
    layer = linear.Linear(*LARGE[1:], bias=biased)
    plain = torch.nn.Linear(*LARGE[1:], bias=biased)
    plain.load_state_dict(layer.state_dict())
    x, weight = torch.randn(*rows, LARGE[1]), torch.randn(*rows, LARGE[2])
    found = []
    for module in (layer, plain):
        inputs = x.clone().requires_grad_()
        y = module(inputs)
        (y * weight).sum().backward()
        found.append([y, inputs.grad, *(p.grad for p in module.parameters())])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_layer_s_gradient_can_be_differentiated() -> None:
    """As a penalty on a slope does: of E|d sum(y^2) / dx|^2, in weight and bias."""
    layer = linear.Linear(*LARGE[1:])
    plain = torch.nn.Linear(*LARGE[1:])
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(LARGE[0], LARGE[1])
    found = []
    for module in (layer, plain):
        inputs = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(module(inputs).square().sum(), inputs, create_graph=True)
        slope.square().mean().backward()
        found.append([p.grad for p in module.parameters()])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_no_gradient_is_computed_that_nobody_wants() -> None:
    layer = linear.Linear(*LARGE[1:]).requires_grad_(False)
    x = torch.randn(LARGE[0], LARGE[1], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None
    layer.requires_grad_(True)(x.detach()).sum().backward()
    assert layer.weight.grad is not None


def test_stacked_layers_are_torch_s_own() -> None:
    """vmap knows nothing of oneDNN."""
    layers = [linear.Linear(*LARGE[1:]) for _ in range(2)]
    weights = torch.stack([layer.weight for layer in layers])
    biases = torch.stack([layer.bias for layer in layers])
    x = torch.randn(2, LARGE[0], LARGE[1])
    found = torch.func.vmap(
        lambda w, b, rows: torch.func.functional_call(layers[0], {"weight": w, "bias": b}, (rows,))
    )(weights, biases, x)
    for r, layer in enumerate(layers):
        torch.testing.assert_close(found[r], layer(x[r]), rtol=1e-4, atol=1e-4)
