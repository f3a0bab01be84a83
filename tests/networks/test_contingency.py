"""The table of log-ratios of two discrete variables."""

import math

import numpy as np
import pytest
import torch

from mine_cli.networks.contingency import Contingency, log_ratios


def rows(table: list[list[float]], n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    law = np.array(table) / np.sum(table)
    drawn = np.random.default_rng(seed).choice(law.size, n, p=law.ravel())
    i, j = np.unravel_index(drawn, law.shape)
    return torch.tensor(i)[:, None].float(), torch.tensor(j)[:, None].float()


def information(table: list[list[float]]) -> float:
    law = np.array(table) / np.sum(table)
    ratio = law / np.outer(law.sum(1), law.sum(0))
    return float((law[law > 0] * np.log(ratio[law > 0])).sum())


TABLES = [
    [[4, 1], [1, 4]],
    [[8, 1, 1], [1, 1, 8]],
    (np.eye(9) * 20 + 1).tolist(),
    [[1, 2], [2, 4]],
]


@pytest.mark.parametrize("table", TABLES)
def test_the_mean_score_of_fresh_rows_is_the_information(table: list[list[float]]) -> None:
    network = Contingency.fit(*rows(table, 5000))
    scores = network(*rows(table, 5000, seed=1)).double()
    tolerance = 3 * float(scores.std()) / math.sqrt(5000) + 0.005
    assert float(scores.mean()) == pytest.approx(information(table), abs=tolerance)


def test_counts_without_a_prior_are_the_plain_log_ratios() -> None:
    """A million rows outweigh any prior."""
    counts = np.array([[4.0, 1.0], [1.0, 4.0]]) * 1e5
    assert np.allclose(log_ratios(counts), np.log([[1.6, 0.4], [0.4, 1.6]]), atol=1e-3)


def test_independent_variables_score_near_0() -> None:
    network = Contingency.fit(*rows(np.ones((8, 8)).tolist(), 300))
    assert network.scores.abs().max() < 0.2


def test_an_empty_cell_scores_low_and_finite() -> None:
    network = Contingency.fit(*rows([[1, 0], [0, 1]], 200))
    assert torch.isfinite(network.scores).all()
    assert network(torch.tensor([[0.0]]), torch.tensor([[1.0]])).item() < -3


def test_a_value_that_was_not_fitted_scores_0() -> None:
    network = Contingency.fit(*rows(TABLES[0], 200))
    assert network(torch.tensor([[7.0]]), torch.tensor([[1.0]])).item() == 0


def test_one_hot_codes_are_values_too() -> None:
    x, z = rows(TABLES[1], 400)
    code = torch.nn.functional.one_hot(x[:, 0].long(), 2).float()
    assert torch.allclose(Contingency.fit(code, z)(code, z), Contingency.fit(x, z)(x, z))


def test_many_values_are_no_table() -> None:
    x = torch.arange(100.0)[:, None]
    assert Contingency.fit(x, x) is None


def test_it_comes_back_from_its_state() -> None:
    x, z = rows(TABLES[0], 200)
    network = Contingency.fit(x, z)
    assert torch.equal(Contingency.of(network.state_dict())(x, z), network(x, z))
