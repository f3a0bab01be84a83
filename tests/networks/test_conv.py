"""The networks of images: the paper's layers with z in each of them, and every pixel seen."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, elu, leaky_relu

from mine_cli.errors import BadInput
from mine_cli.estimator.ensemble import Ensemble
from mine_cli.estimator.scoring import score_groups, score_pairs
from mine_cli.estimator.term import MutualInformation
from mine_cli.marginals import AllPairs
from mine_cli.networks.conv import ConditionedConv, Conv, ConvMLP

Shape = tuple[int, ...]

each_case = pytest.mark.parametrize(
    ("x_shape", "z_shape"),
    [((3, 28, 28), (10,)), ((1, 28, 28), ()), ((2, 9, 11), (2, 3)), ((1, 14, 28), (1, 14, 28))],
    ids=str,
)


def rows(
    n: int, m: int, x_shape: Shape = (3, 28, 28), z_shape: Shape = (10,)
) -> tuple[Tensor, Tensor]:
    return torch.randn(n, *x_shape).double(), torch.randn(m, *z_shape).double()


def test_it_is_the_papers_network() -> None:
    """5 x 5, stride 2, no biases of their own, 14 x 14 x 16, 7 x 7 x 32, 4 x 4 x 64, FC 1."""
    network = ConditionedConv((3, 28, 28), (100,))
    sizes = [tuple(parameter.shape) for parameter in network.parameters()]
    assert sizes == [
        (16, 3, 5, 5), (32, 16, 5, 5), (64, 32, 5, 5), (112, 100), (112,), (1, 1024), (1,),
    ]  # fmt: skip
    h, shapes = torch.randn(2, 3, 28, 28), []
    for convolution in network.convolutions:
        h = convolution(h)
        shapes.append(tuple(h.shape[1:]))
    assert shapes == [(16, 14, 14), (32, 7, 7), (64, 4, 4)]


@each_case
def test_it_computes_its_formula(x_shape: Shape, z_shape: Shape) -> None:
    network = ConditionedConv(x_shape, z_shape).double()
    x, z = rows(5, 5, x_shape, z_shape)
    biases = (z.reshape(5, -1) @ network.biases.weight.T + network.biases.bias).split(
        [16, 32, 64], 1
    )
    h = x
    for convolution, bias in zip(network.convolutions, biases, strict=True):
        h = elu(conv2d(h, convolution.weight, stride=2, padding=2) + bias[:, :, None, None])
    expected = (h.flatten(1) @ network.last.weight.T + network.last.bias).squeeze(1)
    assert torch.allclose(network(x, z), expected, atol=1e-12)


def test_one_row_with_one_code() -> None:
    network = ConditionedConv((3, 28, 28), (10,)).double()
    x, z = rows(2, 2)
    a, b = network.embed(x, z)
    assert network.head(a[1], b[1]).shape == ()
    assert torch.allclose(network.head(a[1], b[1]), network(x, z)[1], atol=1e-12)


def test_pairs_and_groups_are_scored_alike() -> None:
    network = ConditionedConv((1, 14, 14), (3,)).double()
    x, z = rows(6, 6, (1, 14, 14), (3,))
    others = torch.tensor([[j for j in range(6) if j != i] for i in range(6)])
    t_joint, t_marginal = score_groups(network, x, z, AllPairs(rows=6))
    joint, marginal = score_pairs(network, x, z, others)
    assert torch.allclose(t_joint, joint, atol=1e-12)
    assert torch.allclose(t_marginal.sort(1).values, marginal.sort(1).values, atol=1e-12)


@each_case
def test_every_number_of_x_and_z_counts(x_shape: Shape, z_shape: Shape) -> None:
    network = ConditionedConv(x_shape, z_shape)
    x = torch.randn(32, *x_shape, requires_grad=True)
    z = torch.randn(32, *z_shape, requires_grad=True)
    (network(x, z) * torch.randn(32)).sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).all()
    assert z.grad is not None
    assert (z.grad != 0).all()


@pytest.mark.parametrize("layer", range(3))
def test_z_enters_every_layer(layer: int) -> None:
    """With the linear maps of the other layers at zero, T still depends on z, and only so."""
    network = ConditionedConv((3, 28, 28), (10,)).double()
    x, z = rows(4, 4)
    with torch.no_grad():
        own = network.biases.weight.split([16, 32, 64])[layer].clone()
        network.biases.weight.zero_()
        assert torch.equal(network(x, z), network(x, z.roll(1, 0)))
        network.biases.weight.split([16, 32, 64])[layer].copy_(own)
        assert ((network(x, z) - network(x, z.roll(1, 0))).abs() > 1e-6).all()


@pytest.mark.parametrize("copies", [1, 2])
def test_it_learns_that_an_images_brightness_is_its_code(copies: int) -> None:
    """x = z everywhere, plus noise: 2.8 nats, of which a short training finds some."""
    terms = [
        MutualInformation(ConditionedConv((1, 8, 8), (1,), channels=(8, 16)), bound="dv", seed=r)
        for r in range(copies)
    ]
    ensemble = Ensemble(terms, lr=3e-3)
    generators = [torch.Generator().manual_seed(r) for r in range(copies)]
    for _ in range(100):
        z = torch.randn(copies, 128, 1)
        x = z[..., None, None] + 0.5 * torch.randn(copies, 128, 1, 8, 8)
        ensemble.step(list(zip(x, z, strict=True)), generators)
    for term in ensemble.terms:
        z = torch.randn(500, 1)
        x = z[..., None, None] + 0.5 * torch.randn(500, 1, 8, 8)
        assert term.evaluate(x, z, pairs=20_000).value > 0.8
        assert term.evaluate(x, z.roll(1, 0), pairs=20_000).value < 0


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Conv((20,), (10,)), r"x must be an image .*, not of shape \(20,\); network=mlp"),
        (lambda: Conv((28, 28), (10,)), r"x must be an image .*, not of shape \(28, 28\)"),
        (lambda: Conv((1, 3, 28), (10,)), "x is a 3 x 28 image, too small .* at least 4 x 4"),
        (lambda: Conv((1, 28, 28), (1, 28, 2)), "z is a 28 x 2 image, too small for 2 layers"),
        (lambda: ConditionedConv((20,), (10,)), r"conditioned_conv: x must be an image .*\(20,\)"),
        (lambda: ConditionedConv((28, 28), (10,)), r"not of shape \(28, 28\); network=mlp takes"),
        (lambda: ConvMLP((20,), (10,)), r"conv_mlp: x must be an image .*\(20,\)"),
        (lambda: ConvMLP((1, 8, 8), (2,), []), "conv_mlp: channels needs at least one layer"),
        (lambda: ConvMLP((1, 8, 8), (2,), widths=[]), "widths needs at least one hidden layer"),
        (lambda: ConditionedConv((1, 8, 8), (2,), []), "channels needs at least one layer"),
        (lambda: ConditionedConv((1, 8, 8), (2,), [4], "rel"), "activation must be one of elu, "),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(make: Callable[[], object], line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1


def test_one_layer_and_small_images_will_do() -> None:
    for side, channels in ((1, [4]), (2, [4, 4, 4]), (5, [4])):
        network = ConditionedConv((1, side, side), (2,), channels)
        assert network(torch.randn(3, 1, side, side), torch.randn(3, 2)).isfinite().all()


def test_convolutions_see_every_pixel() -> None:
    # Odd and even sides: the border next to the other half of an image must not be dropped.
    for make in (Conv, ConditionedConv, ConvMLP):
        for shape in [(1, 14, 28), (1, 28, 14), (1, 13, 15)]:
            x = torch.randn(4, *shape, requires_grad=True)
            make(shape, (10,))(x, torch.randn(4, 10)).square().sum().backward()
            assert (x.grad != 0).all()


def test_the_smallest_image_of_every_depth_is_accepted() -> None:
    for depth in (1, 2, 3):
        side = 2**depth
        network = Conv((1, side, side), (10,), channels=[4] * depth)
        scores = network(torch.randn(3, 1, side, side), torch.randn(3, 10))
        assert scores.isfinite().all()


# A perceptron over an image's features and z, and noise on what is seen


@each_case
def test_a_perceptron_of_features_and_z(x_shape: Shape, z_shape: Shape) -> None:
    network = ConvMLP(x_shape, z_shape, channels=[4, 8], features=6, widths=[9]).double()
    x, z = rows(5, 5, x_shape, z_shape)
    features = network.f(x)
    hidden = features @ network.first_x.weight.T + network.first_x.bias
    hidden = leaky_relu(hidden + z.reshape(5, -1) @ network.first_z.weight.T)
    last = network.rest.layers[0]
    expected = (hidden @ last.weight.T + last.bias).squeeze(1)
    assert torch.allclose(network(x, z), expected, atol=1e-12)


def test_the_features_are_the_published_trunk() -> None:
    """5 x 5, stride 2, 64 to 512 maps of 2 x 2 at last, to 128, beside z to 512, to 1."""
    network = ConvMLP((3, 28, 28), (128,))
    sizes = [tuple(p.shape) for p in network.parameters() if p.dim() > 1]
    assert sizes == [
        (64, 3, 5, 5), (128, 64, 5, 5), (256, 128, 5, 5), (512, 256, 5, 5), (128, 2048),
        (1, 512), (512, 128), (512, 128),
    ]  # fmt: skip


seeing = pytest.mark.parametrize(
    "make",
    [
        lambda noise: Conv((1, 8, 8), (3,), [4], [6], input_noise=noise),
        lambda noise: ConvMLP((1, 8, 8), (3,), [4], 5, [6], input_noise=noise),
    ],
    ids=["conv", "conv_mlp"],
)


@seeing
def test_noise_is_on_the_image_alone_and_in_training_alone(
    make: Callable[[float], Conv | ConvMLP],
) -> None:
    network, x, z = make(0.3), torch.randn(7, 1, 8, 8), torch.randn(7, 3)
    noise = network.draw_noise(7, 7, (2, 7), torch.Generator().manual_seed(0))
    a, b = network.embed(x, z, noise)
    plain_a, plain_b = network.embed(x + noise["x"], z)
    assert torch.equal(a, plain_a)
    assert torch.equal(b, plain_b)
    assert not torch.equal(network(x, z), network(x, z))
    assert torch.equal(network.eval()(x, z), network(x, z))
    quiet = make(0.0)
    assert not quiet.takes_noise
    assert torch.equal(quiet(x, z), quiet(x, z))


@seeing
def test_what_noise_drowns_is_worth_nothing(make: Callable[[float], Conv | ConvMLP]) -> None:
    """A code in an evenly faint image is read at once, and hardly through noise far above it."""
    found = []
    for noise in (0.0, 1.0):
        torch.manual_seed(0)
        term = MutualInformation(make(noise), bound="dv", lr=3e-3)
        for _ in range(150):
            x, z = faint(128)
            value = term.step(x, z)
        found.append(float(value))
    assert found[0] > 0.5
    assert found[1] < 0.2


def faint(n: int) -> tuple[Tensor, Tensor]:
    z = torch.randn(n, 3)
    return 0.1 * z.mean(1)[:, None, None, None].expand(n, 1, 8, 8), z


def test_all_pairs_of_a_batch_are_scored_through_one_draw_of_noise() -> None:
    network = Conv((1, 8, 8), (3,), [4], [6], input_noise=0.3)
    term = MutualInformation(network, "infonce", AllPairs(rows=8))
    x, z = torch.randn(8, 1, 8, 8), torch.randn(8, 3)
    pairing, noise = term.draw(8, torch.Generator().manual_seed(0))
    assert pairing is None
    t_joint, t_marginal = term.scores(x, z, pairing, noise)
    matrix = network.head(
        *(
            side[:, None] if i == 0 else side[None]
            for i, side in enumerate(network.embed(x + noise["x"], z))
        )
    )
    torch.testing.assert_close(t_joint, matrix.diagonal())
    assert t_marginal.shape == (8, 7)
    torch.testing.assert_close(t_marginal.sum(1) + t_joint, matrix.sum(1))
