"""Margins: fitted on the rows they are given, and blind to a rising map of a column."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from mine_cli.data.margins import (
    MARGINS,
    NormalScores,
    Standardise,
    fit_margins,
    heavy_tailed,
    margins_of,
)


def seeded() -> Generator:
    return Generator().manual_seed(3)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=seeded(), dtype=torch.float64)


def test_standardise_columns() -> None:
    values = torch.randn(500, 3, generator=seeded()) * torch.tensor([1e-2, 1, 50]) + 10
    moved = Standardise.fit(values)(values)
    assert moved.dtype == torch.float32
    assert torch.allclose(moved.mean(0), torch.zeros(3), atol=1e-3)
    assert torch.allclose(moved.std(0, correction=0), torch.ones(3), atol=1e-3)


def test_standardise_channels_of_images_and_whole_matrices() -> None:
    images = torch.rand(50, 2, 4, 4, generator=seeded()) * torch.tensor([1.0, 9.0])[:, None, None]
    map_ = Standardise.fit(images)
    assert map_.mean.shape == (2, 1, 1)
    assert torch.allclose(map_(images).mean((0, 2, 3)), torch.zeros(2), atol=1e-5)
    matrices = Standardise.fit(images[:, 0])
    assert matrices.mean.shape == (1, 1)
    assert matrices(images[:, 0]).std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_standardise_is_fitted_on_the_rows_it_is_given() -> None:
    map_ = Standardise.fit(torch.tensor([[1.0], [3.0]]))
    assert map_(torch.tensor([[5.0]])).item() == 3.0


def test_codes_and_constant_columns_are_left_alone() -> None:
    values = torch.tensor([[0.0, 0.1, 4.0], [1.0, 0.1, 6.0], [1.0, 0.1, 8.0]])
    map_ = Standardise.fit(values)
    assert map_.mean[0] == 0
    assert torch.equal(map_.std[:2], torch.ones(2))
    assert torch.allclose(map_(values)[:, 1], torch.zeros(3))
    assert torch.equal(Standardise.fit(values, categorical=True)(values), values)


# Normal scores


def test_ranks_become_normal_quantiles() -> None:
    """Of n fitted values the k-th becomes the quantile of (k - 1/2) / n."""
    values = torch.tensor([[5.0], [-1.0], [100.0], [7.0]])
    scores = NormalScores.fit(values)(values)[:, 0]
    expected = torch.special.ndtri((torch.tensor([2.0, 1.0, 4.0, 3.0]) - 0.5) / 4)
    assert torch.allclose(scores, expected)


def test_ties_share_their_mean_rank() -> None:
    values = torch.tensor([[1.0], [2.0], [2.0], [2.0], [3.0]])
    scores = NormalScores.fit(values)(values)[:, 0]
    assert torch.allclose(scores[1:4], torch.zeros(3), atol=1e-6)
    assert scores[0].item() == pytest.approx(float(torch.special.ndtri(torch.tensor(0.1))))


@pytest.mark.parametrize("scale", [1e-50, 1.0, 1e30])
@pytest.mark.parametrize(
    "change", [lambda v: v, lambda v: v.exp(), lambda v: 1.7e9 + v, lambda v: v.sinh()]
)
def test_a_rising_map_of_a_column_changes_no_score(change: Callable, scale: float) -> None:
    values = normal(400, 2)
    moved = change(values) * scale
    expected = NormalScores.fit(values)(values)
    assert torch.allclose(NormalScores.fit(moved)(moved), expected, atol=1e-6)


def test_between_and_beyond_the_fitted_values_the_map_rises() -> None:
    values = normal(200, 1)
    new = torch.linspace(-40, 40, 2001, dtype=torch.float64)[:, None]
    scores = NormalScores.fit(values)(new)[:, 0]
    assert (scores.diff() > 0).all()
    # Beyond, along the line through the outermost value and one a twentieth further in.
    reach = values.max() - values.quantile(0.95)
    outside = scores[(new[:, 0] > values.max() + 0.1) & (new[:, 0] < values.max() + 0.9 * reach)]
    assert outside.diff().std() < 1e-3 * outside.diff().mean()


@pytest.mark.parametrize("sign", [1, -1])
def test_far_beyond_the_fitted_values_the_map_grows_by_the_logarithm(sign: int) -> None:
    """What is a million times the largest stays near enough for a network."""
    fitted = NormalScores.fit(normal(10_000, 1))
    far = sign * torch.tensor([[1e3], [1e6], [1e9], [1e12]]).double()
    scores = sign * fitted(far)[:, 0]
    assert scores.diff() == pytest.approx(math.log(1e3), rel=0.01)
    assert scores[-1] < 40


def test_normal_scores_of_normal_rows_are_near_the_rows() -> None:
    values = normal(20_000, 1)
    assert (NormalScores.fit(values)(values) - values).abs().mean() < 0.02


def test_codes_keep_their_values_and_a_constant_column_is_finite() -> None:
    codes = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert torch.equal(NormalScores.fit(codes)(codes), codes)
    kept = normal(10, 2)
    assert torch.equal(NormalScores.fit(kept, categorical=True)(kept), kept.float())
    same = torch.full((10, 1), 7.0)
    assert torch.isfinite(NormalScores.fit(same)(torch.tensor([[6.0], [7.0], [8.0]]))).all()


@pytest.mark.parametrize("kind", MARGINS)
def test_margins_come_back_from_what_was_kept_of_them(kind: str) -> None:
    values, new = normal(50, 3), 2 * normal(20, 3)
    fitted = fit_margins(kind, values, categorical=False)
    state = dict(fitted.state_dict())
    assert torch.equal(margins_of(kind, state)(new), fitted(new))


def test_a_spread_that_few_rows_carry_is_noticed() -> None:
    cauchy = torch.tan(torch.pi * (torch.rand(2000, 1, generator=seeded()) - 0.5))
    outlier = normal(2000, 1)
    outlier[7] = 1e5
    assert heavy_tailed(cauchy)
    assert heavy_tailed(outlier)
    assert not heavy_tailed(normal(2000, 3))
    assert not heavy_tailed(normal(2000, 1).exp())
    assert not heavy_tailed((normal(2000, 1) > 1).double())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("kind", MARGINS)
def test_margins_of_rows_on_a_gpu_are_those_of_the_same_rows(kind: str) -> None:
    """Fitted on either side, and used on either side."""
    values, new = normal(500, 3).float(), 2 * normal(200, 3).float()
    expected = fit_margins(kind, values, categorical=False)(new)
    for device in ("cpu", "cuda"):
        found = fit_margins(kind, values.to(device), categorical=False)(new.cuda())
        assert found.device.type == "cuda"
        assert torch.allclose(found.cpu(), expected, atol=1e-5)
