"""Perceptrons: what they score, the paper's noise, and what cannot be built."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from mine_cli.errors import BadInput
from mine_cli.networks.layers import ACTIVATIONS
from mine_cli.networks.mlp import MLP, NoisyMLP, with_length


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_go_by_name(activation: str) -> None:
    kinds = {type(m) for m in MLP((2,), (2,), activation=activation).modules()}
    expected = type(ACTIVATIONS[activation]())
    assert expected in kinds
    assert {"relu", "elu", "silu", "gelu", "tanh", "leaky_relu"} == set(ACTIVATIONS)


@pytest.mark.parametrize("make", [MLP, NoisyMLP])
def test_a_concatenating_network_scores_the_concatenation(make: type[nn.Module]) -> None:
    network = make((3,), (2,), widths=[8, 5], activation="elu").eval()
    x, z = torch.randn(10, 3), torch.randn(10, 2)
    first = torch.cat([network.first_x.weight, network.first_z.weight], 1)
    h = nn.functional.linear(torch.cat([x, z], 1), first, network.first_x.bias)
    second, last = network.rest.layers
    expected = last(nn.functional.elu(second(nn.functional.elu(h)))).squeeze(-1)
    assert torch.allclose(network(x, z), expected, atol=1e-6)


def test_noise_enters_in_training_alone() -> None:
    network, x, z = NoisyMLP((3,), (2,)), torch.randn(10, 3), torch.randn(10, 2)
    assert not torch.equal(network(x, z), network(x, z))
    torch.manual_seed(1)
    first = network(x, z)
    torch.manual_seed(1)
    assert torch.equal(network(x, z), first)
    network.eval()
    assert torch.equal(network(x, z), network(x, z))


def test_noise_that_is_passed_is_the_noise_that_enters() -> None:
    network = NoisyMLP((3,), (2,), widths=[8])
    x, z = torch.randn(10, 3), torch.randn(10, 2)
    noise = network.draw_noise(10, 10, (10,), torch.Generator().manual_seed(3))
    h = network.first_x(x + noise["x"]) + network.first_z(z + noise["z"])
    expected = network.rest.layers[0](nn.functional.elu(h) + noise["hidden0"]).squeeze(-1)
    a, b = network.embed(x, z, noise)
    assert torch.allclose(network.head(a, b, noise), expected, atol=1e-6)


def test_noise_has_the_paper_s_scale_and_the_generator_s_stream() -> None:
    network = NoisyMLP((3,), (), widths=[40, 50])
    noise = network.draw_noise(700, 900, (2, 300), torch.Generator().manual_seed(3))
    again = network.draw_noise(700, 900, (2, 300), torch.Generator().manual_seed(3))
    shapes = {"x": (700, 3), "z": (900, 1), "hidden0": (2, 300, 40), "hidden1": (2, 300, 50)}
    assert {key: tuple(value.shape) for key, value in noise.items()} == shapes
    for key, value in noise.items():
        assert torch.equal(value, again[key])
        scale = 0.5 if "hidden" in key else 0.3
        assert value.std().item() == pytest.approx(scale, rel=0.08)


def test_a_row_of_the_wrong_size_is_refused() -> None:
    # Six numbers must not pass for two rows of three.
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        MLP((3,), (2,))(torch.randn(4, 6), torch.randn(4, 2))


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: MLP((2,), (2,), activation="relv"), "activation must be one of elu, .*not relv"),
        (lambda: MLP((2,), (2,), widths=[]), "widths needs at least one hidden layer"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(make: Callable[[], object], line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("d", [2, 5, 40])
def test_the_length_of_normal_rows_has_unit_spread_about_zero(d: int) -> None:
    rows = torch.randn(20_000, d, dtype=torch.float64)
    seen = with_length(rows)
    assert torch.equal(seen[:, :-1], rows)
    assert seen[:, -1].mean().abs() < 0.3 / d**0.5 + 0.03
    assert abs(seen[:, -1].std() - 1) < 0.1
    by_hand = (2 * d) ** 0.5 * (rows.norm(dim=1) / d**0.5 - 1)
    torch.testing.assert_close(seen[:, -1], by_hand.clamp(max=4))


@pytest.mark.parametrize("far", [1e3, 1e30])
def test_a_row_far_out_is_no_further_than_four_spreads(far: float) -> None:
    rows = torch.tensor([[1.0, -1.0], [far, 0.0], [0.0, -far]], dtype=torch.float64)
    assert with_length(rows)[:, -1].tolist() == [0.0, 4.0, 4.0]


def test_a_network_of_lengths_sees_them_of_several_columns_alone() -> None:
    network = MLP((3,), (1,), widths=[8], lengths=True)
    assert network.first_x.in_features == 4
    assert network.first_z.in_features == 1
    x, z = torch.randn(10, 3), torch.randn(10, 1)
    plain = MLP((4,), (1,), widths=[8])
    plain.load_state_dict(network.state_dict())
    torch.testing.assert_close(network(x, z), plain(with_length(x), z))


def test_lengths_tell_turns_that_grow_with_the_distance() -> None:
    """With no weight on the columns, the score still turns with how far out x lies."""
    network = MLP((6,), (2,), widths=[4], lengths=True)
    with torch.no_grad():
        network.first_x.weight[:, :-1] = 0
    direction, z = torch.randn(6), torch.zeros(5, 2)
    x = direction / direction.norm() * torch.tensor([0.5, 1.0, 2.0, 3.0, 4.0])[:, None]
    assert with_length(x)[:, -1].max() < 4
    assert len(network(x, z).unique()) == 5
    turned = torch.linalg.qr(torch.randn(6, 6)).Q
    torch.testing.assert_close(network(x @ turned, z), network(x, z))
