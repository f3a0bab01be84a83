"""The p-value of independence from the moments of all permutations, and q-values of many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.stats import false_discovery_control, pearson3

from mine_cli.data.tables import Array

__all__ = ["Null", "null_given", "null_of", "p_value", "q_values"]

LEAST = 1e-300  # less is no float64

# The sum over folds under independence varies twice as much as its parts say: see `p_value`.
FOLDS_TELL_TWICE = 2.0


@dataclass(frozen=True)
class Null:
    """The sum of T over the report rows of a fold, and its moments over all permutations of z.

    Arguments:
        found: the sum over the rows as they stand.
        mean, variance, third: of the permutations; the third central moment.
    """

    found: float
    mean: float
    variance: float
    third: float


def null_of(scores: Array, x: Array, z: Array) -> Null:
    r"""Returns the moments of :math:`S_\pi = \sum_i T(x_i, z_{\pi(i)})` over all permutations.

    With :math:`d_{ij} = T_{ij} - \bar T_{i \cdot} - \bar T_{\cdot j} + \bar T` over the n rows of
    x and of z,

    .. math:: E S_\pi = n \bar T, \quad \mu_2 = \frac{1}{n - 1} \sum_{ij} d_{ij}^2, \quad
        \mu_3 = \frac{n}{(n - 1)(n - 2)} \sum_{ij} d_{ij}^3

    Arguments:
        scores: T ``[cells of x, cells of z]``, fitted on other rows.
        x: the cell of each row ``[n]``, at least two.
        z: the same of z.

    References:
        | A combinatorial central limit theorem (Hoeffding, 1951), equations 9 to 13
    """
    n = len(x)
    share_x = np.bincount(x, minlength=scores.shape[0]) / n
    share_z = np.bincount(z, minlength=scores.shape[1]) / n
    rows, columns = scores @ share_z, share_x @ scores
    mean = share_x @ rows
    apart = scores - rows[:, None] - columns[None] + mean
    second, third = (share_x @ apart**power @ share_z for power in (2, 3))
    return Null(
        found=float(scores[x, z].sum()),
        mean=float(n * mean),
        variance=float(n**2 * second / (n - 1)),
        third=float(n**3 * third / ((n - 1) * (n - 2))) if n > 2 else 0.0,  # of two: symmetric
    )


def null_given(scores: Array, x: Array, w: Array, z: Array) -> Null:
    """Returns the moments over all permutations of z within each cell of w.

    Those of several cells are independent, so that their moments add. A cell of one row has none.

    Arguments:
        scores: T ``[cells of x, cells of w, cells of z]``, fitted on other rows.
        x, w, z: the cell of each row ``[n]``.
    """
    cells, counts = np.unique(w, return_counts=True)
    here = [(cell, w == cell) for cell in cells[counts > 1]]
    nulls = [null_of(scores[:, cell], x[rows], z[rows]) for cell, rows in here]
    return Null(*(math.fsum(vars(null)[f.name] for null in nulls) for f in fields(Null)))


def p_value(parts: Sequence[Null]) -> float:
    r"""Returns the probability that permutations of z give as large a sum of T, or a larger one.

    The law of the sum over permutations is taken for Pearson's of type III with its moments. Of
    several folds, each of which is scored by a T that others have fitted, any two tell the same in
    both directions: under independence the variance of their sum is twice the sum of their
    variances, exactly so where T answers linearly to the rows that it was fitted on. A negative
    skewness, which would shorten the tail, is left out.

    References:
        | Permutation Methods: A Distance Function Approach (Mielke and Berry, 2007), section 2.3
    """
    variance = sum(part.variance for part in parts)
    excess = sum(part.found - part.mean for part in parts)
    if variance <= 0:
        return 1.0
    skewness = max(0.0, sum(part.third for part in parts) / variance**1.5)
    twice = FOLDS_TELL_TWICE if len(parts) > 1 else 1.0
    found = float(pearson3.sf(excess / math.sqrt(twice * variance), skewness))
    return min(1.0, max(found, LEAST))


def q_values(p_values: Sequence[float]) -> list[float]:
    r"""Returns the least rate of false discoveries at which each would be one.

    .. math:: q_{(i)} = \min_{j \ge i} \frac{m \, p_{(j)}}{j}

    References:
        | Controlling the false discovery rate (Benjamini and Hochberg, 1995)
    """
    return [] if not p_values else false_discovery_control(p_values, method="bh").tolist()
