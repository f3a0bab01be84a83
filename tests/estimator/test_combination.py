"""Several critics as one: their weights solve the convex problem, their sum is what it says."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from mine_cli.bounds import DV
from mine_cli.estimator.combination import (
    PULL,
    Combination,
    Critic,
    best_weights,
    how_often_best,
)
from mine_cli.networks.mlp import MLP

FREE = torch.tensor([-torch.inf, torch.inf])
ALL = slice(None), slice(None)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def mlps(number: int) -> list[MLP]:
    torch.manual_seed(0)
    return [MLP((2,), (1,), widths=[8]) for _ in range(number)]


def rows(n: int = 20) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 2, generator=seeded())
    return x, x[:, :1] + torch.randn(n, 1, generator=seeded(1))


def scores(m: int, k: int = 10, n: int = 200) -> tuple[Tensor, Tensor]:
    """Critics of a Gaussian's log-ratio, each with noise of its own."""
    truth = torch.randn(1 + k, n, generator=seeded())
    truth[0] += 1
    noisy = truth + 0.7 * torch.randn(m, 1 + k, n, generator=seeded(1))
    return noisy[:, 0], noisy[:, 1:]


def test_the_weights_satisfy_the_conditions_of_their_problem() -> None:
    """The slope is 0 where a weight is positive, and not negative where it is 0."""
    joint, marginal = scores(4)
    joint[3], marginal[3] = -joint[3], -marginal[3]  # the worst: of no use
    found = torch.from_numpy(best_weights(joint, marginal)).requires_grad_()
    usual = torch.from_numpy(how_often_best(joint, marginal))
    together = [torch.tensordot(found, side.double(), 1) for side in (joint, marginal)]
    penalty = PULL / (2 * joint.shape[1]) * (found - usual).square().sum()
    (penalty - DV().value(together[0], together[1].T)).backward()
    assert found.grad is not None
    inside = found.detach() > 1e-6
    assert found.grad[inside].abs().max() < 1e-3
    assert (found.grad[~inside] > -1e-3).all()
    assert found[3] == 0


def test_together_they_are_better_than_the_best_alone() -> None:
    joint, marginal = scores(4)
    w = torch.from_numpy(best_weights(joint, marginal)).float()
    together = DV().value(torch.tensordot(w, joint, 1), torch.tensordot(w, marginal, 1).T)
    alone = [float(DV().value(j, m.T)) for j, m in zip(joint, marginal, strict=True)]
    assert float(together) > max(alone)


def test_few_rows_leave_the_critics_as_often_as_each_is_the_best() -> None:
    joint, marginal = scores(3, n=4)
    usual = how_often_best(joint, marginal)
    assert np.abs(best_weights(joint, marginal) - usual).max() < 0.15
    joint[2] += 3  # beyond all doubt
    assert how_often_best(joint, marginal).tolist() == [0, 0, 1]
    assert best_weights(joint, marginal)[2] > 0.9


def test_equal_critics_are_as_often_the_best() -> None:
    """Each with noise of its own; how often is a share, and the same one again."""
    joint, marginal = torch.randn(4, 400, generator=seeded()), torch.zeros(4, 10, 400)
    joint -= joint.mean(1, keepdim=True)
    found = how_often_best(joint, marginal)
    assert found.sum() == pytest.approx(1)
    assert found == pytest.approx(0.25, abs=0.15)
    assert np.array_equal(found, how_often_best(joint, marginal))


def test_a_redraw_is_of_whole_rows() -> None:
    """A critic whose mean of e^T one row carries is the best only where that row is light."""
    joint, marginal = torch.zeros(2, 100), torch.zeros(2, 5, 100)
    joint[1] = 0.7
    marginal[1, :, 7] = 4.0  # e^4 in every hundredth row: log-mean 0.43, by luck of one row
    share = how_often_best(joint, marginal)[1]
    assert 0.5 < share < 1


def test_a_combination_is_the_weighted_sum() -> None:
    networks, (x, z) = mlps(3), rows()
    critics = [Critic(network, *ALL, FREE) for network in networks]
    together = Combination(critics, [0.5, 0.0, 2.0])
    assert len(together.members) == 2  # no score for a weight of 0
    expected = 0.5 * networks[0](x, z) + 2 * networks[2](x, z)
    assert torch.allclose(together(x, z), expected, atol=1e-6)
    a, b = together.embed(x, z)
    matrix = together.head(a[:, None], b[None])
    assert torch.allclose(matrix.diagonal(), expected, atol=1e-6)
    assert torch.allclose(matrix[3, 5], together(x[3:4], z[5:6])[0], atol=1e-6)


def test_one_of_weight_1_is_that_network() -> None:
    (network,), (x, z) = mlps(1), rows()
    assert torch.equal(Combination([Critic(network, *ALL, FREE)], [1.0])(x, z), network(x, z))


def test_each_critic_sees_its_own_columns_and_keeps_its_limits() -> None:
    networks, (x, z) = mlps(2), rows()
    limits = torch.tensor([-0.01, 0.01])
    critics = [
        Critic(networks[0], slice(0, 2), slice(0, 1), limits),
        Critic(networks[1], slice(2, 4), slice(1, 2), FREE),
    ]
    found = Combination(critics, [1.0, 1.0])(torch.cat([x, 3 * x], 1), torch.cat([z, -z], 1))
    expected = networks[0](x, z).clamp(-0.01, 0.01) + networks[1](3 * x, -z)
    assert torch.allclose(found, expected, atol=1e-6)


def test_nothing_is_worth_nothing() -> None:
    networks, (x, z) = mlps(2), rows()
    found = Combination([Critic(n, *ALL, FREE) for n in networks], [0.0, 0.0])(x, z)
    assert torch.equal(found, torch.zeros(20))


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_critic_of_the_wrong_size_is_recalibrated(factor: float) -> None:
    """The log-ratio of x and z with one of its factors known: the weight takes the factor back."""
    n, rho = 20_000, 0.8
    x, noise = torch.randn(2, n, generator=seeded(), dtype=torch.float64)
    z = rho * x + (1 - rho**2) ** 0.5 * noise

    def ratio(z: Tensor) -> Tensor:
        return (2 * rho * x * z - rho**2 * (x**2 + z**2)) / (2 * (1 - rho**2))

    marginal = torch.stack([ratio(z.roll(s)) for s in range(1, 21)])
    (w,) = best_weights(factor * ratio(z)[None], factor * marginal[None])
    assert w == pytest.approx(1 / factor, rel=0.03)
