"""A screen ranks planted truths, calls chance chance, goes on where it was, and stays small."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from mine_cli.config.schemas import TrainerConf
from mine_cli.data.observations import Observations, observations
from mine_cli.data.split import folds
from mine_cli.tasks.screen import training
from mine_cli.tasks.screen.networks import trained_tables
from mine_cli.tasks.screen.training import COLUMNS, Screen

FEW = TrainerConf(steps=20, batch_size=128, lr=5e-3)

FEWER = TrainerConf(steps=3, batch_size=32, lr=5e-3)


def screen_of(
    arrays: dict[str, np.ndarray], z: Sequence[str] = (), num: int = 2, conf: TrainerConf = FEW
) -> Screen:
    data: Observations = observations(arrays, list(z), (), "table")
    generator = torch.Generator().manual_seed(0)
    splits = folds(len(data), num, 0.2, generator=generator)
    return Screen(data, splits, (16, 16), conf, TrainerConf(steps=len(data.pairs)))


def judged(screen: Screen, first: int = 1) -> list[dict[str, Any]]:
    for step in range(first, len(screen.pairs) + 1):
        screen.train_step(step)
    return screen.table()


def planted(n: int, noise: int = 8) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    y, side = rng.normal(size=n), rng.choice([-1, 1], n)
    return {
        "y": y,
        "linear": y + 2 * rng.normal(size=n),
        "monotone": np.exp(2 * y + 2 * rng.normal(size=n)),
        "ring": side * np.sqrt((4 - y**2).clip(0)) + 0.3 * rng.normal(size=n),
        "square": y**2 + rng.normal(size=n),
        "kind": np.array(["a", "b", "c"])[np.digitize(y + rng.normal(size=n), [-0.5, 0.5])],
        **{f"noise_{i}": rng.normal(size=n) for i in range(noise)},
    }


def test_planted_truths_stand_above_the_rest_and_alone_are_found() -> None:
    rows = judged(screen_of(planted(2000), ["y"]))
    assert {row["x"] for row in rows[:5]} == {"linear", "monotone", "ring", "square", "kind"}
    assert [row["q_value"] <= 0.05 for row in rows] == [True] * 5 + [False] * 8
    assert [row["estimate"] for row in rows] == sorted((r["estimate"] for r in rows), reverse=True)
    assert all(row["low"] <= row["estimate"] <= row["high"] for row in rows)
    assert set(rows[0]) == set(COLUMNS)


def test_the_estimate_is_the_information_of_a_gaussian() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=4000)
    (row,) = judged(screen_of({"x": x, "z": 0.8 * x + 0.6 * rng.normal(size=4000)}))
    truth = -0.5 * math.log(1 - 0.64)
    assert row["low"] - 0.02 < truth < row["high"] + 0.02


def test_an_exclusive_or_is_not_seen_in_either_column() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 2, (2, 1000)).astype(float)
    rows = judged(screen_of({"a": a, "b": b, "xor": (a + b) % 2}, ["xor"]))
    assert all(row["p_value"] > 0.01 for row in rows)


def test_gaps_are_left_out_pair_by_pair() -> None:
    rng = np.random.default_rng(4)
    a, b, c = rng.normal(size=(3, 600))
    a[:100], b[500:] = np.nan, np.nan
    c[150:] = np.nan  # a and c share 50 rows
    rows = {frozenset((r["x"], r["z"])): r for r in judged(screen_of({"a": a, "b": b, "c": c}))}
    assert rows[frozenset("ab")]["rows"] == 400
    assert rows[frozenset("bc")]["rows"] == 150
    skipped = rows[frozenset("ac")]
    assert (skipped["status"], skipped["estimate"], skipped["q_value"]) == ("skipped", None, None)
    assert skipped["note"] == "50 rows have both, want 100"


def test_enough_rows_of_which_one_fold_has_next_to_none() -> None:
    a, b = np.random.default_rng(6).normal(size=(2, 600))
    screen = screen_of({"a": a, "b": b})
    a[screen.splits[0].report[4:]] = np.nan
    (skipped,) = judged(screen_of({"a": a, "b": b}))
    assert skipped["status"] == "skipped"
    assert skipped["note"] == "304 rows have both, fewer than 5 in a part of some fold"


def test_a_copy_is_at_the_ceiling_of_its_cells() -> None:
    x = np.random.default_rng(5).normal(size=2000)
    (row,) = judged(screen_of({"x": x, "z": np.exp(x)}))
    assert row["status"] == "at_ceiling"
    assert "cells of a screen cannot tell more than 4.16 nats" in row["note"]


def test_columns_that_are_left_out_stand_at_the_end_with_the_reason() -> None:
    table = planted(300, noise=1) | {"id": np.array([f"c{i}" for i in range(300)])}
    rows = judged(screen_of(table, ["y"], num=5))
    assert (rows[-1]["x"], rows[-1]["status"]) == ("id", "skipped")
    assert "an identifier" in rows[-1]["note"]


def test_one_that_goes_on_equals_one_that_was_never_stopped() -> None:
    table = {name: planted(200)[name] for name in ("y", "linear", "ring", "kind", "square")}
    whole = judged(screen_of(table, num=5, conf=FEWER))
    stopped = screen_of(table, num=5, conf=FEWER)
    for step in range(1, 9):  # in the middle of the second lot of six pairs
        stopped.train_step(step)
    going_on = screen_of(table, num=5, conf=FEWER)
    going_on.load_state_dict(stopped.state_dict())
    assert judged(going_on, first=9) == whole


def test_no_more_networks_are_held_than_are_trained_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []

    def spy(parts: Sequence[Any], *rest: Any) -> list[Any]:
        sizes.append(len(parts))
        return trained_tables(parts, *rest)

    monkeypatch.setattr(training, "trained_tables", spy)
    screen = screen_of(planted(200, noise=2), num=2, conf=TrainerConf(steps=1, batch_size=32))
    judged(screen)
    assert max(sizes) <= 32
    assert sum(sizes) == 2 * math.comb(7, 2)  # of numbers alone
    assert len(screen.learned) <= 16


def test_networks_see_what_tables_miss_of_few_rows() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(8, 2000))
    arrays = {f"x{i}": side for i, side in enumerate(x)}
    arrays |= {f"z{i}": side**2 + 0.5 * rng.normal(size=2000) for i, side in enumerate(x[:4])}
    conf = TrainerConf(steps=200, batch_size=256, lr=5e-3)
    data = observations(arrays, [], (), "table")
    found = {}
    for steps in (1, 200):
        splits = folds(2000, 2, 0.2, generator=torch.Generator().manual_seed(0))
        own = TrainerConf(**{**vars(conf), "steps": steps})
        screen = Screen(data, splits, (32, 32), own, TrainerConf())
        names = [column.name for column in data.columns]
        screen.pairs = [(names.index(f"x{i}"), names.index(f"z{i}")) for i in range(4)]
        found[steps] = np.mean([row["estimate"] for row in judged(screen)])
    assert found[200] > found[1] + 0.01


@pytest.mark.parametrize(
    ("n", "num"),
    [
        pytest.param(300, 5, marks=pytest.mark.slow),
        pytest.param(2000, 2, marks=pytest.mark.long),
    ],
)
def test_chance_is_called_chance_in_a_thousand_pairs(n: int, num: int) -> None:
    rng = np.random.default_rng(7)
    columns = {f"c{i:02d}": rng.normal(size=n) for i in range(43)}
    columns |= {f"k{i}": rng.integers(0, 4, n).astype(float) for i in range(3)}
    rows = judged(screen_of(columns, num=num))
    p = np.array([row["p_value"] for row in rows])
    assert len(p) == 46 * 45 // 2
    assert (p <= 0.05).mean() <= 0.06
    assert (p <= 0.01).mean() <= 0.015
    assert min(row["q_value"] for row in rows) > 0.05
