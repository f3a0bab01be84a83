"""Cells: fitted on some rows alone, as many rows in each, one a value where there are few."""

import numpy as np
import torch

from mine_cli.data.observations import Column
from mine_cli.tasks.screen.cells import CELLS, cells_of, crossed

RNG = np.random.default_rng(0)


def test_cells_of_many_numbers_hold_as_many_rows_each() -> None:
    values = RNG.normal(size=6400)
    cells = cells_of(Column("a", values), torch.arange(6400))
    assert len(cells) == CELLS
    assert cells.cut
    counts = cells.codes.long().bincount()
    assert counts.min() >= 99
    assert counts.max() <= 101
    order = np.argsort(values)
    assert (np.diff(cells.codes[order].numpy()) >= 0).all()


def test_edges_are_fitted_on_the_given_rows_alone() -> None:
    values = RNG.normal(size=1000)
    other = values.copy()
    other[500:] *= 100
    fitted = torch.arange(500)
    one, two = (cells_of(Column("a", v), fitted) for v in (values, other))
    assert torch.equal(one.centres, two.centres)
    assert torch.equal(one.codes[:500], two.codes[:500])


def test_few_numbers_are_a_cell_each() -> None:
    cells = cells_of(Column("a", np.repeat([0.0, 1.0, 5.0], 100)), torch.arange(300))
    assert not cells.cut
    assert cells.codes[[0, 100, 200]].tolist() == [0, 1, 2]
    middle = torch.special.ndtri(torch.tensor([1 / 6, 1 / 2, 5 / 6]))
    torch.testing.assert_close(cells.centres, middle[:, None])


def test_many_zeros_share_a_cell_and_none_is_empty() -> None:
    values = np.where(RNG.random(2000) < 0.7, 0.0, RNG.exponential(size=2000))
    cells = cells_of(Column("a", values), torch.arange(2000))
    assert cells.codes[torch.from_numpy(values == 0)].unique().tolist() == [0]
    assert (cells.codes.long().bincount(minlength=len(cells)) > 0).all()


def test_classes_are_cells_without_an_order_and_are_never_merged() -> None:
    column = Column("a", RNG.integers(0, 40, 1000).astype(float), tuple(map(str, range(40))))
    cells = cells_of(column, torch.arange(1000))
    assert not cells.ordered
    assert torch.equal(cells.codes.long(), torch.from_numpy(column.values).long())
    assert torch.equal(cells.merged(8), torch.arange(40))


def test_numbers_are_merged_with_their_neighbours() -> None:
    cells = cells_of(Column("a", RNG.normal(size=2000)), torch.arange(2000))
    merged = cells.merged(8)
    assert merged.unique().tolist() == list(range(8))
    assert (merged.diff() >= 0).all()
    assert torch.equal(cells.merged(64), torch.arange(64))


def test_what_is_missing_has_no_cell() -> None:
    values = RNG.normal(size=200)
    values[7] = np.nan
    cells = cells_of(Column("a", values), torch.arange(200))
    assert cells.codes[7] == -1
    assert (cells.codes >= 0).sum() == 199


def test_a_class_is_seen_as_its_one_hot_code() -> None:
    column = Column("a", RNG.integers(0, 3, 300).astype(float), ("a", "b", "c"))
    assert torch.equal(cells_of(column, torch.arange(300)).centres, torch.eye(3))


def test_two_columns_beside_one_another_are_a_cell_for_each_pair() -> None:
    x = Column("x", RNG.integers(0, 3, 300).astype(float))
    w = Column("w", RNG.integers(0, 2, 300).astype(float), ("a", "b"))
    w.values[5] = np.nan
    rows = torch.arange(300)
    both = crossed(cells_of(x, rows), cells_of(w, rows))
    assert len(both) == 6
    assert both.codes[5] == -1
    assert both.codes[6] == 2 * x.values[6] + w.values[6]
    code = int(both.codes[7])
    assert both.centres[code, 1:].argmax() == w.values[7]
    assert both.centres[code, 0] == cells_of(x, rows).centres[int(x.values[7]), 0]
    assert (both.ordered, both.numbers) == (False, True)


def test_cells_of_two_columns_are_merged_side_by_side() -> None:
    x, w = (cells_of(Column("a", RNG.normal(size=2000)), torch.arange(2000)) for _ in range(2))
    merged = crossed(x, w).merged(8).reshape(64, 64)
    assert torch.equal(merged, x.merged(8)[:, None] * 8 + w.merged(8))
    assert merged[-1, -1] == 63
