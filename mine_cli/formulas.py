"""Bounds on mutual information as pure functions of scores, in nats.

``t_joint`` [n] are T(x_i, z_i); ``t_marginal`` [n, k] are T(x_i, z_j) with k partners drawn from
the product of marginals, row by row. Every function gives a scalar in float64 (see `wide`).
Scores of R networks, [R, n] and [R, n, k], give R of them: leading dimensions stay.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from mine_cli.errors import BadInput

__all__ = [
    "donsker_varadhan",
    "f_divergence",
    "infonce",
    "jensen_shannon",
    "log_mean_exp",
    "smile",
    "tuba",
    "wide",
]


def wide(t: Tensor) -> Tensor:
    """The same numbers in float64 (float32 on mps, which has no wider), for sums of e^T."""
    return t.to(torch.float32 if t.device.type == "mps" else torch.float64)


def log_mean_exp(t: Tensor) -> Tensor:
    r""":math:`\log \frac{1}{N} \sum_i e^{t_i}` over the N = n k scores ``[n, k]``, scalar.

    It does not overflow.
    """
    return wide(t).logsumexp((-2, -1)) - math.log(t.shape[-2] * t.shape[-1])


def donsker_varadhan(t_joint: Tensor, t_marginal: Tensor) -> Tensor:
    r"""Donsker-Varadhan bound: a lower bound on the mutual information in nats, without a ceiling.

    .. math:: I(X; Z) \ge E_{p(x,z)}[T] - \log E_{p(x)p(z)}[e^T]

    Tight at T = log-ratio + any constant. Weakness: the log of a sample mean is biased, so a
    batch's value is too high on average and its gradient biased; the variance grows like e^I.

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), eq. 10
        | https://arxiv.org/abs/1801.04062
    """
    return wide(t_joint).mean(-1) - log_mean_exp(t_marginal)


def f_divergence(t_joint: Tensor, t_marginal: Tensor) -> Tensor:
    r"""f-divergence bound (NWJ, MINE-f): a lower bound in nats, without a ceiling.

    .. math:: I(X; Z) \ge E_{p(x,z)}[T] - E_{p(x)p(z)}[e^{T - 1}]

    Tight at T = log-ratio + 1. Unbiased, value and gradient, but never above Donsker-Varadhan at
    the same T, and its variance grows like e^I too: one large score sinks it.

    References:
        | Estimating Divergence Functionals and the Likelihood Ratio by Convex Risk Minimization
        | (Nguyen, Wainwright & Jordan, 2010) https://arxiv.org/abs/0809.0853
        | as MINE-f in Belghazi et al., 2018, section 2.2
    """
    return tuba(t_joint, t_marginal, 1.0)


def tuba(t_joint: Tensor, t_marginal: Tensor, log_baseline: Tensor | float) -> Tensor:
    r"""Unnormalised Barber-Agakov bound with one baseline :math:`e^a`: a lower bound, no ceiling.

    .. math:: I(X; Z) \ge E_{p(x,z)}[T] + 1 - a - E_{p(x)p(z)}[e^{T - a}]

    Tight at T = log-ratio + a. A baseline that fits (a = log E e^T makes it Donsker-Varadhan)
    spares T the search for its constant; the variance is that of the f-divergence bound (a = 1).

    References:
        | On Variational Bounds of Mutual Information (Poole et al., 2019), section 2
        | https://arxiv.org/abs/1905.06922
    """
    above = log_mean_exp(t_marginal) - log_baseline
    return wide(t_joint).mean(-1) + 1 - log_baseline - above.exp()


def infonce(t_joint: Tensor, t_marginal: Tensor) -> Tensor:
    r"""InfoNCE: a lower bound in nats with the ceiling log(k + 1), k partners a row.

    .. math:: I(X; Z) \ge E\Big[\frac{1}{n} \sum_i T_{ii}
        - \log \frac{1}{k + 1} \big(e^{T_{ii}} + \sum_j e^{T_{ij}}\big)\Big]

    The joint pair counts among its own k + 1 candidates. Tight as k grows, at T = log-ratio + any
    function of x. Low variance; weakness: it cannot exceed the ceiling, whatever the truth.

    Raises:
        BadInput: when ``t_marginal`` is not [n, k] with the n of ``t_joint``.

    References:
        | Representation Learning with Contrastive Predictive Coding (van den Oord et al., 2018),
        | eq. 4 https://arxiv.org/abs/1807.03748
    """
    if t_joint.dim() < 1 or t_joint.shape != t_marginal.shape[:-1]:
        raise BadInput(
            f"infonce: scores must be [n] and [n, k], "
            f"not {list(t_joint.shape)} and {list(t_marginal.shape)}"
        )
    joint = wide(t_joint)
    candidates = torch.logaddexp(joint, wide(t_marginal).logsumexp(-1))
    return (joint - candidates).mean(-1) + math.log(t_marginal.shape[-1] + 1)


def jensen_shannon(t_joint: Tensor, t_marginal: Tensor) -> Tensor:
    r"""Jensen-Shannon objective: a lower bound on 2 JSD(joint || product), not on the MI.

    .. math:: 2\,\mathrm{JSD} \ge E_{p(x,z)}[-\mathrm{sp}(-T)] - E_{p(x)p(z)}[\mathrm{sp}(T)]
        + \log 4, \quad \mathrm{sp}(t) = \log(1 + e^t)

    Between minus infinity and log 4 nats. Tight at T = log-ratio. Trains steadily since no
    exponential of T is averaged; weakness: it saturates, so a large MI hardly moves it.

    References:
        | Learning Deep Representations by Mutual Information Estimation and Maximization
        | (Hjelm et al., 2019), eq. 4 (without log 4) https://arxiv.org/abs/1808.06670
    """
    joint, marginal = -softplus(-wide(t_joint)), softplus(wide(t_marginal))
    return joint.mean(-1) - marginal.mean((-2, -1)) + math.log(4)


def smile(t_joint: Tensor, t_marginal: Tensor, clip: float) -> Tensor:
    r"""SMILE: Donsker-Varadhan with e^T clipped in its second term; **not** a lower bound. Nats.

    .. math:: \hat I = E_{p(x,z)}[T]
        - \log E_{p(x)p(z)}[\mathrm{clip}(e^T, e^{-\tau}, e^{\tau})]

    The clip (tau) bounds the variance and costs a bias: even under the true log-ratio it misses
    the MI, in either direction, and a T above tau everywhere raises it without limit. No ceiling.

    References:
        | Understanding the Limitations of Variational Mutual Information Estimators
        | (Song & Ermon, 2020), "Improved MI estimation via clipped density ratios"
        | https://arxiv.org/abs/1910.06222
    """
    return wide(t_joint).mean(-1) - log_mean_exp(t_marginal.clamp(-clip, clip))
