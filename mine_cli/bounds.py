"""Variational bounds on mutual information, in nats: functions of scores, and what each trains.

Scores: ``t_joint`` [n] are T(x_i, z_i); ``t_marginal`` [n, k] are T(x_i, z_j) with k partners
drawn from the product of marginals, row by row. Every bound gives three scalars: **loss** (what
the statistics network descends), **value** (what is reported) and **objective** (what an encoder
or a generator moves). By default ``objective = value`` and ``loss = -value``.
All of it runs under ``torch.func.functional_call`` and ``vmap``: no branch looks at the data.
"""

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from mine_cli.errors import BadInput

__all__ = [
    "DV",
    "InfoNCE",
    "JensenShannon",
    "Mine",
    "MineF",
    "Smile",
    "Tuba",
    "donsker_varadhan",
    "f_divergence",
    "infonce",
    "jensen_shannon",
    "log_mean_exp",
    "smile",
    "tuba",
]


def wide(t: Tensor) -> Tensor:
    """The same numbers in float64 (float32 on mps, which has no wider), for sums of e^T."""
    return t.to(torch.float32 if t.device.type == "mps" else torch.float64)


def log_mean_exp(t: Tensor) -> Tensor:
    r""":math:`\log \frac{1}{N} \sum_i e^{t_i}` over all N scores, scalar, without overflow."""
    return wide(t).reshape(-1).logsumexp(0) - math.log(t.numel())


def donsker_varadhan(t_joint: Tensor, t_marginal: Tensor) -> Tensor:
    r"""Donsker-Varadhan bound: a lower bound on the mutual information in nats, without a ceiling.

    .. math:: I(X; Z) \ge E_{p(x,z)}[T] - \log E_{p(x)p(z)}[e^T]

    Tight at T = log-ratio + any constant. Weakness: the log of a sample mean is biased, so a
    batch's value is too high on average and its gradient biased; the variance grows like e^I.

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), eq. 10
        | https://arxiv.org/abs/1801.04062
    """
    return wide(t_joint).mean() - log_mean_exp(t_marginal)


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
    return wide(t_joint).mean() + 1 - log_baseline - above.exp()


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
    if t_marginal.dim() != 2 or t_joint.shape != t_marginal.shape[:1]:
        raise BadInput(
            f"infonce: scores must be [n] and [n, k], "
            f"not {list(t_joint.shape)} and {list(t_marginal.shape)}"
        )
    joint = wide(t_joint)
    candidates = torch.logaddexp(joint, wide(t_marginal).logsumexp(1))
    return (joint - candidates).mean() + math.log(t_marginal.shape[1] + 1)


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
    return joint.mean() - marginal.mean() + math.log(4)


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
    return wide(t_joint).mean() - log_mean_exp(t_marginal.clamp(-clip, clip))


