"""The DCGAN pair: layer for layer as published, from the start that was published with it."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, pad

from mine_cli.errors import BadInput
from mine_cli.networks.dcgan import Discriminator, Encoder, Generator, doubling, halving

QUARTER_G, QUARTER_D = (128, 64, 32, 16), (16, 32, 64, 128)


def maps(model: nn.Module, x: Tensor, kind: type[nn.Module] | tuple[type, ...]) -> list[list[int]]:
    """The shapes, without the batch, that come out of the layers of some kind."""
    shapes = []
    for layer in model.layers:
        x = layer(x)
        if isinstance(layer, kind):
            shapes.append(list(x.shape[1:]))
    return shapes


@pytest.mark.parametrize("depth", [1, 3])
def test_maps_are_as_in_the_papers_tables(depth: int) -> None:
    generator, discriminator = Generator(100, (depth, 28, 28)), Discriminator((depth, 28, 28))
    latent = torch.rand(2, 100) * 2 - 1
    assert maps(generator, latent, (nn.Unflatten, nn.ConvTranspose2d)) == [
        [512, 2, 2], [256, 4, 4], [128, 7, 7], [64, 14, 14], [depth, 28, 28],
    ]  # fmt: skip
    assert maps(discriminator, generator(latent), nn.Conv2d) == [
        [64, 14, 14], [128, 7, 7], [256, 4, 4], [512, 2, 2],
    ]  # fmt: skip


def test_the_layers_between_are_pacgans() -> None:
    generator, discriminator = Generator(5, (3, 28, 28)), Discriminator((3, 28, 28))
    hidden = ["BatchNorm2d", "ReLU", "ConvTranspose2d"]
    assert [type(layer).__name__ for layer in generator.layers] == [
        "Linear", "Unflatten", *hidden * 4, "Tanh",
    ]  # fmt: skip
    assert [type(layer).__name__ for layer in discriminator.layers] == [
        "Conv2d", "LeakyReLU", *["Conv2d", "BatchNorm2d", "LeakyReLU"] * 3, "Flatten", "Linear",
    ]  # fmt: skip
    for layer in (*generator.layers, *discriminator.layers):
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            assert layer.kernel_size == (5, 5)
            assert layer.stride == (2, 2)
        if isinstance(layer, nn.LeakyReLU):
            assert layer.negative_slope == 0.2


def test_weights_start_as_published() -> None:
    models = Generator(100, (3, 28, 28)), Discriminator((3, 28, 28))
    for layer in (*models[0].layers, *models[1].layers):
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all()
            assert (layer.bias == 0).all()
            assert layer.eps == 1e-5
        elif isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            n = layer.weight.numel()
            std = layer.weight.std().item() / 0.02
            if isinstance(layer, nn.Conv2d):
                assert layer.weight.abs().max() <= 0.04
                # Of a standard normal law cut at two: 1 - 4 phi(2) / (2 Phi(2) - 1).
                density = math.exp(-2) / math.sqrt(2 * math.pi)
                wanted = math.sqrt(1 - 4 * density / math.erf(math.sqrt(2)))
            else:
                wanted = 1.0
            assert std == pytest.approx(wanted, abs=4 / math.sqrt(n))
            assert abs(layer.weight.mean()) < 0.1 / math.sqrt(n)
            assert layer.bias is None or not layer.bias.any()


def test_a_discriminator_without_batch_norm_judges_each_image_by_itself() -> None:
    """And is neither blind to an image at the start nor deaf in some layer."""
    x = torch.rand(64, 3, 28, 28) * 2 - 1
    with_norm, without = (Discriminator((3, 28, 28), batch_norm=kept) for kept in (True, False))
    assert not torch.allclose(with_norm(x[:10]), with_norm(x)[:10], atol=1e-3)
    assert torch.allclose(without(x[:10]), without(x)[:10], atol=1e-5)
    sizes = []
    for layer in without.layers:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            sizes.append(x.std().item())
            assert layer.bias is not None
    # Borders are padded with zeros, at every layer a larger part of what is seen.
    assert all(0.5 * sizes[0] < size < 2 * sizes[0] for size in sizes)


def test_padding_is_the_mirror_image_of_tensorflows() -> None:
    """TensorFlow pads the 3 or 4 missing pixels after an image rather than before it."""
    for side in (28, 14, 7, 4):
        layer = halving(2, 3).double()
        x = torch.randn(1, 2, side, side).double()
        missing = 2 * (-(-side // 2) - 1) + 5 - side
        before, after = missing // 2, missing - missing // 2
        theirs = conv2d(
            pad(x, (before, after, before, after)), layer.weight.flip(-1, -2), stride=2
        )
        mirrored = layer(x.flip(-1, -2)).flip(-1, -2)
        assert torch.allclose(mirrored, theirs, atol=1e-12)
        # A transposed convolution is the gradient of that one.
        up = doubling(3, 2, side).double()
        small = torch.randn_like(theirs)
        whole = conv_transpose2d(small, up.weight.flip(-1, -2), stride=2)
        whole = pad(whole, (0, 1, 0, 1))[..., before : before + side, before : before + side]
        assert torch.allclose(up(small.flip(-1, -2)).flip(-1, -2), whole, atol=1e-12)


@pytest.mark.parametrize(("depth", "batch_norm"), [(1, True), (3, True), (3, False)])
def test_every_parameter_gets_a_gradient(depth: int, batch_norm: bool) -> None:
    shape = (depth, 28, 28)
    generator = Generator(10, shape, QUARTER_G)
    discriminator = Discriminator(shape, QUARTER_D, batch_norm)
    x = generator(torch.randn(16, 10))
    assert x.shape == (16, *shape)
    assert x.abs().max() <= 1
    logits = discriminator(x)
    assert logits.shape == (16,)
    (logits * torch.randn(16)).sum().backward()
    for model in (generator, discriminator):
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name


def test_channels_last_computes_the_same() -> None:
    models = [Generator(10, (3, 28, 28), QUARTER_G), Discriminator((3, 28, 28), QUARTER_D)]
    latent = torch.randn(8, 10, dtype=torch.float64)

    def gradients() -> list[Tensor]:
        x = models[0](latent)
        loss = (x.square().sum((1, 2, 3)) * models[1](x)).sum()
        weights = [p for model in models for p in model.parameters()]
        return [x, *torch.autograd.grad(loss, weights)]

    for model in models:
        model.double()
    plain = gradients()
    for model in models:
        model.to(memory_format=torch.channels_last)
    for before, after in zip(plain, gradients(), strict=True):
        assert torch.allclose(before, after, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (
            lambda: Generator(2, (2,)),
            r"generator dcgan: made for .*, not \(2,\); generator=",
        ),
        (lambda: Generator(2, (3, 30, 30)), r"not \(3, 30, 30\)"),
        (lambda: Discriminator((2, 28, 28)), r"discriminator dcgan: .*; discriminator=fully_conn"),
        (lambda: Generator(2, (1, 28, 28), [8, 8]), r"has 2 widths; want 4, such as \[128, 64,"),
        (lambda: Discriminator((1, 28, 28), [8] * 5), r"5 widths; want 4, such as \[16, 32, 64"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(make: Callable[[], object], line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("side", [28, 32, 64])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_images_of_other_sizes_go_there_and_back(side: int, batch_norm: bool) -> None:
    shape, latent = (3, side, side), torch.randn(2, 5)
    x = Generator(5, shape, [8, 8, 4, 4])(latent)
    assert x.shape == (2, *shape)
    assert x.abs().max() <= 1
    encoder = Encoder(shape, 7, [4, 4, 8, 8], batch_norm)
    assert encoder(x).shape == (2, 7)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in encoder.modules()) == batch_norm
    assert Discriminator(shape, [4, 4, 8, 8], batch_norm)(x).shape == (2,)
