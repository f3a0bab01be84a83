"""Adaptive clipping: lengths, direction, zeros; equation 21 of the MINE paper."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mine_cli.training.clipping import clip_adaptively, global_norm

SHAPES = [(3, 4), (4,), (2, 2, 2)]


def gradients(seed: int, scale: float) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(shape, generator=generator) for shape in SHAPES]


def flat(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


@settings(deadline=None)
@given(
    seed=st.integers(0, 1000),
    log_u=st.floats(-6, 6),
    log_m=st.floats(-6, 6),
    how=st.sampled_from(["global", "tensor"]),
)
def test_length_and_direction(seed: int, log_u: float, log_m: float, how: str) -> None:
    u, m = gradients(seed, 10**log_u), gradients(seed + 1, 10**log_m)
    found = clip_adaptively(u, m, how)
    groups = [(u, m, found.gradient)]
    if how == "tensor":
        groups = [([a], [b], [c]) for a, b, c in zip(u, m, found.gradient, strict=True)]
    for of_u, of_m, clipped in groups:
        shorter = min(flat(of_u).norm(), flat(of_m).norm())
        torch.testing.assert_close(flat(clipped).norm(), shorter)
        cosine = torch.cosine_similarity(flat(clipped), flat(of_m), dim=0)
        assert cosine.item() == pytest.approx(1.0, abs=1e-5)
    norms = (found.adversarial_norm, found.information_norm, found.clipped_norm)
    for norm, parts in zip(norms, (u, m, found.gradient), strict=True):
        torch.testing.assert_close(norm, flat(parts).norm())


def test_global_and_tensor_differ() -> None:
    u, m = gradients(0, 1.0), gradients(1, 3.0)
    m[0].mul_(10)
    whole, each = (clip_adaptively(u, m, how).gradient for how in ("global", "tensor"))
    assert not torch.allclose(whole[0], each[0])


def test_what_is_shorter_is_left_alone() -> None:
    u, m = gradients(0, 100.0), gradients(1, 1.0)
    for how in ("global", "tensor"):
        torch.testing.assert_close(clip_adaptively(u, m, how).gradient, m)


def test_none_leaves_everything() -> None:
    u, m = gradients(0, 1.0), gradients(1, 100.0)
    found = clip_adaptively(u, m, "none")
    assert all(a is b for a, b in zip(found.gradient, m, strict=True))
    torch.testing.assert_close(found.clipped_norm, found.information_norm)


@pytest.mark.parametrize("how", ["global", "tensor"])
@pytest.mark.parametrize("zero", ["adversarial", "information", "both"])
def test_zero_gradients(how: str, zero: str) -> None:
    u = gradients(0, 0.0 if zero in ("adversarial", "both") else 1.0)
    m = gradients(1, 0.0 if zero in ("information", "both") else 1.0)
    found = clip_adaptively(u, m, how)
    assert flat(found.gradient).count_nonzero() == 0
    assert found.clipped_norm == 0


def test_one_zero_tensor_among_others() -> None:
    u, m = gradients(0, 1.0), gradients(1, 5.0)
    m[1].zero_()
    for how in ("global", "tensor"):
        found = clip_adaptively(u, m, how).gradient
        assert torch.isfinite(flat(found)).all()
        assert found[1].count_nonzero() == 0


def test_what_is_not_finite_is_seen() -> None:
    u, m = gradients(0, 1.0), gradients(1, 1.0)
    m[0][0, 0] = math.nan
    assert clip_adaptively(u, m).clipped_norm.isnan()


def test_global_norm() -> None:
    assert global_norm([torch.tensor([3.0]), torch.tensor([[4.0]])]).item() == 5.0
