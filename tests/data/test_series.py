"""Neighbouring rows that are alike: seen in a series, not in a table that somebody has sorted."""

import math

import pytest
import torch

from mine_cli.data import Rows
from mine_cli.data.series import autocorrelation, series_warning


def noise(n: int = 400, columns: int = 2) -> torch.Tensor:
    return torch.randn(n, columns, generator=torch.Generator().manual_seed(0))


WALK = noise().cumsum(0)
OTHER = noise().flip(0).cumsum(0)


def test_autocorrelation_of_known_series() -> None:
    wave = torch.sin(torch.arange(1000) * 2 * torch.pi / 20)[:, None]
    assert autocorrelation(wave) == pytest.approx(math.cos(math.pi / 10), abs=0.01)
    assert abs(autocorrelation(noise(10_000, 1))) < 0.03
    assert autocorrelation(torch.ones(50, 3)) == 0.0
    assert autocorrelation(torch.arange(50.0)[:, None]) == 0.0  # sorted


def test_two_random_walks_draw_a_warning() -> None:
    (line,) = series_warning(Rows(WALK, OTHER))
    assert "split=blocks" in line


@pytest.mark.parametrize(
    "rows",
    [
        Rows(WALK, noise()),  # one side alone
        Rows(noise(), WALK),
        Rows(WALK.sort(0).values, WALK.sort(0).values),  # sorted by both
        Rows(WALK[:40], OTHER[:40]),  # too few to tell
        Rows(WALK, OTHER.sign().clamp(0).repeat(1, 1), z_categorical=True),
        Rows(noise(), noise().flip(0)),
    ],
)
def test_what_draws_none(rows: Rows) -> None:
    assert series_warning(rows) == []


def test_one_slow_column_among_many_is_enough() -> None:
    x = torch.cat([noise(400, 5), WALK[:, :1]], 1)
    assert len(series_warning(Rows(x, OTHER))) == 1
