"""The staircase: each stage is the Gaussian of its information, and alone it is the last one."""

import math

import pytest
import torch

from mine_cli.data.gaussian import Gaussian
from mine_cli.data.staircase import Staircase
from mine_cli.errors import BadInput


def test_each_stage_is_the_gaussian_of_its_information() -> None:
    law = Staircase([0, 1.5, 4], dim=3)
    assert [stage.true_mi for stage in law.stages] == [0, 1.5, 4]
    for stage in law.stages:
        x, z = stage.sample(40_000, torch.Generator().manual_seed(0))
        rows = torch.cat([x, z], 1).double().T
        joint, of_x, of_z = (torch.logdet(torch.cov(side)) for side in (rows, rows[:3], rows[3:]))
        assert (of_x + of_z - joint).item() / 2 == pytest.approx(stage.true_mi, abs=0.02)


@pytest.mark.parametrize("cube", [False, True])
def test_alone_it_draws_from_the_last_stage(cube: bool) -> None:
    law, last = Staircase([1, 2], dim=2, cube=cube), Gaussian(2, mi=2, cube=cube)
    drawn, expected = (each.sample(50, torch.Generator().manual_seed(3)) for each in (law, last))
    assert all(torch.equal(a, b) for a, b in zip(drawn, expected, strict=True))
    assert law.true_mi == 2
    assert "the last of 1, 2 nats" in law.true_mi_note


@pytest.mark.parametrize(
    ("levels", "dim", "told"),
    [
        ([], 2, "dataset.levels=[]"),
        ([1, -2], 2, "dataset.levels: -2: want nats"),
        ([1, math.inf], 2, "dataset.levels: "),
        ([1, 500], 2, "more than float32 can carry"),
        ([1], 0, "dataset.dim=0"),
    ],
    ids=["none", "negative", "infinite", "too much", "no column"],
)
def test_levels_that_cannot_be_are_refused(levels: list[float], dim: int, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        Staircase(levels, dim)
    assert told in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
