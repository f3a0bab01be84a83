"""Encoders of the information bottleneck: laws, noise from one stream, gradients, their start."""

import math
import re

import pytest
import torch
from torch import Generator, Tensor, nn

from mine_cli.errors import BadInput
from mine_cli.networks.encoders import (
    Additive,
    Bottleneck,
    Deterministic,
    Gaussian,
    GaussianConv,
    Propagated,
)
from mine_cli.training.stack import Stack

SHAPE = (1, 4, 4)
SMALL = {"features": 6, "widths": (8, 8)}


def conv(dropout: float = 0.0, **options: float) -> GaussianConv:
    """Convolutions, of which nothing is dropped."""
    return GaussianConv(SHAPE, features=6, channels=(4, 3), **options)


ENCODERS = {
    "deterministic": lambda **k: Deterministic(SHAPE, **SMALL, **k),
    "gaussian": lambda **k: Gaussian(SHAPE, **SMALL, **k),
    "gaussian_conv": conv,
    "additive": lambda **k: Additive(SHAPE, **SMALL, **k),
    "propagated": lambda **k: Propagated(SHAPE, **SMALL, noise_dim=5, **k),
}


def stream(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def codes(encoder: nn.Module, x: Tensor, seed: int = 0) -> Tensor:
    return encoder(x, encoder.draw_noise(len(x), stream(seed)))


@pytest.mark.parametrize("name", ENCODERS)
def test_codes_have_their_shape_and_every_parameter_a_gradient(name: str) -> None:
    model = Bottleneck(ENCODERS[name](dropout=0.2), 6, 3)
    x = torch.randn(7, *SHAPE)
    logits, z, divergence, _ = model(x, model.encoder.draw_noise(7, stream()))
    assert (logits.shape, z.shape, divergence.shape) == ((7, 3), (7, 6), (7,))
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("name", ENCODERS)
def test_noise_comes_from_its_stream_alone(name: str) -> None:
    encoder, x = ENCODERS[name](), torch.randn(7, *SHAPE)
    first, again, other = (codes(encoder, x, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (not encoder.random)


@pytest.mark.parametrize("name", ENCODERS)
def test_stacked_as_alone(name: str) -> None:
    models = [Bottleneck(ENCODERS[name](dropout=0.3), 6, 3) for _ in range(3)]
    xs = [torch.randn(5, *SHAPE) for _ in models]
    noises = [m.encoder.draw_noise(5, stream(r)) for r, m in enumerate(models)]
    alone = [m(x, noise) for m, x, noise in zip(models, xs, noises, strict=True)]
    together = Stack(models)(list(zip(xs, noises, strict=True)))
    for found, expected in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(found, torch.stack(expected))


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("sees", ["input", "code"])
def test_what_is_seen_of_x_shares_no_noise_with_its_code(name: str, sees: str) -> None:
    """Whatever is random: or the bound would be on the information in x and that noise."""
    options = {"input_noise": 0.5} if name.startswith("gaussian") else {}
    model = Bottleneck(ENCODERS[name](dropout=0.3, **options), 6, 3, sees)
    x = torch.randn(7, *SHAPE)
    (_, z, _, seen), (_, other_z, _, other) = (
        model(x, model.encoder.draw_noise(7, stream(seed))) for seed in (0, 1)
    )
    assert torch.equal(seen, other)
    assert not torch.equal(z, other_z)
    assert not seen.requires_grad
    assert seen.shape == (x.shape if sees == "input" else z.shape)


def test_the_mean_of_a_gaussian_code_is_seen() -> None:
    model = Bottleneck(ENCODERS["gaussian"](), 6, 3, "code")
    x = torch.randn(7, *SHAPE)
    *_, seen = model(x, model.encoder.draw_noise(7, stream()))
    assert torch.equal(seen, model.encoder.law(x, {})[0])


def test_a_vanishing_deviation_leaves_the_divergence_finite() -> None:
    model = Bottleneck(ENCODERS["gaussian"](), 6, 3)
    with torch.no_grad():
        model.encoder.body.layers[-1].bias[6:] = -500.0
    _, _, divergence, _ = model(torch.randn(7, *SHAPE), model.encoder.draw_noise(7, stream()))
    assert divergence.isfinite().all()
    divergence.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_dropout_masks_train_alone_and_keep_the_mean() -> None:
    encoder = ENCODERS["deterministic"](dropout=0.4)
    mask = encoder.draw_noise(5000, stream())["mask0"]
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert mask.mean().item() == pytest.approx(1, abs=0.02)
    assert encoder.eval().draw_noise(5, stream()) == {}
    x = torch.randn(5, *SHAPE)
    assert torch.equal(codes(encoder, x, 0), codes(encoder, x, 1))


def test_gaussian_codes_follow_their_law() -> None:
    encoder = ENCODERS["gaussian"]()
    with torch.no_grad():
        encoder.body.layers[-1].bias[6:] = 5.0  # standard deviations near log 2
    x = torch.randn(1, *SHAPE).expand(20_000, *SHAPE)
    mean, std = encoder.law(x[:1], {})
    z = codes(encoder, x)
    torch.testing.assert_close(z.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(z.std(0), std[0], atol=0.03, rtol=0)


def test_divergence_is_that_of_torch() -> None:
    model = Bottleneck(ENCODERS["gaussian"](), 6, 3)
    x = torch.randn(7, *SHAPE)
    _, _, found, _ = model(x, model.encoder.draw_noise(7, stream()))
    law = torch.distributions.Normal(*model.encoder.law(x, {}))
    standard = torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(law, standard).sum(1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (2, 5, 7), (4, 1, 1)])
def test_convolutions_take_images_of_any_size(shape: tuple[int, ...]) -> None:
    encoder = GaussianConv(shape, features=5, channels=(4, 6, 8))
    x = torch.randn(3, *shape)
    mean, std = encoder.law(x, {})
    assert mean.shape == std.shape == codes(encoder, x).shape == (3, 5)
    moved = x.clone()
    moved[1] += 1  # a code is that of its own image alone
    assert torch.equal(encoder.law(moved, {})[0][[0, 2]], mean[[0, 2]])


@pytest.mark.parametrize(
    ("shape", "channels", "told"),
    [((7,), (4,), "not of shape (7,)"), ((28, 28), (4,), "(28, 28)"), (SHAPE, (), "at least one")],
)
def test_what_is_no_image_is_refused(
    shape: tuple[int, ...], channels: tuple[int, ...], told: str
) -> None:
    with pytest.raises(BadInput, match=f"encoder gaussian_conv: .*{re.escape(told)}"):
        GaussianConv(shape, channels=channels)


@pytest.mark.parametrize("std", [0.01, 0.5, 30.0, 800.0, 2.0**32])
def test_a_gaussian_encoder_begins_with_its_deviation(std: float) -> None:
    encoder = Gaussian(SHAPE, features=4, widths=(8,), std=std, gain=0.0)
    encoder.double()
    _, found = encoder.law(torch.randn(3, *SHAPE, dtype=torch.float64), {})
    torch.testing.assert_close(found, torch.full_like(found, std), rtol=1e-5, atol=0)


def test_additive_noise_has_its_deviation() -> None:
    encoder = Additive((4,), features=4, widths=(), sigma=0.5)
    with torch.no_grad():
        encoder.body.layers[0].weight.copy_(torch.eye(4))
    z = codes(encoder, torch.zeros(20_000, 4))
    torch.testing.assert_close(z.std(0), torch.full((4,), 0.5), atol=0.02, rtol=0)


def test_weights_start_from_glorot_s_law() -> None:
    model = Bottleneck(Deterministic((784,)), 256, 10)
    first = model.encoder.body.layers[0]
    bound = math.sqrt(6 / (784 + 1024))
    assert first.weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert first.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert not first.bias.any()
    sizes = [tuple(layer.weight.shape) for layer in model.encoder.body.layers]
    assert sizes == [(1024, 784), (1024, 1024), (256, 1024)]


def test_what_is_seen_in_an_evaluation_is_the_code_to_the_last_bit() -> None:
    """Its products are rounded, if at all, while training."""
    model = Bottleneck(ENCODERS["additive"](), 6, 3, "code").eval()
    x = torch.randn(7, *SHAPE)
    *_, seen = model(x, model.encoder.draw_noise(7, stream()))
    assert torch.equal(seen, model.encoder.clean(x))
