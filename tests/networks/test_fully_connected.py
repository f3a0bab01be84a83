"""The fully connected pair: shapes, gradients, and each layer as the paper has it."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from mine_cli.networks.fully_connected import Discriminator, Encoder, Generator
from mine_cli.networks.maxout import Discriminator as Maxout

each_shape = pytest.mark.parametrize("shape", [(2,), (3, 5), (1, 8, 8), ()], ids=str)


@each_shape
def test_latents_become_samples_and_samples_logits(shape: Sequence[int]) -> None:
    x = Generator(4, shape)(torch.randn(7, 4))
    assert x.shape == (7, *shape)
    assert Discriminator(shape)(x).shape == (7,)


@each_shape
@pytest.mark.parametrize("batch_norm", [True, False])
def test_every_parameter_gets_a_gradient(shape: Sequence[int], batch_norm: bool) -> None:
    generator = Generator(4, shape, widths=[20, 30], batch_norm=batch_norm)
    discriminator = Discriminator(shape, widths=[20, 10])
    (discriminator(generator(torch.randn(32, 4))) * torch.randn(32)).sum().backward()
    for model in (generator, discriminator):
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name


def test_the_layers_are_the_papers() -> None:
    generator, discriminator = Generator(3, (2,)), Discriminator((2,))
    assert [layer.out_features for layer in generator.layers if isinstance(layer, nn.Linear)] == [
        500, 500, 2,
    ]  # fmt: skip
    kinds = [type(layer).__name__ for layer in generator.layers]
    assert kinds == ["Linear", "BatchNorm1d", "LeakyReLU"] * 2 + ["Linear"]
    widths = [m.out_features for m in discriminator.layers if isinstance(m, nn.Linear)]
    assert widths == [400, 400, 400, 1]
    kinds = [type(layer).__name__ for layer in discriminator.layers]
    assert kinds == ["Linear", "LeakyReLU"] * 3 + ["Linear"]


def test_an_evaluating_generator_and_a_discriminator_work_on_each_row_by_itself() -> None:
    generator, discriminator = Generator(3, (2,)), Discriminator((2,))
    latent = torch.randn(50, 3)
    together = generator(latent)
    assert not torch.allclose(generator(latent[:10]), together[:10], atol=1e-3)
    generator.eval()
    x = generator(latent)
    assert torch.allclose(generator(latent[:10]), x[:10], atol=1e-5)
    assert torch.allclose(discriminator(x[:10]), discriminator(x)[:10], atol=1e-6)


@pytest.mark.parametrize("slope", [0.2, 0.01])
def test_the_slope_is_the_one_asked_for(slope: float) -> None:
    """Without biases, the network of a negated input in one hidden unit is `-slope` times it."""
    for model, x in (
        (Generator(1, (1,), widths=[1], batch_norm=False, slope=slope), torch.ones(1, 1)),
        (Discriminator((1,), widths=[1], slope=slope), torch.ones(1, 1)),
    ):
        for layer in model.layers:
            if isinstance(layer, nn.Linear):
                nn.init.ones_(layer.weight)
                nn.init.zeros_(layer.bias)
        assert model(x).item() == 1.0
        assert model(-x).item() == pytest.approx(-slope)


def test_no_hidden_layer_is_one_affine_map() -> None:
    generator = Generator(3, (2,), widths=[])
    a, b = torch.randn(2, 6, 3)
    middle = generator((a + b) / 2)
    assert torch.allclose(middle, (generator(a) + generator(b)) / 2, atol=1e-6)


def test_the_start_is_the_one_asked_for() -> None:
    for network in (Generator(2, (2,), widths=[400, 400], spread=0.02), Maxout((2,))):
        linears = [m for m in network.modules() if isinstance(m, nn.Linear)]
        for layer in linears:
            assert layer.bias is None or not layer.bias.any()
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.25)
        whole = torch.cat([layer.weight.flatten() for layer in linears])
        assert whole.std().item() == pytest.approx(0.02, rel=0.02)


@each_shape
def test_samples_become_codes(shape: Sequence[int]) -> None:
    encoder = Encoder(shape, 5, widths=[20], batch_norm=False)
    x = torch.randn(7, *shape)
    codes = encoder(x)
    assert codes.shape == (7, 5)
    codes.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    assert encoder(x[2:3])[0].allclose(codes[2], atol=1e-6)


def test_tanh_is_the_same_network_within_bounds() -> None:
    torch.manual_seed(0)
    linear = Generator(4, (3,), widths=[20])
    torch.manual_seed(0)
    bounded = Generator(4, (3,), widths=[20], tanh=True)
    latent = 5 * torch.randn(7, 4)
    assert torch.equal(bounded(latent), linear(latent).tanh())
