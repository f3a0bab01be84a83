"""The permutation test: exact level for any T, power where T knows something."""

from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor, nn

from mine_cli.bounds import DV
from mine_cli.estimator.evaluation import evaluate
from mine_cli.estimator.independence import (
    group_partners,
    means_of_permuted_groups,
    p_value,
)
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


def subjects(sizes: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """x and z that each of a subject's rows shares but for a little noise, and the subjects."""
    generator = Generator().manual_seed(seed)
    groups = torch.arange(len(sizes)).repeat_interleave(sizes)
    own = torch.randn(2, len(sizes), 1, generator=generator, dtype=torch.float64)[:, groups]
    x, z = own + 0.1 * torch.randn(own.shape, generator=generator, dtype=torch.float64)
    return x, z, groups


def of_groups(x: Tensor, z: Tensor, groups: Tensor, num: int = 19, seed: int = 0) -> Part:
    means = means_of_permuted_groups(T, x, z, groups, num, seed)
    return Part(len(x), float((x * z).mean()), means)


@pytest.mark.parametrize("sizes", [torch.full((20,), 8), torch.arange(20) % 5 + 1])
def test_the_level_is_kept_where_rows_of_a_group_are_alike(sizes: Tensor) -> None:
    """Shifting rows tears groups apart, and finds what isn't there."""
    by_groups, by_rows = [], []
    for seed in range(500):
        x, z, groups = subjects(sizes, seed)
        by_groups.append(p_value([of_groups(x, z, groups, seed=seed)]))
        moved = torch.randperm(len(x) - 1)[:19] + 1
        crossed = z[(torch.arange(len(z)) + moved[:, None]) % len(z)]
        means = (x * crossed).mean((1, 2))
        by_rows.append(p_value([Part(len(x), float((x * z).mean()), means)]))
    level, naive = (float((torch.tensor(p) <= 0.05).double().mean()) for p in (by_groups, by_rows))
    assert 0.03 < level < 0.07
    assert naive > 0.08


def test_groups_exchange_their_rows_whole() -> None:
    groups = torch.tensor([3, 3, 0, 0, 7, 7, 7, 7])
    partners = group_partners(groups, 200)
    for drawn in partners.tolist():
        for rows in ([0, 1], [2, 3], [4, 5, 6, 7]):
            assert len({int(groups[drawn[row]]) for row in rows}) == 1
    # A group of two gets every second row of a group of four, which gets each of its rows twice.
    of_first = {tuple(drawn[:2]) for drawn in partners.tolist()}
    assert of_first == {(0, 1), (2, 3), (4, 6)}
    assert {tuple(drawn[4:]) for drawn in partners.tolist()} == {
        (0, 0, 1, 1),
        (2, 2, 3, 3),
        (4, 5, 6, 7),
    }


def test_dependence_between_groups_is_found() -> None:
    x, z, groups = subjects(torch.full((40,), 5), 0)
    assert p_value([of_groups(x, z + x, groups, 199)]) == pytest.approx(1 / 200)
