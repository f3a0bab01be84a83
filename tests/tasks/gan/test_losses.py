"""Adversarial losses against hand-computed values, and the directions in which they push."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from mine_cli.tasks.gan.losses import LOSSES

REAL, FAKE = torch.tensor([1.0, -1.0]), torch.tensor([0.0, 2.0])
NAMES = list(LOSSES)


def s(t: float) -> float:
    return math.log1p(math.exp(t))


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("nonsaturating", (s(-1) + s(1) + s(0) + s(2)) / 2, (s(0) + s(-2)) / 2),
        ("wasserstein", 1.0, -1.0),
        ("relativistic", (s(-1) + s(3)) / 2, (s(1) + s(-3)) / 2),
    ],
)
def test_values_by_hand(name: str, discriminator: float, generator: float) -> None:
    assert LOSSES[name].discriminator(REAL, FAKE).item() == pytest.approx(discriminator)
    assert LOSSES[name].generator(REAL, FAKE).item() == pytest.approx(generator)


def slopes(loss: Tensor, *logits: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(loss, logits, allow_unused=True)
    return [torch.zeros(2) if g is None else g for g in found]


@pytest.mark.parametrize("name", NAMES)
def test_real_logits_rise_and_generated_ones_fall_and_the_generator_raises_them(name: str) -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    up, down = slopes(LOSSES[name].discriminator(real, fake), real, fake)
    assert (up < 0).all()
    assert (down > 0).all()
    of_real, of_fake = slopes(LOSSES[name].generator(real, fake), real, fake)
    assert (of_fake < 0).all()
    assert bool((of_real != 0).any()) == LOSSES[name].paired


@pytest.mark.parametrize(
    ("name", "alike"),
    [("nonsaturating", 2 * math.log(2)), ("wasserstein", 0.0), ("relativistic", math.log(2))],
)
def test_where_the_two_cannot_be_told_apart(name: str, alike: float) -> None:
    logits = torch.zeros(3)
    assert LOSSES[name].discriminator(logits, logits).item() == pytest.approx(alike)


@pytest.mark.parametrize("name", ["wasserstein", "relativistic"])
def test_a_constant_of_the_logits_is_worth_nothing(name: str) -> None:
    loss = LOSSES[name].discriminator
    torch.testing.assert_close(loss(REAL + 3, FAKE + 3), loss(REAL, FAKE))


def test_pairs_are_not_means() -> None:
    """The relativistic loss knows which real sample stands beside which generated one."""
    loss = LOSSES["relativistic"].discriminator
    assert loss(REAL, FAKE) != loss(REAL, FAKE.flip(0))
    assert loss(REAL, FAKE) > softplus(FAKE.mean() - REAL.mean())  # Jensen
