"""Bounds on mutual information as modules: what each trains, reports and moves.

From scores ``t_joint`` [n] = T(x_i, z_i) and ``t_marginal`` [n, k] = T(x_i, z_j), with k partners
z_j a row drawn from the product of marginals, every bound gives three scalars in nats:
**loss** (what the statistics network descends), **value** (what is reported) and **objective**
(what an encoder or a generator moves). They are float64 (see `wide`). All of it runs under
``torch.func.functional_call``, on scores ``[R, n]`` and ``[R, n, k]`` as well, with parameters and
buffers ``[R]``: no branch looks at the data.
"""

import math
from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from mine_cli.errors import BadInput

__all__ = [
    "BOUNDS", "DV", "Bound", "InfoNCE", "JensenShannon", "Mine", "MineF", "OneFormula",
    "PairBound", "Smile", "Tuba", "as_bound", "jensen_shannon", "log_mean_exp", "loss_and_value",
]  # fmt: skip


class Bound(nn.Module):
    """A bound on mutual information: ``value``, and by default ``objective = value = -loss``.

    Attributes:
        needs: What it is computed from: marginal ``pairs``, or the score ``matrix`` of groups.
        is_lower_bound: Whether the value is a lower bound on the mutual information.
        has_ceiling: Whether the value cannot exceed a number that depends on k alone.
        at_independence: The best T where x and z have nothing in common.
    """

    needs: Literal["pairs", "matrix"] = "pairs"
    is_lower_bound: bool = True
    has_ceiling: bool = False
    at_independence: float = 0.0

    def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """Returns the number to report, in nats, scalar."""
        raise NotImplementedError

    def objective(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """Returns what an encoder or generator moves, scalar."""
        return self.value(t_joint, t_marginal)

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """Returns what the statistics network descends, scalar."""
        return -self.value(t_joint, t_marginal)


class PairBound(Bound):
    """A bound whose product term depends on one number, the log-mean-exp of the marginal scores.

    ``value = mean(t_joint) + marginal_term(log_mean_exp(marginal_scores(t_marginal)))``, so an
    evaluator can stream any number of pairs through one running log-sum-exp.
    """

    def marginal_scores(self, t: Tensor) -> Tensor:
        """Returns what is exponentiated of the marginal scores, in any shape."""
        return t

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        """Returns what the product of marginals adds to the value, given log mean e^T."""
        raise NotImplementedError

    def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        log_mean = log_mean_exp(self.marginal_scores(t_marginal))
        return wide(t_joint).mean(-1) + self.marginal_term(log_mean)


class DV(PairBound):
    r"""Donsker-Varadhan bound: a lower bound on the mutual information in nats, without a ceiling.

    .. math:: I(X; Z) \ge E_{p(x,z)}[T] - \log E_{p(x)p(z)}[e^T]

    Tight at T = log-ratio + any constant. Weakness: the log of a sample mean is biased, so a
    batch's value is too high on average and its gradient, here uncorrected, biased; the variance
    grows like e^I.

    Example:
        >>> t_joint, t_marginal = torch.tensor([1.0, 3.0]), torch.zeros(2, 5)
        >>> DV().value(t_joint, t_marginal).item()  # mean(t_joint) - log mean exp(t_marginal)
        2.0

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), eq. 10
        | https://arxiv.org/abs/1801.04062
    """

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

    Example:
        >>> bound, scores = Mine(rate=0.1), (torch.ones(4), torch.zeros(4, 2))
        >>> bound.value(*scores).item()  # Donsker-Varadhan
        1.0
        >>> bound.loss(*scores).item()  # what is descended; no estimate of anything
        0.0

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
        return self.loss_and_value(t_joint, t_marginal)[0]

    def loss_and_value(self, t_joint: Tensor, t_marginal: Tensor) -> tuple[Tensor, Tensor]:
        """Returns ``loss``, and ``value`` without a gradient, from one sum of e^T."""
        t_joint, t_marginal = wide(t_joint).mean(-1), wide(t_marginal)
        log_mean = log_mean_exp(t_marginal.detach())
        log_ema = self.moving_average(log_mean)
        # This batch is in the average, so the ratio is at most 1 / rate and cannot overflow.
        ratio = (t_marginal - log_ema[..., None, None]).exp().mean((-2, -1))
        return ratio - t_joint, t_joint.detach() - log_mean

    def moving_average(self, batch: Tensor) -> Tensor:
        """Updates the average by a batch (log mean e^T, scalar) and returns its log."""
        moved = torch.logaddexp(wide(self.log_ema) + self.log_keep, batch + self.log_rate)
        log_ema = torch.where(self.started, moved, batch)
        self.log_ema.copy_(log_ema)
        self.started.fill_(True)
        return log_ema


class MineF(PairBound):
    r"""f-divergence bound (NWJ, MINE-f): a lower bound in nats, without a ceiling.

    .. math:: I(X; Z) \ge E_{p(x,z)}[T] - E_{p(x)p(z)}[e^{T - 1}]

    Tight at T = log-ratio + 1. Unbiased, value and gradient, but never above Donsker-Varadhan at
    the same T, and its variance grows like e^I too: one large score sinks it.

    Example:
        >>> MineF().value(torch.ones(4), torch.ones(4, 2)).item()  # constant: at independence
        0.0

    References:
        | Estimating Divergence Functionals and the Likelihood Ratio by Convex Risk Minimization
        | (Nguyen, Wainwright & Jordan, 2010) https://arxiv.org/abs/0809.0853
        | as MINE-f in Belghazi et al., 2018, section 2.2
    """

    at_independence = 1.0

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        return -(log_mean - 1).exp()


class Tuba(PairBound):
    r"""Unnormalised Barber-Agakov bound with one baseline :math:`e^a`: a lower bound, no ceiling.

    .. math:: I(X; Z) \ge E_{p(x,z)}[T] + 1 - a - E_{p(x)p(z)}[e^{T - a}]

    Tight at T = log-ratio + a; a is learned with T. A baseline that fits (a = log E e^T makes it
    Donsker-Varadhan) spares T the search for its constant; the variance is that of the
    f-divergence bound (a = 1).

    Arguments:
        baseline: Where a begins.

    Raises:
        BadInput: when baseline is not finite.

    Example:
        >>> bound, scores = Tuba(baseline=0.0), (torch.zeros(4), torch.zeros(4, 2))
        >>> bound.value(*scores).item()
        0.0
        >>> [name for name, _ in bound.named_parameters()]
        ['log_baseline']

    References:
        | On Variational Bounds of Mutual Information (Poole et al., 2019), section 2
        | https://arxiv.org/abs/1905.06922
    """

    def __init__(self, baseline: float = 1.0) -> None:
        super().__init__()
        if not math.isfinite(baseline):
            raise BadInput(f"bound tuba: baseline (a logarithm) must be finite, not {baseline}")
        self.log_baseline = nn.Parameter(torch.tensor(float(baseline)))
        self.at_independence = float(baseline)

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        return 1 - self.log_baseline - (log_mean - self.log_baseline).exp()


class JensenShannon(PairBound):
    """The f-divergence bound (:class:`MineF`) at T + 1, of a T trained on :func:`jensen_shannon`.

    The T that is optimal there is the log-ratio, so T + 1 is optimal for the f-divergence bound:
    value is a lower bound on the MI, but one that T was not trained for, so expect a large
    variance.

    Example:
        >>> bound, scores = JensenShannon(), (torch.full((4,), 9.0), torch.full((4, 2), -9.0))
        >>> round(bound.objective(*scores).item(), 2)  # at most log 4
        1.39
        >>> round(bound.value(*scores).item(), 2)  # 1 + mean(t_joint) - mean exp(t_marginal)
        10.0

    References:
        | On Variational Bounds of Mutual Information (Poole et al., 2019), section 2
    """

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        return 1 - log_mean.exp()

    def objective(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return jensen_shannon(t_joint, t_marginal)

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return -jensen_shannon(t_joint, t_marginal)


class Smile(DV):
    r"""SMILE: Donsker-Varadhan with e^T clipped in its second term; **not** a lower bound. Nats.

    .. math:: \hat I = E_{p(x,z)}[T]
        - \log E_{p(x)p(z)}[\mathrm{clip}(e^T, e^{-\tau}, e^{\tau})]

    The clip (tau) bounds the variance and costs a bias: even under the true log-ratio it misses
    the MI, in either direction, and a T above tau everywhere raises it without limit. No ceiling.
    As by its authors T is trained on :func:`jensen_shannon`.

    Arguments:
        clip: tau.

    Raises:
        BadInput: when clip is not positive.

    Example:
        >>> Smile(clip=2.0).value(torch.zeros(4), torch.full((4, 2), -9.0)).item()
        2.0

    References:
        | Understanding the Limitations of Variational Mutual Information Estimators
        | (Song & Ermon, 2020), "Improved MI estimation via clipped density ratios"
        | https://arxiv.org/abs/1910.06222
    """

    is_lower_bound = False

    def __init__(self, clip: float = 5.0) -> None:
        super().__init__()
        if not clip > 0:
            raise BadInput(f"bound smile: clip must be positive, not {clip}")
        self.clip = clip

    def marginal_scores(self, t: Tensor) -> Tensor:
        return t.clamp(-self.clip, self.clip)

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return -jensen_shannon(t_joint, t_marginal)


class InfoNCE(Bound):
    r"""InfoNCE: a lower bound in nats with the ceiling log(k + 1), k partners a row.

    .. math:: I(X; Z) \ge E\Big[\frac{1}{n} \sum_i T_{ii}
        - \log \frac{1}{k + 1} \big(e^{T_{ii}} + \sum_j e^{T_{ij}}\big)\Big]

    The joint pair counts among its own k + 1 candidates: every row is scored against a group of
    others. Tight as k grows, at T = log-ratio + any function of x. Low variance; weakness: it
    cannot exceed the ceiling, whatever the truth.

    Example:
        >>> t_joint, t_marginal = torch.full((4,), 100.0), torch.zeros(4, 3)
        >>> round(InfoNCE().value(t_joint, t_marginal).item(), 4)  # the ceiling, log(3 + 1)
        1.3863

    Raises:
        BadInput: when ``t_marginal`` is not [n, k] with the n of ``t_joint``.

    References:
        | Representation Learning with Contrastive Predictive Coding (van den Oord et al., 2018),
        | eq. 4 https://arxiv.org/abs/1807.03748
    """

    needs = "matrix"
    has_ceiling = True

    def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        if t_joint.dim() < 1 or t_joint.shape != t_marginal.shape[:-1]:
            raise BadInput(
                f"infonce: scores must be [n] and [n, k], "
                f"not {list(t_joint.shape)} and {list(t_marginal.shape)}"
            )
        joint = wide(t_joint)
        candidates = torch.logaddexp(joint, wide(t_marginal).logsumexp(-1))
        return (joint - candidates).mean(-1) + math.log(t_marginal.shape[-1] + 1)


class OneFormula(Bound):
    """A function ``(t_joint [n], t_marginal [n, k]) -> nats`` of your own as a bound.

    Loss, value and objective all come from it. It may carry ``needs`` ("pairs" or "matrix") and
    ``is_lower_bound`` as attributes; it is taken for a lower bound on pairs otherwise.

    Example:
        >>> def mean_difference(t_joint, t_marginal):
        ...     return t_joint.mean() - t_marginal.mean()
        >>> OneFormula(mean_difference).loss(torch.ones(4), torch.zeros(4, 2)).item()
        -1.0
    """

    def __init__(self, formula: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula
        self.needs = getattr(formula, "needs", self.needs)
        self.is_lower_bound = getattr(formula, "is_lower_bound", self.is_lower_bound)

    def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return self.formula(t_joint, t_marginal)


BOUNDS: dict[str, type[Bound]] = {
    "mine": Mine,
    "dv": DV,
    "mine_f": MineF,
    "infonce": InfoNCE,
    "js": JensenShannon,
    "smile": Smile,
    "tuba": Tuba,
}


def as_bound(own: Bound | nn.Module | Callable[[Tensor, Tensor], Tensor]) -> Bound:
    """Returns a user's function or module as a bound; a `Bound` is returned as it is.

    Arguments:
        own: A module with ``loss``, ``value`` and ``objective`` is given the attributes of
            `Bound` that it lacks, and any other callable becomes `OneFormula`.
    """
    if isinstance(own, Bound):
        return own
    if not hasattr(own, "loss"):
        return OneFormula(own)
    for name in Bound.__annotations__:
        if not hasattr(own, name):
            setattr(own, name, vars(Bound)[name])
    return cast(Bound, own)


def loss_and_value(bound: Bound, t_joint: Tensor, t_marginal: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a bound's loss, and its value without a gradient, from what the two share."""
    if type(bound) is Mine:  # a subclass may have a loss of its own
        return bound.loss_and_value(t_joint, t_marginal)
    loss = bound.loss(t_joint, t_marginal)
    if type(bound).loss is Bound.loss:
        return loss, -loss.detach()
    return loss, bound.value(t_joint.detach(), t_marginal.detach()).detach()


def wide(t: Tensor) -> Tensor:
    """Returns the numbers in float64 (float32 on mps, which has no wider), for sums of e^T."""
    return t.to(torch.float32 if t.device.type == "mps" else torch.float64)


def log_mean_exp(t: Tensor) -> Tensor:
    r""":math:`\log \frac{1}{N} \sum_i e^{t_i}` over the N = n k scores ``[n, k]``, scalar.

    It does not overflow.
    """
    return wide(t).logsumexp((-2, -1)) - math.log(t.shape[-2] * t.shape[-1])


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
