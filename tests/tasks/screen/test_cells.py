"""Cells: fitted on some rows alone, as many rows in each, one a value where there are few."""

import numpy as np
import torch

from mine_cli.data.observations import Column
from mine_cli.tasks.screen.cells import CELLS, cells_of

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
    torch.testing.assert_close(cells.centres, middle)


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