class PairBound(nn.Module):
    """A bound whose product term depends on one number, the log-mean-exp of the marginal scores.

    ``value = mean(t_joint) + marginal_term(log_mean_exp(marginal_scores(t_marginal)))``, so an
    evaluator can stream any number of pairs through one running log-sum-exp.
    """

    needs: ClassVar[Literal["pairs", "matrix"]] = "pairs"
    is_lower_bound: ClassVar[bool] = True
    has_ceiling: ClassVar[bool] = False

    def marginal_scores(self, t: Tensor) -> Tensor:
        """What is exponentiated of the marginal scores, in any shape."""
        return t

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        """What the product of marginals adds to the value, given log mean e^T."""
        raise NotImplementedError

    def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """The number to report, in nats, scalar."""
        log_mean = log_mean_exp(self.marginal_scores(t_marginal))
        return wide(t_joint).mean() + self.marginal_term(log_mean)

    def objective(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """What an encoder or generator moves, scalar."""
        return self.value(t_joint, t_marginal)

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """What the statistics network descends, scalar."""
        return -self.value(t_joint, t_marginal)


class DV(PairBound):
    """:func:`donsker_varadhan`, its biased batch gradient uncorrected."""

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        return -log_mean


class Mine(DV):
    r"""Donsker-Varadhan, trained with the bias-corrected gradient of the MINE paper.

    The denominator of the batch gradient is an exponential moving average over batches,

    .. math:: \bar e \leftarrow (1 - r)\,\bar e + r\,\mathrm{mean}(e^T), \quad
        \nabla L = -\mathrm{mean}(\nabla T_\mathrm{joint})
        + \mathrm{mean}(e^T \nabla T_\mathrm{marginal}) / \bar e

    ``loss`` alone moves the average, this batch first; its own value is no estimate of anything.
    With rate 1 the gradient is that of :class:`DV`. Weakness: a stale average after T has grown.

    Arguments:
        rate: r in (0, 1]; the paper names none.
        start: E[e^T] before the first batch; None starts at the first batch's own mean.

    Raises:
        BadInput: when rate or start is out of range.

    References:
        | Belghazi et al., 2018, section 3.2 and eq. 12 https://arxiv.org/abs/1801.04062
    """

    log_ema: Tensor
    started: Tensor

    def __init__(self, rate: float = 0.01, start: float | None = None) -> None:
        super().__init__()
        if not 0 < rate <= 1:
            raise BadInput(f"bound mine: rate must be above 0 and at most 1, not {rate}")
        if start is not None and not 0 < start < math.inf:
            raise BadInput(f"bound mine: start must be a positive number or null, not {start}")
        self.log_rate = math.log(rate)
        self.log_keep = math.log1p(-rate) if rate < 1 else -math.inf
        self.register_buffer("log_ema", torch.tensor(math.log(start or 1.0)))
        self.register_buffer("started", torch.tensor(start is not None))

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        log_mean = log_mean_exp(t_marginal)
        # This batch is in the average, so the ratio is at most 1 / rate and cannot overflow.
        return (log_mean - self.moving_average(log_mean.detach())).exp() - wide(t_joint).mean()

    def moving_average(self, batch: Tensor) -> Tensor:
        """The log of the average with this batch (log mean e^T, scalar) in it; updates buffers."""
        moved = torch.logaddexp(wide(self.log_ema) + self.log_keep, batch + self.log_rate)
        log_ema = torch.where(self.started, moved, batch)
        self.log_ema.copy_(log_ema)
        self.started.fill_(True)
        return log_ema


class MineF(PairBound):
    """:func:`f_divergence`, also called NWJ and MINE-f."""

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        return -(log_mean - 1).exp()


class Tuba(PairBound):
    """:func:`tuba` with a log-baseline that is learned with T; ``baseline`` is where it begins.

    Raises:
        BadInput: when baseline is not finite.
    """

    def __init__(self, baseline: float = 1.0) -> None:
        super().__init__()
        if not math.isfinite(baseline):
            raise BadInput(f"bound tuba: baseline (a logarithm) must be finite, not {baseline}")
        self.log_baseline = nn.Parameter(torch.tensor(float(baseline)))

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        return 1 - self.log_baseline - (log_mean - self.log_baseline).exp()


class JensenShannon(PairBound):
    """Trained on :func:`jensen_shannon`; its value is :func:`f_divergence` at T + 1.

    The optimal T is the log-ratio, so T + 1 is optimal for the f-divergence bound: value is a
    lower bound on the MI, but one that T was not trained for, so expect a large variance.

    References:
        | On Variational Bounds of Mutual Information (Poole et al., 2019), section 2
    """

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        return 1 - log_mean.exp()

    def objective(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return jensen_shannon(t_joint, t_marginal)

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return -jensen_shannon(t_joint, t_marginal)


class Smile(PairBound):
    """:func:`smile`, **not** a lower bound; T is trained on :func:`jensen_shannon`.

    So its authors train it: the clipped value alone is unbounded above in T.

    Raises:
        BadInput: when clip is not positive.
    """

    is_lower_bound = False

    def __init__(self, clip: float = 5.0) -> None:
        super().__init__()
        if not clip > 0:
            raise BadInput(f"bound smile: clip must be positive, not {clip}")
        self.clip = clip

    def marginal_scores(self, t: Tensor) -> Tensor:
        return t.clamp(-self.clip, self.clip)

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        return -log_mean

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return -jensen_shannon(t_joint, t_marginal)


class InfoNCE(nn.Module):
    """:func:`infonce`; every row is scored against a group of others, hence the score matrix."""

    needs: ClassVar[Literal["pairs", "matrix"]] = "matrix"
    is_lower_bound: ClassVar[bool] = True
    has_ceiling: ClassVar[bool] = True

    def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """The number to report, in nats, scalar; at most log(k + 1)."""
        return infonce(t_joint, t_marginal)

    def objective(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """What an encoder or generator moves, scalar."""
        return infonce(t_joint, t_marginal)

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """What the statistics network descends, scalar."""
        return -infonce(t_joint, t_marginal)
