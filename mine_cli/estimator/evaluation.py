r"""The reported number: a bound on held-out rows crossed with one another, and its standard error.

Row i is paired with rows (i + s) mod n for k random shifts s != 0, so that every row and every
column takes part k times and no joint pair counts as a marginal one. Everything is in nats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor

from mine_cli.bounds import Bound, PairBound
from mine_cli.networks.interface import StatisticsNetwork

__all__ = ["Crossed", "Crossing", "Evaluation", "assess", "cross", "evaluate", "log_ratio", "pool"]

ROWS_AT_ONCE = 4096  # rows embedded at once: bounds the memory of convolutional networks
PAIRS_ON_CPU = 2**12  # pairs scored at once: as many as stay in the caches
PAIRS_ON_DEVICE = 2**18
FEWEST_SHIFTS = 20
JACKKNIFE_GROUPS = 20


@dataclass(frozen=True, repr=False)
class Evaluation:
    """A bound's value on n rows that crossed one another.

    Arguments:
        value: the bound, in nats.
        joint_mean: mean of T over the joint pairs.
        shift_means: mean of T over the marginal pairs of each shift ``[k]``; pooled: nothing.
        log_partition: log of the mean of e^T over the marginal pairs.
        lower_bound: E[T] - E[e^(T-a)] - a + 1 with a constant a from other rows: a lower bound in
            expectation, where a held-out Donsker-Varadhan value is biased upward. None without a.
        influence: each row's influence on the value, ``[n]``, mean zero; SE = sd / sqrt(n).
        sampling_variance: what the influence counts twice because only k of n - 1 pairs a row
            are scored; taken off its variance.
        row_weight, column_weight: means of e^T over a row's and a column's pairs, mean one.
        marginal_pairs: how many pairs the mean of e^T was taken over.
        at_training_negatives: InfoNCE's value at the number of negatives it was trained with.
        training_negatives: that number.
        negatives: marginal pairs a row.
        clusters: labels ``[n]`` of rows that depend on one another; None: no row on any.
        whole: whether the clusters, such as a subject's rows, are what has been observed, and not
            merely neighbours in a series.
        status: the word of `status.status`, where it was asked for.
    """

    value: float
    joint_mean: float
    shift_means: Tensor
    log_partition: float
    lower_bound: float | None
    influence: Tensor
    sampling_variance: float
    row_weight: Tensor
    column_weight: Tensor
    marginal_pairs: int
    negatives: int
    at_training_negatives: float | None = None
    training_negatives: int | None = None
    clusters: Tensor | None = None
    whole: bool = False
    status: str = ""

    def __str__(self) -> str:
        word = f", status {self.status}" if self.status else ""
        return f"{self.value:.3f} ± {self.standard_error:.3f} nats ({self.rows:,} rows{word})"

    __repr__ = __str__

    def to_dict(self) -> dict[str, object]:
        """Returns its numbers, in nats, and its status: what JSON can hold."""
        kept = ("joint_mean", "log_partition", "negatives", "at_training_negatives")
        return {
            **self.reported(),
            "rows": self.rows,
            "status": self.status or None,
            **{name: vars(self)[name] for name in kept},
        }

    @property
    def rows(self) -> int:
        return len(self.influence)

    @property
    def units(self) -> int:
        """How many have been observed: rows, or clusters where these are whole."""
        if self.clusters is None or not self.whole:
            return self.rows
        return len(self.clusters.unique())

    @property
    def standard_error(self) -> float:
        r"""That of the value for this network, in nats: it does not say how tight the bound is.

        Of n rows in G clusters, with influences psi (Liang and Zeger, 1986),

        .. math:: SE^2 = \frac{1}{n^2} \frac{G}{G - 1} \sum_g \Big( \sum_{i \in g} \psi_i \Big)^2
        """
        sums = totals(self.influence, self.clusters)
        centred = sums - sums.mean()
        variance = (centred.square().sum() * len(sums) / max(1, len(sums) - 1)).item() / self.rows
        # With few, heavy-tailed rows the correction itself can exceed the variance it corrects.
        corrected = variance - self.sampling_variance
        return math.sqrt((corrected if corrected > 0 else variance) / self.rows)

    @property
    def effective_sample_size(self) -> float:
        """The smaller of the row and column effective sample sizes of e^T (Kish, 1965)."""
        clusters = self.clusters if self.whole else None
        weights = (totals(w, clusters) for w in (self.row_weight, self.column_weight))
        return min((w.sum() ** 2 / w.square().sum()).item() for w in weights)

    def reported(self) -> dict[str, float | None]:
        """Returns what a result says of it, in the keys of result.json."""
        return {
            "estimate": self.value,
            "standard_error": self.standard_error,
            "lower_bound": self.lower_bound,
            "effective_sample_size": self.effective_sample_size,
            "marginal_pairs": self.marginal_pairs,
        }


@dataclass(frozen=True)
class Crossed:
    """Scores of n rows crossed with one another.

    Arguments:
        t_joint: of the joint pairs ``[n]``.
        t_marginal: of rows i with (i + s) mod n, ``[k, n]``.
        shifts: the k shifts s.
    """

    t_joint: Tensor
    t_marginal: Tensor
    shifts: list[int]


class Crossing(TypedDict, total=False):
    """How `evaluate` crosses rows, and what it is told of them: its arguments by name."""

    pairs: int
    negatives: int
    constant: float | None
    training_negatives: int
    clusters: Tensor | None
    whole: bool


def evaluate(
    network: StatisticsNetwork,
    bound: Bound,
    x: Tensor,
    z: Tensor,
    *,
    pairs: int = 1_000_000,
    negatives: int | None = None,
    constant: float | None = None,
    training_negatives: int | None = None,
    clusters: Tensor | None = None,
    whole: bool = False,
) -> Evaluation:
    """Evaluates a bound on rows x ``[n, ...]``, z ``[n, ...]`` that were not trained on.

    Arguments:
        pairs: marginal pairs to score (at least 20 and at most n - 1 a row).
        negatives: marginal pairs a row; overrides pairs.
        constant: a of `Evaluation.lower_bound`, the log-partition on other rows.
        training_negatives: for InfoNCE, the number of negatives it was trained with.
        clusters, whole: which rows depend on one another; see `Evaluation`.
    """
    crossed = cross(network, x, z, pairs, negatives)
    found = assess(bound, crossed, constant, training_negatives)
    return replace(found, clusters=clusters, whole=whole)


def cross(
    network: StatisticsNetwork, x: Tensor, z: Tensor, pairs: int, negatives: int | None = None
) -> Crossed:
    """Scores rows crossed with one another; arguments as in `evaluate`."""
    n = len(x)
    shifts = random_shifts(n, min(n - 1, negatives or max(FEWEST_SHIFTS, math.ceil(pairs / n))))
    return Crossed(*cross_scores(network, x, z, shifts), shifts)


def assess(
    bound: Bound,
    crossed: Crossed,
    constant: float | None = None,
    training_negatives: int | None = None,
) -> Evaluation:
    """Evaluates a bound on scores; arguments as in `evaluate`."""
    t_joint, t_marginal, shifts = crossed.t_joint, crossed.t_marginal, crossed.shifts
    negatives = len(shifts)
    joint_mean, plain = t_joint.double().mean().item(), moments(t_marginal, shifts)
    at_training = lower_bound = None
    if bound.needs == "matrix":
        found = _contrastive(t_joint.double(), t_marginal, shifts)
        lower_bound = found.value  # it is one in expectation
        if training_negatives is not None:
            training_negatives = min(training_negatives, negatives)
            at_training = _infonce(t_joint.double(), t_marginal[:training_negatives])
    else:
        training_negatives = None
        if constant is not None:
            weight = math.exp(min(plain.log_mean - constant, 700.0))
            lower_bound = joint_mean - weight - constant + 1
        if isinstance(bound, PairBound):
            found = _pair_bound(bound, t_joint.double(), t_marginal, shifts, plain)
        else:
            found = _own_bound(bound, t_joint, t_marginal, shifts, plain)
    return Evaluation(
        **found._asdict(),
        joint_mean=joint_mean,
        shift_means=means(t_marginal),
        log_partition=plain.log_mean,
        lower_bound=lower_bound,
        marginal_pairs=len(t_joint) * negatives,
        negatives=negatives,
        at_training_negatives=at_training,
        training_negatives=training_negatives,
    )


def pool(parts: Sequence[Evaluation]) -> Evaluation:
    """Returns cross-fitting's evaluation: row-weighted means, every row's influence once."""
    if len(parts) == 1:
        return parts[0]
    rows = [p.rows for p in parts]

    def mean(values: list[float | None]) -> float | None:
        known = [v for v in values if v is not None]
        whole = len(known) == len(values)
        return sum(r * v for r, v in zip(rows, known, strict=True)) / sum(rows) if whole else None

    names = vars(parts[0]).keys() - {"status", "shift_means", "clusters", "whole"}
    columns = {name: [vars(p)[name] for p in parts] for name in names}
    of_rows = ("influence", "row_weight", "column_weight")
    pooled: dict[str, Any] = {
        name: torch.cat(values) if name in of_rows else mean(values)
        for name, values in columns.items()
    }
    pooled["shift_means"] = torch.empty(0)
    clusters = [p.clusters for p in parts if p.clusters is not None]
    pooled["clusters"] = torch.cat(clusters) if len(clusters) == len(parts) else None
    pooled["whole"] = parts[0].whole
    pooled["marginal_pairs"] = sum(columns["marginal_pairs"])
    pooled["negatives"] = min(columns["negatives"])
    pooled["training_negatives"] = parts[0].training_negatives
    return Evaluation(**pooled)


def totals(values: Tensor, clusters: Tensor | None) -> Tensor:
    """Returns the sum of values ``[n]`` over each cluster; the values where there is none."""
    if clusters is None:
        return values
    labels = clusters.unique(return_inverse=True)[1].to(values.device)
    return values.new_zeros(int(labels.max()) + 1).index_add_(0, labels, values)


def random_shifts(n: int, k: int) -> list[int]:
    """Draws k of the n - 1 shifts that pair no row with itself, the same ones every time."""
    return (torch.randperm(n - 1, generator=torch.Generator().manual_seed(0))[:k] + 1).tolist()


def cross_scores(
    network: StatisticsNetwork, x: Tensor, z: Tensor, shifts: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Scores the joint pairs ``[n]`` and rows i with (i + s) mod n, ``[k, n]``, float32."""
    n, device = len(x), x.device
    a, b = embed_rows(network, x, z)
    # Double precision sums follow, which Apple's devices don't have.
    keep = torch.device("cpu") if device.type == "mps" else device
    t_marginal = torch.empty(len(shifts), n, device=keep)
    t_joint = torch.empty(n, device=keep)
    at_once = PAIRS_ON_CPU if device.type == "cpu" else PAIRS_ON_DEVICE
    for start in range(0, n, at_once):
        here = slice(start, min(n, start + at_once))
        t_joint[here] = network.head(a[here], b[here]).float()
        rows = here.stop - start
        lot = max(1, at_once // rows)
        for i in range(0, len(shifts), lot):
            columns = [neighbours(b, (start + s) % n, rows) for s in shifts[i : i + lot]]
            partners = torch.stack(columns) if len(columns) > 1 else columns[0][None]
            t_marginal[i : i + lot, here] = network.head(a[here], partners).float().to(keep)
    return t_joint, t_marginal


def neighbours(rows: Tensor, first: int, number: int) -> Tensor:
    """Returns neighbouring rows, the first after the last: a view, where a gather would copy."""
    found = rows[first : first + number]
    missing = number - len(found)
    return torch.cat([found, rows[:missing]]) if missing else found


def embed_rows(network: StatisticsNetwork, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Embeds any number of rows, in blocks."""
    parts = [
        network.embed(x[start : start + ROWS_AT_ONCE], z[start : start + ROWS_AT_ONCE])
        for start in range(0, len(x), ROWS_AT_ONCE)
    ]
    return torch.cat([a for a, _ in parts]), torch.cat([b for _, b in parts])


@dataclass(frozen=True)
class Moments:
    """The mean of e^s over the pairs, as its log, and how rows and columns share in it."""

    log_mean: float
    row: Tensor
    column: Tensor
    variance: float


def means(scores: Tensor) -> Tensor:
    """Returns the mean of each row of scores ``[k, n]``, float64, without a copy of them all."""
    found = torch.empty(len(scores), dtype=torch.float64, device=scores.device)
    for i, score in enumerate(scores):
        found[i] = score.double().mean()
    return found


def moments(scores: Tensor, shifts: Sequence[int]) -> Moments:
    """Returns double-precision moments of e^s over scores ``[k, n]``, one shift at a time."""
    top = scores.max()
    k, n = scores.shape
    row = torch.zeros(n, dtype=torch.float64, device=scores.device)
    column, squares = torch.zeros_like(row), torch.zeros_like(row)
    for s, score in zip(shifts, scores, strict=True):
        weight = (score.double() - top).exp()
        row += weight
        column += weight.roll(s)
        squares += weight.square()
    mean = row.mean() / k
    return Moments(
        log_mean=(mean.log() + top).item(),
        row=row / k / mean,
        column=column / k / mean,
        variance=(squares.mean() / k / mean**2 - 1).item(),
    )


class Found(NamedTuple):
    """What the kind of a bound decides of an `Evaluation`."""

    value: float
    influence: Tensor
    row_weight: Tensor
    column_weight: Tensor
    sampling_variance: float = 0.0


def _pair_bound(
    bound: PairBound, t_joint: Tensor, t_marginal: Tensor, shifts: Sequence[int], plain: Moments
) -> Found:
    r"""Evaluates E[T] + f(L) with L = log E[e^s]; for Donsker-Varadhan f(L) = -L and s = T.

    With r_i and c_i the row and column means of e^s over its grand mean, the influence of row i is

    .. math:: \psi_i = T_{ii} - E[T] + f'(L) ((r_i - 1) + (c_i - 1))

    The pairs share rows, so psi has a part for each role a row plays.
    """
    scores = bound.marginal_scores(t_marginal)
    found = plain if scores is t_marginal else moments(scores, shifts)
    log_mean = torch.tensor(found.log_mean, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        term = bound.marginal_term(log_mean)
        slope = torch.autograd.grad(term, log_mean)[0].item()
    return Found(
        value=(t_joint.mean() + term.item()).item(),
        influence=t_joint - t_joint.mean() + slope * (found.row + found.column - 2),
        row_weight=found.row,
        column_weight=found.column,
        sampling_variance=slope**2 * found.variance / len(shifts),
    )


def _contrastive(t_joint: Tensor, t_marginal: Tensor, shifts: Sequence[int]) -> Found:
    r"""Evaluates InfoNCE: row i's log softmax among itself and k negatives, plus log(k + 1).

    The influence of row i is its own term and, as a negative of others, one minus the softmax mass
    that falls on it.
    """
    own = torch.logaddexp(t_joint, _row_log_sum(t_marginal))
    terms = t_joint - own + math.log(len(shifts) + 1)
    mass = (t_joint - own).exp()
    for s, score in zip(shifts, t_marginal, strict=True):
        mass += (score.double() - own).exp().roll(s)
    value = terms.mean().item()
    return Found(value, terms - value - (mass - 1), torch.ones_like(mass), mass)


def _infonce(t_joint: Tensor, t_marginal: Tensor) -> float:
    log_sum = torch.logaddexp(t_joint, _row_log_sum(t_marginal))
    return (t_joint - log_sum).mean().item() + math.log(len(t_marginal) + 1)


def _row_log_sum(t_marginal: Tensor) -> Tensor:
    """Returns the log of each row's sum of e^T over scores ``[k, n]``, double, shift by shift."""
    top = t_marginal.max(dim=0).values.double()
    total = torch.zeros_like(top)
    for score in t_marginal:
        total += (score.double() - top).exp()
    return total.log() + top


def _own_bound(
    bound: Bound, t_joint: Tensor, t_marginal: Tensor, shifts: Sequence[int], plain: Moments
) -> Found:
    """Evaluates a bound that is known only by its value: a jackknife over rows gives its error.

    A twentieth of the rows is left out at a time, with every pair that one of them takes part in
    (Efron and Stein, 1981); the spread is spread over the rows so that folds can be pooled.
    """
    n, device = len(t_joint), t_joint.device
    rows = torch.arange(n, device=device)
    group = rows * min(JACKKNIFE_GROUPS, n) // n
    columns = (rows[None] + torch.tensor(list(shifts), device=device)[:, None]) % n
    without = []
    for g in range(int(group.max()) + 1):
        kept = group != g
        lost = group[columns[:, kept]] == g
        # Every row keeps the same number of pairs: those of the fewest.
        width = int((~lost).sum(0).min())
        first = lost.int().argsort(dim=0, stable=True)[:width]
        t = t_marginal[:, kept].gather(0, first)
        without.append(float(bound.value(t_joint[kept], t.T)))
    value = float(bound.value(t_joint, t_marginal.T))
    spread = torch.tensor(without, dtype=torch.float64, device=device)
    # Scaled so that sd / sqrt(n) is the jackknife's error, sqrt((G - 1) / G sum (v_g - v)^2).
    influence = (spread.mean() - spread)[group] * math.sqrt(n * (len(spread) - 1))
    return Found(value, influence, plain.row, plain.column)


def log_ratio(
    network: StatisticsNetwork, bound: Bound, x: Tensor, z: Tensor, constant: Tensor | None
) -> Tensor:
    """Returns scores of paired rows ``[n]`` less their constant; see `MutualInformation`."""
    if constant is not None and bound.needs == "pairs":
        a, b = embed_rows(network, x, z)
        return (network.head(a, b) - constant).float()
    shifts = random_shifts(len(x), FEWEST_SHIFTS)
    t_joint, t_marginal = cross_scores(network, x, z, shifts)
    if bound.needs == "matrix":
        log_sum = torch.logaddexp(t_joint.double(), _row_log_sum(t_marginal))
        return (t_joint - log_sum + math.log(len(shifts) + 1)).float()
    return (t_joint - moments(t_marginal, shifts).log_mean).float()
