"""Tables of scores: what they are of counts, and that their bound is the information."""

import math

import numpy as np
import pytest
import torch
from scipy.special import ndtr, ndtri

from mine_cli.data.observations import Column
from mine_cli.networks.mlp import MLP
from mine_cli.tasks.screen.cells import cells_of
from mine_cli.tasks.screen.tables import (
    Part,
    ScoreTable,
    combined,
    fitted_tables,
    held_out,
    hidden,
    over_cells,
    reported,
)

RNG = np.random.default_rng(0)


def part_of(x: Column, z: Column, n: int) -> Part:
    fit, select, report = torch.arange(n).split([n // 2, n // 10, n - n // 2 - n // 10])
    seen = torch.cat([fit, select])
    return Part(cells_of(x, seen), cells_of(z, seen), fit, select, report)


def gaussian(n: int, rho: float) -> Part:
    x = RNG.normal(size=n)
    z = rho * x + math.sqrt(1 - rho**2) * RNG.normal(size=n)
    return part_of(Column("x", x), Column("z", z), n)


def test_a_table_is_looked_up() -> None:
    scores = torch.randn(3, 4)
    x, z = torch.tensor([0, 2]), torch.tensor([3, 1])
    assert torch.equal(ScoreTable(scores)(x, z), scores[x, z])


def test_a_networks_table_is_its_score_at_the_centres() -> None:
    part, network = gaussian(500, 0.5), MLP((1,), (1,), (8,))
    table = over_cells(network, part)
    x, z = part.codes(part.report)
    torch.testing.assert_close(table[x, z], network(*part.scores(part.report)))


def test_tables_of_counts_are_constant_in_their_larger_cells() -> None:
    part = gaussian(4000, 0.8)
    coarse = fitted_tables(part)[0]
    assert coarse.shape == (len(part.x), len(part.z))
    assert len(coarse.unique(dim=0)) == 8


def test_classes_have_one_table_and_numbers_four() -> None:
    n = 1000
    classes = Column("c", RNG.integers(0, 3, n).astype(float), ("a", "b", "c"))
    assert len(fitted_tables(part_of(classes, classes, n))) == 1
    assert len(fitted_tables(gaussian(n, 0.5))) == 4


def test_a_class_without_a_fit_row_scores_nothing() -> None:
    n = 1000
    values = RNG.integers(0, 2, n).astype(float)
    values[n // 2 + 10] = 2.0
    column = Column("c", values, ("a", "b", "rare"))
    (table,) = fitted_tables(part_of(column, column, n))
    assert torch.equal(table[2], torch.zeros(3))
    assert table.isfinite().all()


def test_select_rows_are_scored_as_they_stand_and_shifted() -> None:
    part = gaussian(500, 0.5)
    tables = torch.randn(2, len(part.x), len(part.z))
    joint, marginal = held_out(tables, part)
    x, z = part.codes(part.select)
    assert torch.equal(joint, tables[:, x, z])
    assert marginal.shape == (2, 20, 50)
    apart = [tables[0, x, z.roll(-shift)] for shift in range(1, 50)]
    assert any(torch.equal(marginal[0, 0], other) for other in apart)


@pytest.mark.parametrize("rho", [0.3, 0.7, 0.9])
def test_the_bound_is_the_information_of_a_gaussian(rho: float) -> None:
    part = gaussian(8000, rho)
    found = reported(*combined(fitted_tables(part), part), part)
    truth = -0.5 * math.log(1 - rho**2)
    assert truth - 0.02 - 3 * found.standard_error < found.value < truth + 3 * found.standard_error


def test_the_bound_is_the_information_of_classes() -> None:
    law = np.array([[0.3, 0.1], [0.05, 0.25], [0.1, 0.2]])
    truth = float((law * np.log(law / np.outer(law.sum(1), law.sum(0)))).sum())
    drawn = RNG.choice(6, 8000, p=law.ravel())
    x = Column("x", (drawn // 2).astype(float), ("a", "b", "c"))
    z = Column("z", (drawn % 2).astype(float), ("d", "e"))
    part = part_of(x, z, 8000)
    found = reported(*combined(fitted_tables(part), part), part)
    assert abs(found.value - truth) < 3 * found.standard_error + 1e-3


def information_of_cells(rho: float, cells: int, points: int = 64) -> float:
    """What a normal pair's cells of equal share tell of one another, by quadrature; nats."""
    x = ndtri((np.arange(cells * points) + 0.5) / (cells * points))
    edges = np.concatenate([[-np.inf], ndtri(np.arange(1, cells) / cells), [np.inf]])
    below = ndtr((edges - rho * x[:, None]) / math.sqrt(1 - rho**2))
    joint = np.diff(below, axis=1).reshape(cells, points, cells).mean(1) / cells
    return float((joint * np.log(joint.clip(1e-300) * cells**2)).sum())


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [4000, 400])  # cells of 64, and fewer
def test_what_cells_hide_of_normal_columns(rho: float, n: int) -> None:
    part = gaussian(n, rho)
    truth = -0.5 * math.log(1 - rho**2)
    told = information_of_cells(rho, len(part.x))
    lost, allowed = truth - told, hidden(part, told)
    assert lost < allowed + 0.002
    assert allowed < 3 * lost + 0.002


def test_classes_and_single_numbers_hide_nothing() -> None:
    classes = Column("x", RNG.integers(0, 3, 400).astype(float), ("a", "b", "c"))
    counts = Column("z", RNG.integers(0, 5, 400).astype(float))
    assert hidden(part_of(classes, counts, 400), 1.0) == 0
    numbers = Column("z", RNG.normal(size=400))
    assert 0 < hidden(part_of(classes, numbers, 400), 1.0) < 0.1
