"""Every statistics network: gradients, pairs against the matrix, stacking, and its limits."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from mine_cli.bounds import DV
from mine_cli.networks.conv import ConditionedConv, Conv
from mine_cli.networks.interface import Bounded, Whole, as_network
from mine_cli.networks.mlp import MLP, NoisyMLP
from mine_cli.networks.separable import Bilinear, Separable, SeparableQuadratic

Shape = tuple[int, ...]


def name_of(part: Any) -> str:
    return getattr(part, "__name__", str(part))


ANY_SHAPE = [MLP, NoisyMLP, Separable, SeparableQuadratic, Bilinear]
OF_IMAGES = [Conv, ConditionedConv]
SHAPES: list[tuple[Shape, Shape]] = [((3,), (2,)), ((1, 8, 8), (10,)), ((), (4,)), ((2, 3), ())]
IMAGES: list[tuple[Shape, Shape]] = [
    ((1, 28, 28), (10,)),
    ((1, 14, 28), (1, 14, 28)),
    ((3, 9, 11), (2, 2)),
    ((1, 8, 8), ()),
]
each_case = pytest.mark.parametrize(
    ("make", "x_shape", "z_shape"),
    [(make, *shapes) for make in ANY_SHAPE for shapes in SHAPES]
    + [(make, *shapes) for make in OF_IMAGES for shapes in IMAGES],
    ids=name_of,
)
each_network = pytest.mark.parametrize(  # for what does not depend on shapes
    ("make", "x_shape", "z_shape"),
    [(make, (3,), (2,)) for make in ANY_SHAPE]
    + [(make, (1, 14, 14), (10,)) for make in OF_IMAGES],
    ids=name_of,
)


@each_case
def test_every_parameter_gets_a_gradient(
    make: type[nn.Module], x_shape: Shape, z_shape: Shape
) -> None:
    network = make(x_shape, z_shape)
    scores = network(torch.randn(32, *x_shape), torch.randn(32, *z_shape))
    assert scores.shape == (32,)
    (scores * torch.randn(32)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@each_case
def test_pair_scores_are_the_diagonal_of_the_matrix(
    make: type[nn.Module], x_shape: Shape, z_shape: Shape
) -> None:
    network = make(x_shape, z_shape).eval().double()
    x, z = torch.randn(6, *x_shape).double(), torch.randn(9, *z_shape).double()
    a, b = network.embed(x, z)
    matrix = network.head(a[:, None], b[None])
    assert matrix.shape == (6, 9)
    assert torch.allclose(matrix[:, :6].diagonal(), network(x, z[:6]), atol=1e-12)
    partners = torch.randint(9, (4, 6))
    pairs = network.head(a, b[partners])
    assert torch.allclose(pairs, matrix.T.gather(0, partners), atol=1e-12)
    assert torch.allclose(pairs[2], network(x, z[partners[2]]), atol=1e-12)
    assert matrix.std() > 0


@each_network
def test_groups_of_rows_are_crossed_at_once(
    make: type[nn.Module], x_shape: Shape, z_shape: Shape
) -> None:
    network = make(x_shape, z_shape).eval().double()
    a, b = network.embed(torch.randn(8, *x_shape).double(), torch.randn(8, *z_shape).double())
    groups = network.head(a.unflatten(0, (2, 4, 1)), b.unflatten(0, (2, 1, 4)))
    matrix = network.head(a[:, None], b[None])
    assert torch.allclose(groups[0], matrix[:4, :4], atol=1e-12)
    assert torch.allclose(groups[1], matrix[4:, 4:], atol=1e-12)


@each_case
def test_an_untrained_network_reads_next_to_nothing(
    make: type[nn.Module], x_shape: Shape, z_shape: Shape
) -> None:
    x, z = torch.randn(2000, *x_shape), torch.randn(2000, *z_shape)
    for seed in range(3):
        torch.manual_seed(seed)
        network = make(x_shape, z_shape).eval()
        with torch.no_grad():
            t_joint = network(x, z)
            t_marginal = torch.stack([network(x, z.roll(s, 0)) for s in (1, 2, 3)], 1)
        assert 1e-4 < t_joint.std() < 0.15
        assert abs(DV().value(t_joint, t_marginal)) < 0.01


@each_network
def test_stacked_networks_do_what_each_does_alone(
    make: type[nn.Module], x_shape: Shape, z_shape: Shape
) -> None:
    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = make(x_shape, z_shape)

        def forward(self, x: Tensor, z: Tensor, noise: dict[str, Tensor] | None) -> Tensor:
            a, b = self.network.embed(x, z, noise)
            return self.network.head(a, torch.stack([b, b.roll(1, 0)]), noise)

    alone = [Pairs().double() for _ in range(3)]
    parameters, buffers = stack_module_state(alone)
    x = torch.randn(3, 5, *x_shape, dtype=torch.float64)
    z = torch.randn(3, 5, *z_shape, dtype=torch.float64)
    noises = [noise_for(pairs.network, 5, (2, 5)) for pairs in alone]
    noise = noises[0] and {key: torch.stack([n[key] for n in noises]) for key in noises[0]}

    def one(parameters: dict, buffers: dict, *batch: Any) -> Tensor:
        return functional_call(alone[0], (parameters, buffers), batch)

    mapped = (0, 0, 0, 0, None if noise is None else 0)
    together = vmap(one, in_dims=mapped)(parameters, buffers, x, z, noise)
    together.sin().sum().backward()
    for r, pairs in enumerate(alone):
        scores = pairs(x[r], z[r], noises[r])
        assert torch.allclose(together[r], scores, atol=1e-12)
        scores.sin().sum().backward()
        for name, parameter in pairs.named_parameters():
            stacked = parameters[name].grad
            assert torch.allclose(stacked[r], parameter.grad, atol=1e-10), name


def noise_for(network: nn.Module, n: int, pairs: tuple[int, ...]) -> dict[str, Tensor] | None:
    if not isinstance(network, NoisyMLP):
        return None
    return {key: value.double() for key, value in network.draw_noise(n, n, pairs).items()}


@each_network
def test_bounded_scores_are_those_of_the_network_within_the_limit(
    make: type[nn.Module], x_shape: Shape, z_shape: Shape
) -> None:
    network = make(x_shape, z_shape).eval()
    bounded = Bounded(network, 0.5).eval()
    x, z = 30 * torch.randn(20, *x_shape), 30 * torch.randn(20, *z_shape)
    expected = 0.5 * (network(x, z) / 0.5).tanh()
    torch.testing.assert_close(bounded(x, z), expected)
    torch.testing.assert_close(bounded.head(*bounded.embed(x, z)), expected)
    assert bounded(x, z).abs().max() <= 0.5
    assert bounded.takes_noise == network.takes_noise


def test_bounded_noise_is_the_network_s_own() -> None:
    network = NoisyMLP((3,), (2,), widths=[8])
    bounded = copy.deepcopy(Bounded(network, 2.0))
    noise = bounded.draw_noise(5, 5, (5,), torch.Generator().manual_seed(0))
    a, b = bounded.embed(torch.zeros(5, 3), torch.zeros(5, 2), noise)
    assert not torch.equal(a[0], a[1])
    assert bounded.head(a, b, noise).abs().max() < 2


def test_a_network_of_ones_own_is_adapted_where_it_enters() -> None:
    class Split(nn.Module):
        def embed(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
            return x, z

        def head(self, a: Tensor, b: Tensor) -> Tensor:
            return (a * b).sum(-1)

    own = Split()
    assert as_network(own) is own
    assert not as_network(own).takes_noise
    assert isinstance(as_network(nn.Bilinear(3, 2, 1)), Whole)
    network = MLP((3,), (2,))
    assert as_network(network) is network
    x = torch.randn(5, 3)
    bounded = Bounded(own, 2.0)
    torch.testing.assert_close(
        bounded.head(*bounded.embed(x, x)), 2 * (x.square().sum(1) / 2).tanh()
    )
