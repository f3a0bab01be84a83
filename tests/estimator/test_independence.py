"""The permutation test: exact level for any T, power where T knows something."""

from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor, nn

from mine_cli.bounds import DV
from mine_cli.estimator.evaluation import evaluate
from mine_cli.estimator.independence import p_value
from mine_cli.networks.interface import as_network


class Product(nn.Module):
    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return (x * z).sum(-1)


T = as_network(Product())


@dataclass
class Part:
    """What the test reads of an evaluation."""

    rows: int
    joint_mean: float
    shift_means: Tensor


def parts(n: int, folds: int, seed: int, rho: float = 0.0, k: int = 20) -> list[Part]:
    """Rows crossed by k random shifts, scored by their product."""
    generator = Generator().manual_seed(seed)
    found = []
    for _ in range(folds):
        x, noise = torch.randn(2, n, generator=generator, dtype=torch.float64)
        z = rho * x + (1 - rho**2) ** 0.5 * noise
        shifts = torch.randperm(n - 1, generator=generator)[:k] + 1
        crossed = z[(torch.arange(n) + shifts[:, None]) % n]
        found.append(Part(n, float((x * z).mean()), (x * crossed).mean(1)))
    return found


@pytest.mark.parametrize("folds", [1, 5])
def test_the_level_is_kept(folds: int) -> None:
    """2,000 nulls: 5 % of them below 5 %, but for what chance allows."""
    found = torch.tensor([p_value(parts(24, folds, seed), seed) for seed in range(2000)])
    # A single fold has but its own mean and those of twenty shifts: p in steps of 1/21.
    share = float((found <= 0.05).double().mean())
    assert share < 0.06
    assert share > (0.04 if folds > 1 else 0.03)
    assert float(found.mean()) == pytest.approx(0.5, abs=0.04)


def test_dependence_is_found() -> None:
    assert p_value(parts(100, 5, 0, rho=0.5)) == pytest.approx(0.001)


def test_a_constant_score_finds_nothing() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor, z: Tensor) -> Tensor:
            return torch.full((len(x),), 0.3)

    x, z = torch.randn(2, 50, 1, generator=Generator().manual_seed(0))
    found = evaluate(as_network(Constant()), DV(), x, x + z)
    assert p_value([found]) == 1.0


def test_a_function_of_x_alone_added_to_t_changes_nothing() -> None:
    """InfoNCE fixes T only up to that."""

    class Moved(Product):
        def forward(self, x: Tensor, z: Tensor) -> Tensor:
            return super().forward(x, z) + 5 * x[..., 0]

    x, z = torch.randn(2, 60, 1, generator=Generator().manual_seed(0), dtype=torch.float64)
    z = 0.2 * x + z
    both = [evaluate(as_network(t), DV(), x, z) for t in (Product(), Moved())]
    assert p_value(both[:1]) == pytest.approx(p_value(both[1:]))
