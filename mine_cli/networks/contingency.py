"""The log-ratio of two discrete variables, from the counts of their pairs."""

import math
from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import xlogy
from torch import Tensor

from mine_cli.networks.interface import Noise, StatisticsNetwork
from mine_cli.networks.layers import inner

__all__ = ["MOST_VALUES", "Contingency", "log_ratios"]

MOST_VALUES, ROWS_A_VALUE = 64, 5  # of either side: at most, and at least
STRENGTHS = np.geomspace(0.1, 1e5, 25)  # of the prior, in rows


class Contingency(StatisticsNetwork):
    r"""A table of log-ratios, one for each pair of values of two discrete variables.

    .. math:: T_{ij} = \log \frac{n_{ij} + \alpha \, p_i q_j}{(n + \alpha) \, p_i q_j}

    with counts n_ij and their margins p and q. The prior of independent variables, worth alpha
    rows, is as strong as leaves each row best predicted by the others. A value that was not fitted
    scores 0.

    Arguments:
        x_values: the different rows of x ``[i, ...]``.
        z_values: those of z ``[j, ...]``.
        scores: T ``[i, j]``.

    References:
        | Estimation of entropy and mutual information: Dirichlet smoothing towards independence
        | Entropy inference and the James-Stein estimator (Hausser and Strimmer, 2009), section 2
    """

    x_values: Tensor
    z_values: Tensor
    scores: Tensor

    def __init__(self, x_values: Tensor, z_values: Tensor, scores: Tensor) -> None:
        super().__init__()
        self.register_buffer("x_values", x_values)
        self.register_buffer("z_values", z_values)
        self.register_buffer("scores", scores)

    @classmethod
    def fit(cls, x: Tensor, z: Tensor) -> "Contingency | None":
        """Fits it to rows x ``[n, ...]`` and z ``[n, ...]``; None where their values are many."""
        (x_values, i), (z_values, j) = (v.unique(dim=0, return_inverse=True) for v in (x, z))
        shape = len(x_values), len(z_values)
        if max(shape) > min(MOST_VALUES, len(x) // ROWS_A_VALUE):
            return None
        pairs = (i * shape[1] + j).bincount(minlength=math.prod(shape)).reshape(shape)
        scores = torch.from_numpy(log_ratios(pairs.cpu().numpy().astype(np.float64)))
        return cls(x_values, z_values, scores.float().to(x.device))

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Returns the network whose `state_dict` this is."""
        return cls(*(state[name] for name in ("x_values", "z_values", "scores")))

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        return one_hot(x, self.x_values) @ self.scores, one_hot(z, self.z_values)

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        return inner(a, b)


def one_hot(rows: Tensor, values: Tensor) -> Tensor:
    """Codes rows ``[n, ...]`` by which of the values they equal ``[n, k]``; none: zeros."""
    return (rows[:, None] == values[None]).flatten(2).all(2).to(torch.float32)


def log_ratios(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns T ``[i, j]`` from counts, in nats."""
    n = counts.sum()
    independent = np.outer(counts.sum(1), counts.sum(0)) / n**2

    def left_out(strength: float) -> float:
        """The mean log-likelihood of each row given the others, up to a constant."""
        others = (counts - 1 + strength * independent).clip(min=1e-300)
        return float(xlogy(counts, others / (n - 1 + strength)).sum())

    strength = max(STRENGTHS, key=left_out)
    return np.log((counts + strength * independent) / ((n + strength) * independent))
