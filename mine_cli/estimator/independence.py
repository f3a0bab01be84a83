"""A permutation test of independence from the scores of a report."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mine_cli.estimator.evaluation import PAIRS_ON_CPU, Evaluation, embed_rows
from mine_cli.networks.interface import StatisticsNetwork

__all__ = ["group_partners", "least_p_value", "means_of_permuted_groups", "p_value"]

PERMUTATIONS = 999


def p_value(parts: Sequence[Evaluation], seed: int = 0) -> float:
    r"""Returns the p-value of the hypothesis that x and z are independent; exact for one fold.

    Under it, with T trained on other rows, shifting the z of a fold's n report rows by s leaves
    the law of their scores as it is. The means of T over the joint pairs and over the pairs of k
    random shifts are then exchangeable. Over several folds one mean of each is drawn at random,
    and the sums are compared. With B = 999 such draws (of a single fold: its k means),

    .. math:: p = \frac{1 + \#\{b : S_b \ge S\}}{1 + B}, \quad
        S = \sum_f \sum_{i \in f} T(x_i, z_i)

    so that p of a single fold is at most alpha in at most a share alpha of independent data. Of
    several it is approximate: each T was trained on rows that other folds report, so that their
    sums depend on one another. For a T that is linear in those rows the sum's variance is twice
    that of the draws: of five folds p <= 0.05 comes to 4 % where T has one direction to learn, 8 %
    with five and 11 % with a hundred. Where rows belong together in groups, whole groups take the
    place of shifts: see `group_partners`.

    Arguments:
        parts: each fold's evaluation on rows that its network never saw, whose ``shift_means``
            are over shifts or over permutations of groups.
        seed: of the draws.

    References:
        | Exact testing with random permutations (Hemerik and Goeman, 2018), theorem 2
        | https://arxiv.org/abs/1411.7565
    """
    generator = torch.Generator().manual_seed(seed)
    observed = sum(part.rows * part.joint_mean for part in parts)
    if len(parts) == 1:
        drawn = parts[0].rows * parts[0].shift_means
    else:
        drawn = sum((drawn_sums(part, generator) for part in parts), torch.zeros(PERMUTATIONS))
    slack = 1e-12 * (1 + abs(observed))  # equal scores, such as a constant T's, are ties
    return (1 + int((drawn >= observed - slack).sum())) / (1 + len(drawn))


def least_p_value(parts: Sequence[Evaluation]) -> float:
    """Returns the smallest p-value that as many comparisons can give."""
    return 1 / (1 + (len(parts[0].shift_means) if len(parts) == 1 else PERMUTATIONS))


def drawn_sums(part: Evaluation, generator: torch.Generator) -> Tensor:
    """Draws sums of T over a fold's rows, as they stand or shifted ``[999]``."""
    means = torch.cat([torch.tensor([part.joint_mean]).double(), part.shift_means.cpu().double()])
    return part.rows * means[torch.randint(len(means), (PERMUTATIONS,), generator=generator)]


def means_of_permuted_groups(
    network: StatisticsNetwork, x: Tensor, z: Tensor, groups: Tensor, num: int, seed: int = 0
) -> Tensor:
    """Returns the mean of T over the pairs of each of num permutations of groups ``[num]``."""
    a, b = embed_rows(network, x, z)
    means = []
    for partners in group_partners(groups.cpu(), num, seed):
        total = torch.zeros((), dtype=torch.float64)
        for start in range(0, len(a), PAIRS_ON_CPU):
            some = slice(start, start + PAIRS_ON_CPU)
            total += network.head(a[some], b[partners[some].to(b.device)]).double().sum().cpu()
        means.append(total / len(a))
    return torch.stack(means)


def group_partners(groups: Tensor, num: int, seed: int = 0) -> Tensor:
    r"""Draws the rows whose z takes the place of each row's own, num times: ``[num, n]``.

    Whole groups exchange their z: the row at place p of a group of n_g rows gets the row at place
    floor(p n_h / n_g) of another group of n_h. Where x and z of a group are independent of one
    another this changes nothing about groups of one size, however the rows within depend on one
    another, so that the test is exact; of unlike sizes it is exact if z tells nothing of the size.

    Arguments:
        groups: a label for each row ``[n]``.
        num: how many permutations.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    _, label, sizes = groups.unique(return_inverse=True, return_counts=True)
    rows = label.argsort(stable=True)
    starts = sizes.cumsum(0) - sizes
    place = torch.empty_like(rows)
    place[rows] = torch.arange(len(rows)) - starts.repeat_interleave(sizes)
    others = [torch.randperm(len(sizes), generator=generator)[label] for _ in range(num)]
    return torch.stack([rows[starts[h] + place * sizes[h] // sizes[label]] for h in others])
