"""A permutation test of independence from the scores of a report."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mine_cli.estimator.evaluation import Evaluation

__all__ = ["least_p_value", "p_value"]

PERMUTATIONS = 999


def p_value(parts: Sequence[Evaluation], seed: int = 0) -> float:
    r"""Returns the p-value of the hypothesis that x and z are independent, exact at every n.

    Under it, with T trained on other rows, shifting the z of a fold's n report rows by s leaves
    the law of their scores as it is. The means of T over the joint pairs and over the pairs of k
    random shifts are then exchangeable; so are their sums over folds, one mean of each drawn at
    random. With B = 999 such draws (of a single fold: its k means),

    .. math:: p = \frac{1 + \#\{b : S_b \ge S\}}{1 + B}, \quad
        S = \sum_f \sum_{i \in f} T(x_i, z_i)

    so that p is at most alpha in at most a share alpha of independent data.

    Arguments:
        parts: each fold's evaluation on rows that its network never saw.
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
