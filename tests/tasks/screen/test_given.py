"""What columns tell beyond one that is given: known laws, the null within its cells, the words."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from mine_cli.config.schemas import TrainerConf
from mine_cli.data.observations import Column, observations
from mine_cli.data.split import folds
from mine_cli.tasks.screen import training
from mine_cli.tasks.screen.cells import cells_of, crossed
from mine_cli.tasks.screen.given import Alone, beside, difference, leak, null_in
from mine_cli.tasks.screen.tables import Part, reported
from mine_cli.tasks.screen.training import Screen

FEW = TrainerConf(steps=40, batch_size=128, lr=5e-3)
Table = dict[str, np.ndarray]


def screen_of(table: Table, z: str | None = "z", num: int = 2, conf: TrainerConf = FEW) -> Screen:
    data = observations(table, [] if z is None else [z], (), "table", given="w")
    splits = folds(len(data), num, 0.2, generator=torch.Generator().manual_seed(0))
    return Screen(data, splits, (16, 16), conf, TrainerConf(steps=len(data.pairs)))


def judged(screen: Screen, first: int = 1) -> list[dict[str, Any]]:
    for step in range(first, len(screen.pairs) + 1):
        screen.train_step(step)
    return screen.table()


def part_of(x: np.ndarray, w: np.ndarray, z: np.ndarray) -> Part:
    """All rows fit, select and report."""
    rows = torch.arange(len(x))
    own_x, own_w, own_z = (cells_of(Column("c", side), rows) for side in (x, w, z))
    return Part(crossed(own_x, own_w), own_z, rows, rows, rows)


# Known laws


def chain(n: int, rng: np.random.Generator) -> tuple[Table, float]:
    """x <- w -> z."""
    w, e, f = rng.normal(size=(3, n))
    return {"x": 0.8 * w + 0.6 * e, "z": 0.8 * w + 0.6 * f, "w": w}, 0.0


def collider(n: int, rng: np.random.Generator) -> tuple[Table, float]:
    """x -> w <- z, with noise of variance 1/4: var(z | w) = 5/9 and var(z | x, w) = 1/5."""
    x, z, e = rng.normal(size=(3, n))
    return {"x": x, "z": z, "w": x + z + 0.5 * e}, 0.5 * math.log(5 / 9 * 5)


def partial(n: int, rng: np.random.Generator) -> tuple[Table, float]:
    """A partial correlation of 0.6."""
    w, x, e = rng.normal(size=(3, n))
    return {"x": w + x, "z": w + 0.6 * x + 0.8 * e, "w": w}, -0.5 * math.log(1 - 0.36)


def sites(n: int, rng: np.random.Generator) -> tuple[Table, float]:
    """The same within each of three classes, which shift both columns."""
    x, e = rng.normal(size=(2, n))
    w = rng.integers(0, 3, n)
    table = {"x": 2 * w + x, "z": 2 * w + 0.6 * x + 0.8 * e, "w": np.array(["a", "b", "c"])[w]}
    return table, -0.5 * math.log(1 - 0.36)


def xor(n: int, rng: np.random.Generator) -> tuple[Table, float]:
    x, w = rng.integers(0, 2, (2, n))
    return {"x": x * 1.0, "z": (x ^ w) * 1.0, "w": w * 1.0}, math.log(2)


@pytest.mark.parametrize("law", [chain, collider, partial, sites, xor])
def test_within_three_errors_of_the_truth(law: Any) -> None:
    table, truth = law(3000, np.random.default_rng(0))
    (row,) = judged(screen_of(table, conf=TrainerConf(steps=200, batch_size=128, lr=5e-3)))
    error = (row["high"] - row["low"]) / 4
    assert abs(row["estimate"] - truth) < 3 * error + 0.02 * truth
    assert (row["low"] > 0) == (truth > 0)
    assert row["status"] == "ok"


def test_all_pairs_given_a_class_that_is_behind_both() -> None:
    rng = np.random.default_rng(1)
    w = rng.integers(0, 3, 1000)
    table = {name: 2 * w + rng.normal(size=1000) for name in "ab"}
    table["c"] = table["a"] + rng.normal(size=1000)
    table["w"] = np.array(["u", "v", "t"])[w]
    rows = judged(screen_of(table, None, num=5))
    assert {(row["x"], row["z"]) for row in rows} == {("a", "b"), ("a", "c"), ("b", "c")}
    assert (rows[0]["x"], rows[0]["z"]) == ("a", "c")
    assert [row["q_value"] <= 0.05 for row in rows] == [True, False, False]


def test_of_numbers_that_are_cut_into_cells_there_is_no_p_value() -> None:
    screen = screen_of(partial(600, np.random.default_rng(2))[0])
    (row,) = judged(screen)
    assert row["p_value"] is row["q_value"] is None
    result = screen.result()
    assert result["p_value_note"] == "permuting z would part it from w as well"
    assert result["metrics"]["found"] == 1


def test_of_few_numbers_there_is_a_p_value() -> None:
    (row,) = judged(screen_of(xor(400, np.random.default_rng(2))[0]))
    assert row["q_value"] < 1e-9


# Its parts


def test_a_critic_of_w_scores_every_x_alike() -> None:
    rng = np.random.default_rng(3)
    part = part_of(*rng.integers(0, 4, (3, 400)).astype(float))
    critic = Alone(torch.randn(4, 4), 0.0)
    table = critic.over(part).reshape(4, 4, 4)  # x, w, z
    for of_x in table:
        assert torch.equal(of_x, critic.table)
    whole = reported(critic.over(part), 0.0, part)
    assert critic.reported(part).value == pytest.approx(whole.value)


def test_beside_keeps_the_rows_and_leaves_out_x() -> None:
    x, w, z = np.random.default_rng(4).integers(0, 3, (3, 90)).astype(float)
    codes, _ = beside(part_of(x, w, z)).codes(torch.arange(90))
    assert codes.tolist() == w.tolist()


def test_where_x_changes_nothing_the_error_is_what_a_weight_costs() -> None:
    part = part_of(*np.random.default_rng(5).integers(0, 3, (3, 200)).astype(float))
    critic = Alone(torch.randn(3, 3), 0.0)
    term = critic.reported(part)
    found = difference([part], [term], [term])
    assert (found.value, found.error) == (0.0, 0.5 / 200)


@pytest.mark.parametrize("rho", [0.9, 0.98])
def test_what_cells_leave_of_w_is_the_information_given_their_middle(rho: float) -> None:
    """Against the regression residuals of 2,000,000 rows."""
    rng = np.random.default_rng(12)
    w, e, f = rng.normal(size=(3, 2_000_000))
    x, z = (rho * w + math.sqrt(1 - rho**2) * side for side in (e, f))
    part = part_of(x[:20_000], w[:20_000], z[:20_000])
    cells = np.argsort(np.argsort(w)) * 64 // len(w)
    means = np.bincount(cells, w) / np.bincount(cells)
    left = [side - rho * means[cells] for side in (x, z)]
    truth = -0.5 * math.log(1 - np.corrcoef(*left)[0, 1] ** 2)
    assert leak(part, -0.5 * math.log(1 - rho**2)) == pytest.approx(truth, rel=0.2)


def test_classes_leave_nothing_of_w() -> None:
    assert leak(part_of(*np.random.default_rng(13).integers(0, 4, (3, 400)).astype(float)), 1) == 0


def test_the_null_permutes_z_within_each_cell_of_w() -> None:
    rng = np.random.default_rng(6)
    x, z = rng.integers(0, 3, 8).astype(float), rng.integers(0, 2, 8).astype(float)
    w = np.repeat([0.0, 1.0], 4)
    part = part_of(x, w, z)
    table = torch.randn(len(part.x), len(part.z))
    xw, codes = part.codes(torch.arange(8))
    sums = [
        float(table[xw, codes[list(a) + [4 + i for i in b]]].double().sum())
        for a in itertools.permutations(range(4))
        for b in itertools.permutations(range(4))
    ]
    found = null_in(part, table)
    assert found.mean == pytest.approx(np.mean(sums), abs=1e-5)
    assert found.variance == pytest.approx(np.var(sums), abs=1e-5)


def test_a_negative_difference_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    """A joint term that falls short by more than chance explains."""
    combined = training.combined

    def worse(tables: Any, part: Part) -> tuple[torch.Tensor, float]:
        table, constant = combined(tables, part)
        return 0.3 * table, constant

    monkeypatch.setattr(training, "combined", worse)
    (row,) = judged(screen_of(chain(2000, np.random.default_rng(7))[0]))
    assert row["high"] < 0
    assert row["status"] in ("below_reference", "high_variance")
    assert row["status"] != "ok"


def test_gaps_in_any_of_three_columns_are_left_out() -> None:
    rng = np.random.default_rng(8)
    table = {name: rng.normal(size=500) for name in "xzw"}
    for start, name in enumerate("xzw"):
        table[name][50 * start : 50 * (start + 1)] = np.nan
    (row,) = judged(screen_of(table))
    assert row["rows"] == 350
    table["w"][:380], table["x"][470:] = np.nan, np.nan
    (row,) = judged(screen_of(table))
    assert (row["status"], row["note"]) == ("skipped", "90 rows have all three, want 100")


def test_more_cells_than_can_be_counted_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MOST_CELLS", 1000)
    (row,) = judged(screen_of(chain(500, np.random.default_rng(9))[0]))
    assert row["status"] == "skipped"
    assert "cells of x, w and z, want at most 1,000" in row["note"]


def test_what_w_tells_is_fitted_once_a_z(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    own = training.alone_of
    monkeypatch.setattr(training, "alone_of", lambda *of: fitted.append(of) or own(*of))
    rng = np.random.default_rng(10)
    table = {name: rng.normal(size=300) for name in ("a", "b", "c", "z", "w")}
    judged(screen_of(table, conf=TrainerConf(steps=1, batch_size=32)))
    assert len(fitted) == 2  # folds


def test_one_that_goes_on_equals_one_that_was_never_stopped() -> None:
    rng = np.random.default_rng(11)
    table: Table = {name: rng.normal(size=200) for name in "abw"}
    table["c"] = table["a"] + table["w"]
    table["kind"] = np.where(table["b"] > 0, "u", "v")
    conf = TrainerConf(steps=3, batch_size=32, lr=5e-3)
    whole = judged(screen_of(table, None, conf=conf))
    stopped = screen_of(table, None, conf=conf)
    for step in range(1, 4):
        stopped.train_step(step)
    going_on = screen_of(table, None, conf=conf)
    going_on.load_state_dict(stopped.state_dict())
    assert judged(going_on, first=4) == whole


@pytest.mark.slow
@pytest.mark.parametrize("kinds", ["numbers", "classes"])
def test_chance_is_called_chance_given_classes(kinds: str) -> None:
    """400 columns that tell of z through w alone."""
    p: list[float] = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        w = rng.integers(0, 4, 500)
        drawn = {f"x{i}": w + rng.normal(size=500) for i in range(20)} | {
            "z": w + rng.normal(size=500)
        }
        if kinds == "classes":
            drawn = {
                k: np.array(list("abcd"))[np.digitize(v, [0, 2, 3])] for k, v in drawn.items()
            }
        rows = judged(screen_of(drawn | {"w": np.array(list("abcd"))[w]}, num=5))
        p += [row["p_value"] for row in rows]
    assert len(p) == 400
    assert np.mean(np.array(p) <= 0.05) <= 0.07
    assert np.mean(np.array(p) <= 0.01) <= 0.02
