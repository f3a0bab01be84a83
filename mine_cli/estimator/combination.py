r"""Several critics as one: the weighted sum of their scores, by weights that held-out rows choose.

Donsker and Varadhan's bound is concave in T, and so in the weights of T = sum_m w_m T_m: finding
the best ones is a convex problem of a few numbers, which chooses, averages and recalibrates the
critics in one.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from torch import Tensor, nn

from mine_cli.networks.interface import Noise, StatisticsNetwork, as_network

__all__ = ["Combination", "Critic", "best_weights", "columns"]

Floats = NDArray[np.float64]

PULL = 30.0  # towards the critics that are often the best, in rows: see `best_weights`
DRAWS = 100  # of the Bayesian bootstrap


class Critic(nn.Module):
    """A critic among several: its network, the columns that it sees, and the scores that it knows.

    Arguments:
        network: any statistics network.
        x_columns, z_columns: its part of the columns of x and of z.
        limits: the least and the largest score on rows that it was fitted on, which bound what it
            says of rows unlike them.
    """

    limits: Tensor

    def __init__(
        self, network: nn.Module, x_columns: slice, z_columns: slice, limits: Tensor
    ) -> None:
        super().__init__()
        self.network = as_network(network)
        self.x_columns, self.z_columns = x_columns, z_columns
        self.register_buffer("limits", limits)

    def embed(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.embed(x[:, self.x_columns], z[:, self.z_columns])

    def head(self, a: Tensor, b: Tensor) -> Tensor:
        return self.network.head(a, b).clamp(self.limits[0], self.limits[1])


class Combination(StatisticsNetwork):
    r"""The weighted sum of several critics' scores, :math:`T = \sum_m w_m T_m`.

    Arguments:
        critics: at least one; those of weight 0 are left out.
        weights: w ``[m]``.
    """

    def __init__(self, critics: Sequence[Critic], weights: Sequence[float]) -> None:
        super().__init__()
        kept = [m for m, w in enumerate(weights) if w] or [0]
        self.critics = nn.ModuleList([critics[m] for m in kept])
        self.weights = [float(weights[m]) for m in kept]
        self.widths: tuple[list[int], list[int]] = ([], [])

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        pairs = [critic.embed(x, z) for critic in self.members]
        self.widths = ([a.shape[-1] for a, _ in pairs], [b.shape[-1] for _, b in pairs])
        return torch.cat([a for a, _ in pairs], -1), torch.cat([b for _, b in pairs], -1)

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        parts = zip(
            self.weights,
            self.members,
            a.split(self.widths[0], -1),
            b.split(self.widths[1], -1),
            strict=True,
        )
        scores = [w * critic.head(own_a, own_b) for w, critic, own_a, own_b in parts]
        return torch.stack(scores).sum(0)

    @property
    def members(self) -> list[Critic]:
        return [critic for critic in self.critics if isinstance(critic, Critic)]


def columns(view: int, widths: Sequence[int]) -> tuple[slice, slice]:
    """Returns where one view of x and of z lies among views side by side, of so many columns."""
    x, z = (slice(view * width, (view + 1) * width) for width in widths)
    return x, z


def best_weights(t_joint: Tensor, t_marginal: Tensor) -> Floats:
    r"""Returns the weights w ``[m]``, at least 0, that raise the bound on held-out rows the most.

    .. math:: \max_{w \ge 0} \; \frac1n \sum_i w^\top t_{ii}
        - \log \operatorname{mean} e^{w^\top t} - \frac{30}{2 n} |w - p|^2

    The last term pulls towards p, how often each critic would be the best one (see
    `how_often_best`), so that few rows neither mix in noise nor bet on one critic that is hardly
    better than the next: it weighs as much as thirty rows of n.

    Arguments:
        t_joint: scores of the joint pairs ``[m, n]`` of n rows that no critic was trained on.
        t_marginal: those of the marginal pairs ``[m, k, n]``.
    """
    joint = t_joint.double().mean(1).cpu().numpy()
    marginal = t_marginal.double().flatten(1).cpu().numpy()
    strength = PULL / t_joint.shape[1]
    usual = how_often_best(t_joint, t_marginal)

    def loss(w: Floats) -> tuple[float, Floats]:
        scores = w @ marginal
        log_sum = logsumexp(scores)
        slope = marginal @ np.exp(scores - log_sum) - joint + strength * (w - usual)
        away = float(np.square(w - usual).sum())
        value = log_sum - np.log(len(scores)) - w @ joint + strength / 2 * away
        return float(value), slope

    found = minimize(loss, usual, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(usual))
    return np.asarray(found.x)


def how_often_best(t_joint: Tensor, t_marginal: Tensor) -> Floats:
    """Returns the share of redraws of the rows in which each critic has the largest bound ``[m]``.

    A redraw gives the n rows weights from the flat Dirichlet law; the redraws are the same ones
    for the same n.

    Arguments:
        t_joint, t_marginal: as of `best_weights`.

    References:
        | The Bayesian bootstrap (Rubin, 1981)
        | Using stacking to average Bayesian predictive distributions (Yao, Vehtari, Simpson and
        | Gelman, 2018), section 3.4, which weighs models so https://arxiv.org/abs/1704.02030
    """
    joint, marginal = (t.double().cpu().numpy() for t in (t_joint, t_marginal))
    most = marginal.max((1, 2))
    of_rows = np.exp(marginal - most[:, None, None]).mean(1)
    random, wins = np.random.default_rng(0), np.zeros(len(joint))
    for _ in range(DRAWS):
        share = random.dirichlet(np.ones(joint.shape[1]))
        wins[np.argmax(joint @ share - np.log(of_rows @ share) - most)] += 1
    return wins / DRAWS
