"""Every statistics network: gradients, pairs against the matrix, stacking, and what it can be."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from mine_cli.bounds import DV
from mine_cli.errors import BadInput
from mine_cli.networks.conv import ConditionedConv, Conv
from mine_cli.networks.interface import Bounded
from mine_cli.networks.layers import ACTIVATIONS, inner, split_linear
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


# The pieces


def test_the_split_first_layer_is_the_layer_over_the_concatenation() -> None:
    torch.manual_seed(5)
    whole = nn.Linear(7, 4)
    torch.manual_seed(5)
    for_x, for_z = split_linear(3, 4, 4)
    x, z = torch.randn(10, 3), torch.randn(10, 4)
    assert for_z.bias is None
    assert torch.allclose(for_x(x) + for_z(z), whole(torch.cat([x, z], 1)), atol=1e-6)


@pytest.mark.parametrize("make", [MLP, NoisyMLP], ids=name_of)
def test_a_concatenating_network_scores_the_concatenation(make: type[nn.Module]) -> None:
    network = make((3,), (2,), widths=[8, 5], activation="elu").eval()
    x, z = torch.randn(10, 3), torch.randn(10, 2)
    first = torch.cat([network.first_x.weight, network.first_z.weight], 1)
    h = nn.functional.linear(torch.cat([x, z], 1), first, network.first_x.bias)
    second, last = network.rest.layers
    expected = last(nn.functional.elu(second(nn.functional.elu(h)))).squeeze(-1)
    assert torch.allclose(network(x, z), expected, atol=1e-6)


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


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_go_by_name(activation: str) -> None:
    kinds = {type(m) for m in MLP((2,), (2,), activation=activation).modules()}
    expected = type(ACTIVATIONS[activation]())
    assert expected in kinds
    assert {"relu", "elu", "silu", "gelu", "tanh", "leaky_relu"} == set(ACTIVATIONS)


# The paper's noise


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


# What a network can represent


def test_separable_quadratic_holds_any_gaussian_log_ratio() -> None:
    size_x, size_z = 4, 3
    root = torch.randn(7, 7, dtype=torch.float64)
    covariance = root @ root.T / 7 + 0.3 * torch.eye(7)
    mean = torch.randn(7, dtype=torch.float64)
    of_x, of_z = slice(0, size_x), slice(size_x, None)
    joint = MultivariateNormal(mean, covariance)
    law_x = MultivariateNormal(mean[of_x], covariance[of_x, of_x])
    law_z = MultivariateNormal(mean[of_z], covariance[of_z, of_z])

    # log-ratio = (x, z)' M (x, z) + linear + constant around the mean; M from three precisions.
    m = -0.5 * joint.precision_matrix
    m[of_x, of_x] += 0.5 * law_x.precision_matrix
    m[of_z, of_z] += 0.5 * law_z.precision_matrix
    linear = -2 * m @ mean
    at_mean = joint.log_prob(mean) - law_x.log_prob(mean[of_x]) - law_z.log_prob(mean[of_z])

    network = SeparableQuadratic((size_x,), (size_z,), widths=[8], features=size_z)
    with torch.no_grad():
        for silent in (network.f[-1], network.g[-1]):
            silent.weight.zero_()
            silent.bias.zero_()
        network.straight_x.weight.copy_(2 * m[of_z, of_x])
        network.straight_z.weight.copy_(torch.eye(size_z))
        network.own_x.weight.copy_(m[of_x, of_x])
        network.own_z.weight.copy_(m[of_z, of_z])
        network.own_x.bias.copy_(linear[of_x])
        network.own_z.bias.copy_(linear[of_z])
        network.constant.fill_(at_mean + mean @ m @ mean)

    rows = joint.sample((500,))
    x, z = rows[:, of_x], rows[:, of_z].roll(1, 0)
    truth = joint.log_prob(torch.cat([x, z], 1)) - law_x.log_prob(x) - law_z.log_prob(z)
    assert truth.std() > 0.5
    assert (network(x.float(), z.float()) - truth).abs().max() < 1e-4


def test_bilinear_is_one_matrix_and_a_constant() -> None:
    network = Bilinear((3,), (2,))
    with torch.no_grad():
        network.constant.fill_(2.5)
    x, z = torch.randn(10, 3), torch.randn(10, 2)
    expected = torch.einsum("ni,ji,nj->n", x, network.weight.weight, z) + 2.5
    assert torch.allclose(network(x, z), expected, atol=1e-6)


def test_convolutions_see_every_pixel() -> None:
    # Odd and even sides: the border next to the other half of an image must not be dropped.
    for make in OF_IMAGES:
        for shape in [(1, 14, 28), (1, 28, 14), (1, 13, 15)]:
            x = torch.randn(4, *shape, requires_grad=True)
            make(shape, (10,))(x, torch.randn(4, 10)).square().sum().backward()
            assert (x.grad != 0).all()


# Bad input


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: MLP((2,), (2,), activation="relv"), "activation must be one of elu, .*not relv"),
        (lambda: MLP((2,), (2,), widths=[]), "widths needs at least one hidden layer"),
        (lambda: Separable((2,), (2,), activation=""), "activation must be one of"),
        (lambda: Conv((20,), (10,)), r"x must be an image .*, not of shape \(20,\); network=mlp"),
        (lambda: Conv((28, 28), (10,)), r"x must be an image .*, not of shape \(28, 28\)"),
        (lambda: Conv((1, 3, 28), (10,)), "x is a 3 x 28 image, too small .* at least 4 x 4"),
        (lambda: Conv((1, 28, 28), (1, 28, 2)), "z is a 28 x 2 image, too small for 2 layers"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(make: Callable[[], object], line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1


def test_the_smallest_image_of_every_depth_is_accepted() -> None:
    for depth in (1, 2, 3):
        side = 2**depth
        network = Conv((1, side, side), (10,), channels=[4] * depth)
        scores = network(torch.randn(3, 1, side, side), torch.randn(3, 10))
        assert scores.isfinite().all()


def test_a_row_of_the_wrong_size_is_refused() -> None:
    # Six numbers must not pass for two rows of three.
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        MLP((3,), (2,))(torch.randn(4, 6), torch.randn(4, 2))


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
