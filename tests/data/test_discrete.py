import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from mine_cli.data.discrete import DiscreteTable
from mine_cli.errors import BadInput


@pytest.mark.parametrize("seed", range(5))
def test_truth_is_the_entropies_sum_less_the_joint_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(12, 0.4)).reshape(3, 4)
    law = DiscreteTable(table.tolist())
    exact = entropy(table.sum(1)) + entropy(table.sum(0)) - entropy(table.ravel())
    assert law.true_mi == pytest.approx(exact, abs=1e-9)


def test_cells_come_as_often_as_they_shall() -> None:
    table = torch.tensor([[0.2, 0.0, 0.1], [0.05, 0.4, 0.25]])
    x, z = DiscreteTable(table.tolist()).sample(100_000, torch.Generator().manual_seed(0))
    assert x.shape == z.shape == (100_000, 1)
    assert x.dtype == torch.float32
    found = torch.bincount((3 * x + z).long().flatten(), minlength=6) / 100_000
    assert torch.allclose(found, table.flatten(), atol=0.005)
    assert found[1] == 0


def test_an_identity_has_its_entropy_and_a_product_has_nothing() -> None:
    assert DiscreteTable([[0.5, 0.0], [0.0, 0.5]]).true_mi == pytest.approx(math.log(2))
    assert DiscreteTable([[0.18, 0.42], [0.12, 0.28]]).true_mi == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ([[0.5, 0.5]], "at least two rows"),
        ([[0.5], [0.5]], "at least two probabilities"),
        ([[0.5, 0.2], [0.3]], "as many"),
        ([[0.5, 0.5], [0.5, 0.5]], "adds up to 2"),
        ([[1.5, -0.5], [0.0, 0.0]], "want probabilities"),
    ],
)
def test_bad_tables(table: Any, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        DiscreteTable(table)
    assert len(caught.value.faults) == 1
    assert told in caught.value.faults[0]
