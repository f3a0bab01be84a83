"""Reconstructions and codes judged by hand, by torchmetrics and at their ends."""

import math

import pytest
import torch

from mine_cli.tasks.ali.metrics import (
    BETAS,
    agreement,
    error_of_mean,
    ms_ssim,
    neighbour_accuracy,
    reconstruction_error,
    status,
)


def test_the_error_is_the_mean_euclidean_norm() -> None:
    x = torch.zeros(2, 1, 2, 2)
    rebuilt = x.clone()
    rebuilt[0, 0, 0, 0], rebuilt[0, 0, 1, 1] = 3.0, 4.0  # a norm of 5 and one of 0
    assert reconstruction_error(x, rebuilt) == 2.5
    # Of images whose every pixel of [-1, 1] is wrong by 1, the square root of their number.
    assert reconstruction_error(torch.zeros(3, 1, 28, 28), torch.ones(3, 1, 28, 28)) == 28.0


def test_agreement_counts() -> None:
    assert agreement(torch.tensor([1, 2, 3, 3]), torch.tensor([1, 2, 0, 3])) == 0.75


def test_ms_ssim_is_that_of_torchmetrics_module() -> None:
    from torchmetrics.image import MultiScaleStructuralSimilarityIndexMeasure

    torch.manual_seed(0)
    x = torch.rand(6, 1, 28, 28) * 2 - 1
    rebuilt = (x + 0.3 * torch.randn_like(x)).clamp(-1, 1)
    judge = MultiScaleStructuralSimilarityIndexMeasure(
        sigma=0.5, kernel_size=5, betas=BETAS, data_range=(-1.0, 1.0)
    )
    found = ms_ssim(x, rebuilt)
    assert found == pytest.approx(float(judge(rebuilt, x)), abs=1e-6)
    assert 0.1 < found < 0.99


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (3, 64)])
def test_ms_ssim_of_an_image_and_itself_is_1(channels: int, side: int) -> None:
    x = torch.rand(2, channels, side, side) * 2 - 1
    assert ms_ssim(x, x) == pytest.approx(1.0, abs=1e-5)
    assert ms_ssim(x, -x) < 0.5


def test_the_weights_of_the_scales_sum_to_one() -> None:
    assert math.isclose(sum(BETAS), 1)
    assert len(BETAS) == 3


def test_neighbours_by_hand() -> None:
    known, labels = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]]), torch.tensor([7, 8, 9])
    codes = torch.tensor([[0.2, 0.0], [0.9, 0.1], [4.0, 4.0], [0.6, 0.0]])
    assert neighbour_accuracy(codes, torch.tensor([7, 8, 9, 7]), known, labels) == 0.75


def test_neighbours_of_many_rows_are_those_of_brute_force() -> None:
    torch.manual_seed(0)
    codes, known = torch.randn(1500, 3), torch.randn(700, 3)
    labels, known_labels = torch.randint(3, (1500,)), torch.randint(3, (700,))
    nearest = (codes[:, None] - known[None]).square().sum(2).argmin(1)
    wanted = (known_labels[nearest] == labels).double().mean().item()
    assert neighbour_accuracy(codes, labels, known, known_labels) == pytest.approx(
        wanted, abs=2e-3
    )


@pytest.mark.parametrize(
    ("word", "kept", "said"),
    [
        ("ok", 0.97, "ok"),
        ("ok", 0.3, "not_reconstructed"),
        ("ok", None, "ok"),
        ("collapsed", 0.3, "collapsed"),
    ],
)
def test_a_calm_status_wants_reconstructions(word: str, kept: float | None, said: str) -> None:
    assert status({"own_mode": kept}, lambda metrics: word) == said


@pytest.mark.parametrize(
    ("word", "error", "said"),
    [
        ("ok", 1.9, "ok"),
        ("ok", 2.0, "not_reconstructed"),
        ("ok", 65.0, "not_reconstructed"),
        ("ok", math.nan, "not_reconstructed"),
        ("modes_missing", 65.0, "modes_missing"),
    ],
)
def test_reconstructions_no_better_than_the_mean_row_are_none(
    word: str, error: float, said: str
) -> None:
    """The one thing that can be said where nobody knows modes or classes."""
    metrics = {"reconstruction_error": error, "error_of_mean": 2.0, "own_mode": None}
    assert status(metrics, lambda metrics: word) == said


def test_the_error_of_the_mean_by_hand() -> None:
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
    assert error_of_mean(x) == pytest.approx((2 + 0 + 2) / 3)
