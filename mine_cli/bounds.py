"""Bounds on mutual information as modules: what each trains, reports and moves.

From scores ``t_joint`` [n] and ``t_marginal`` [n, k] every bound gives three scalars in nats:
**loss** (what the statistics network descends), **value** (what is reported) and **objective**
(what an encoder or a generator moves). By default ``objective = value`` and ``loss = -value``.
The formulas, their sources and weaknesses stand in :mod:`mine_cli.formulas`. All of it runs under
``torch.func.functional_call``, on scores ``[R, n]`` and ``[R, n, k]`` as well, with parameters and
buffers ``[R]``: no branch looks at the data.
"""

import math
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from mine_cli.errors import BadInput
from mine_cli.formulas import (
    donsker_varadhan,
    f_divergence,
    infonce,
    jensen_shannon,
    log_mean_exp,
    smile,
    tuba,
    wide,
)

__all__ = [
    "BOUNDS",
    "DV",
    "InfoNCE",
    "JensenShannon",
    "Mine",
    "MineF",
    "OneFormula",
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


class PairBound(nn.Module):
    """A bound whose product term depends on one number, the log-mean-exp of the marginal scores.

    ``value = mean(t_joint) + marginal_term(log_mean_exp(marginal_scores(t_marginal)))``, so an
    evaluator can stream any number of pairs through one running log-sum-exp.
    """

    needs: ClassVar[Literal["pairs", "matrix"]] = "pairs"
    is_lower_bound: ClassVar[bool] = True
    has_ceiling: ClassVar[bool] = False
    at_independence: float = 0.0  # the best T where x and z have nothing in common

    def marginal_scores(self, t: Tensor) -> Tensor:
        """What is exponentiated of the marginal scores, in any shape."""
        return t

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        """What the product of marginals adds to the value, given log mean e^T."""
        raise NotImplementedError

    def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """The number to report, in nats, scalar."""
        log_mean = log_mean_exp(self.marginal_scores(t_marginal))
        return wide(t_joint).mean(-1) + self.marginal_term(log_mean)

    def objective(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """What an encoder or generator moves, scalar."""
        return self.value(t_joint, t_marginal)

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """What the statistics network descends, scalar."""
        return -self.value(t_joint, t_marginal)


class DV(PairBound):
    """:func:`donsker_varadhan`, its biased batch gradient uncorrected.

    Example:
        >>> t_joint, t_marginal = torch.tensor([1.0, 3.0]), torch.zeros(2, 5)
        >>> DV().value(t_joint, t_marginal).item()  # mean(t_joint) - log mean exp(t_marginal)
        2.0
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
        t_marginal = wide(t_marginal)
        log_ema = self.moving_average(log_mean_exp(t_marginal.detach()))
        # This batch is in the average, so the ratio is at most 1 / rate and cannot overflow.
        ratio = (t_marginal - log_ema[..., None, None]).exp().mean((-2, -1))
        return ratio - wide(t_joint).mean(-1)

    def moving_average(self, batch: Tensor) -> Tensor:
        """The log of the average with this batch (log mean e^T, scalar) in it; updates buffers."""
        moved = torch.logaddexp(wide(self.log_ema) + self.log_keep, batch + self.log_rate)
        log_ema = torch.where(self.started, moved, batch)
        self.log_ema.copy_(log_ema)
        self.started.fill_(True)
        return log_ema


class MineF(PairBound):
    """:func:`f_divergence`, also called NWJ and MINE-f.

    Example:
        >>> MineF().value(torch.ones(4), torch.ones(4, 2)).item()  # constant: at independence
        0.0
    """

    at_independence = 1.0

    def marginal_term(self, log_mean: Tensor) -> Tensor:
        return -(log_mean - 1).exp()


class Tuba(PairBound):
    """:func:`tuba` with a log-baseline that is learned with T; ``baseline`` is where it begins.

    Raises:
        BadInput: when baseline is not finite.

    Example:
        >>> bound, scores = Tuba(baseline=0.0), (torch.zeros(4), torch.zeros(4, 2))
        >>> bound.value(*scores).item()
        0.0
        >>> [name for name, _ in bound.named_parameters()]
        ['log_baseline']
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
    """Trained on :func:`jensen_shannon`; its value is :func:`f_divergence` at T + 1.

    The optimal T is the log-ratio, so T + 1 is optimal for the f-divergence bound: value is a
    lower bound on the MI, but one that T was not trained for, so expect a large variance.

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


class Smile(PairBound):
    """:func:`smile`, **not** a lower bound; T is trained on :func:`jensen_shannon`.

    So its authors train it: the clipped value alone is unbounded above in T.

    Raises:
        BadInput: when clip is not positive.

    Example:
        >>> Smile(clip=2.0).value(torch.zeros(4), torch.full((4, 2), -9.0)).item()
        2.0
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
    """:func:`infonce`; every row is scored against a group of others, hence the score matrix.

    Example:
        >>> t_joint, t_marginal = torch.full((4,), 100.0), torch.zeros(4, 3)
        >>> round(InfoNCE().value(t_joint, t_marginal).item(), 4)  # the ceiling, log(3 + 1)
        1.3863
    """

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


class OneFormula(nn.Module):
    """A function ``(t_joint [n], t_marginal [n, k]) -> nats`` of your own as a bound.

    Loss, value and objective all come from it. It may carry ``needs`` ("pairs" or "matrix") and
    ``is_lower_bound`` as attributes; it is taken for a lower bound on pairs otherwise.

    Example:
        >>> def mean_difference(t_joint, t_marginal):
        ...     return t_joint.mean() - t_marginal.mean()
        >>> OneFormula(mean_difference).loss(torch.ones(4), torch.zeros(4, 2)).item()
        -1.0
    """

    has_ceiling: ClassVar[bool] = False

    def __init__(self, formula: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula
        self.needs: str = getattr(formula, "needs", "pairs")
        self.is_lower_bound: bool = getattr(formula, "is_lower_bound", True)

    def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """The number to report, in nats, scalar."""
        return self.formula(t_joint, t_marginal)

    def objective(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """What an encoder or generator moves, scalar."""
        return self.formula(t_joint, t_marginal)

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        """What the statistics network descends, scalar."""
        return -self.formula(t_joint, t_marginal)


BOUNDS: dict[str, type[nn.Module]] = {
    "mine": Mine,
    "dv": DV,
    "mine_f": MineF,
    "infonce": InfoNCE,
    "js": JensenShannon,
    "smile": Smile,
    "tuba": Tuba,
}
