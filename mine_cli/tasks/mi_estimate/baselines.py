"""Estimates of mutual information that train nothing, to stand beside the neural one."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.linalg import eigh
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.special import digamma
from torch import Tensor

from mine_cli.bounds import InfoNCE
from mine_cli.data.margins import NormalScores
from mine_cli.data.split import identical_rows, without_copies
from mine_cli.data.tables import Array
from mine_cli.estimator.evaluation import Evaluation, evaluate
from mine_cli.networks.elliptical import Elliptical

__all__ = ["copula_bound", "gaussian_mi", "ksg", "references"]

Reference = dict[str, float | str | None]

# Distances held at once where neighbours are found by comparing all rows: 16 MiB of float64.
DISTANCES_AT_ONCE = 1 << 21

# Beyond so many columns of x and z together a k-d tree is slower than comparing all rows.
TREE_DIMS = 8

# Beyond so many, the nearest neighbours are no longer near.
TRUSTED_DIMS = 10

# Of so few columns, and of so many rows, its error is little more than that of a mean.
FEW_DIMS, ENOUGH_ROWS = 4, 500

# Fewer rows are not worth a reference.
MIN_ROWS = 50

# A factor to leave out the neighbour at the very radius, in spite of rounding.
INSIDE = 1 - 1e-10

# Principal axes of less variance than this share of the largest are linearly dependent columns.
COLLINEAR = 1e-8

# Share of the rows that may lie on a value with more than k others before KSG is refused.
MOST_TIED = 0.05

# Rows to a column below which a sample covariance says nothing.
ROWS_PER_COLUMN = 5

# Products of numbers that a sample covariance may take, and differences of numbers that KSG may:
# some seconds of one core. Decided by size, so that a reference does not come and go with the load
# of the machine.
MOST_PRODUCTS = 2**37
MOST_DIFFERENCES = 2**35

# Rows for the copula, half of them to fit it, and pairs from the product for each of the others:
# half a second.
COPULA_ROWS, COPULA_NEGATIVES = 10_000, 1000

# Columns of x and z together beyond which a copula takes longer than it is worth.
COPULA_DIMS = 200

# Squared canonical correlations nearer to 1 than this are a linear dependence, rounded.
DEPENDENT = 1e-9


def ksg(x: Array, z: Array, k: int = 3) -> float:
    r"""Kraskov-Stoegbauer-Grassberger estimate of the mutual information in nats.

    .. math:: \psi(k) + \psi(n) - \frac1n \sum_i [\psi(n_x(i) + 1) + \psi(n_z(i) + 1)]

    where n_x(i) rows lie nearer to x_i than row i's k-th neighbour in (x, z) lies to (x_i, z_i),
    all in the maximum norm. Columns are brought to unit variance first.

    Arguments:
        x: [n, columns], of a continuous law: rows with equal values spoil the estimate.
        z: [n, columns].
        k: Number of the neighbour.

    References:
        | Estimating mutual information (Kraskov, Stoegbauer, Grassberger, 2004), eq. 8
        | https://arxiv.org/abs/cond-mat/0305641
    """
    return _ksg(_counter(unit(x), unit(z), k)(np.arange(len(x))), k)


def _ksg(terms: Array, k: int) -> float:
    """Returns the estimate from each row's digamma terms ``[n]``."""
    return float(digamma(k) + digamma(len(terms)) - terms.mean())


def gaussian_mi(x: Array, z: Array) -> float:
    r"""Mutual information in nats of the Gaussian law with the sample's covariance.

    .. math:: -\frac12 \sum_i \log(1 - \rho_i^2)

    with the canonical correlations rho_i, less its bias for Gaussian rows. It sees linear
    dependence only; infinite where a column of x is a linear function of z.

    Arguments:
        x: [n, columns]; constant and linearly dependent columns are dropped.
        z: [n, columns].

    References:
        | Relations between two sets of variates (Hotelling, 1936)
        | Estimation of the entropy of a multivariate normal distribution
        | (Misra, Singh, Demchuk, 2005): E log|S| = log|Sigma| + sum psi((n - i) / 2) + ...
    """
    n = len(x)
    white_x, white_z = _white(x), _white(z)
    correlations = np.linalg.svd(white_x.T @ white_z / n, compute_uv=False)
    rest = 1 - correlations**2
    if (rest < DEPENDENT).any():
        return float("inf")
    halves = digamma((n - np.arange(1, white_x.shape[1] + white_z.shape[1] + 1)) / 2)
    bias = halves[: white_x.shape[1]].sum() + halves[: white_z.shape[1]].sum() - halves.sum()
    return float(-0.5 * np.log(rest).sum() - 0.5 * bias)


def copula_bound(x: Tensor, z: Tensor) -> Evaluation | None:
    """Evaluates InfoNCE with the log-ratio of a Gaussian or Student copula, in closed form.

    Of up to 10,000 rows, evenly spaced, every other one fits the copula, and those between are
    evaluated: a lower bound on the mutual information in expectation whatever the law, which
    cannot exceed the log of 1,001 candidates. None where the rows are too few for their columns.

    Arguments:
        x: [n, columns].
        z: [n, columns].

    References:
        | Representation Learning with Contrastive Predictive Coding
        | (van den Oord, Li, Vinyals, 2018), section 2.3 https://arxiv.org/abs/1807.03748
    """
    some = np.linspace(0, len(x) - 1, min(len(x), COPULA_ROWS)).astype(int)
    margins = [NormalScores.fit(values[some[::2]]) for values in (x, z)]
    scores = [side(values[some]) for side, values in zip(margins, (x, z), strict=True)]
    law = Elliptical.fit(*(side[::2] for side in scores))
    if law is None:
        return None
    return evaluate(law, InfoNCE(), *(side[1::2] for side in scores), negatives=COPULA_NEGATIVES)


def references(
    x: Tensor,
    z: Tensor,
    x_categorical: bool = False,
    z_categorical: bool = False,
    k: int = 3,
) -> dict[str, Reference]:
    """Return three estimates, or why one was skipped: ``{"ksg": {"estimate", "note"}, ...}``.

    Those that can be trusted have their ``error`` as well: KSG with few columns and enough rows,
    and the copula's bound, which falls short of the information and does not exceed it. A row that
    was pasted twice counts once: its copy would be its nearest neighbour.

    Arguments:
        x, z: [n, ...]; flattened to columns.
        x_categorical, z_categorical: It is a one-hot code: all are skipped.
        k: Number of KSG's neighbour.
    """
    flat_x, flat_z = (values.detach().cpu().flatten(1) for values in (x, z))
    kept = without_copies(flat_x, flat_z)
    flat_x, flat_z = flat_x[kept], flat_z[kept]
    classes = [name for name, yes in (("x", x_categorical), ("z", z_categorical)) if yes]
    fault = f"{' and '.join(classes)} categorical" if classes else unfit(x=flat_x, z=flat_z)
    if fault:
        return dict.fromkeys(("ksg", "gaussian", "copula"), skipped(fault))
    tied = ties(k, x=flat_x, z=flat_z)
    wide_x, wide_z = flat_x.double().numpy(), flat_z.double().numpy()
    return {
        "ksg": skipped(tied) if tied else _ksg_reference(wide_x, wide_z, k),
        "gaussian": _gaussian_reference(wide_x, wide_z),
        "copula": _copula_reference(flat_x, flat_z),
    }


def skipped(why: str) -> Reference:
    return {"estimate": None, "note": f"skipped: {why}"}


def unfit(**variables: Tensor) -> str:
    """Say why neither estimate can be had, or nothing."""
    for name, values in variables.items():
        if len(values) < MIN_ROWS:
            return f"{len(values)} rows, fewer than {MIN_ROWS}"
        if not values.isfinite().all():
            return f"{name} holds NaN or infinity"
        if (values == values[0]).all():
            return f"{name} does not vary"
    return ""


def ties(k: int, **variables: Tensor) -> str:
    """Say that x or z has too many equal rows for KSG, or nothing."""
    for name, values in variables.items():
        label = identical_rows(values)
        share = float((label.bincount()[label] > k + 1).double().mean())
        if share > MOST_TIED:
            return f"{share:.0%} of the rows share their {name} with more than {k} others"
    return ""


def _ksg_reference(x: Array, z: Array, k: int) -> Reference:
    n, dims = len(x), x.shape[1] + z.shape[1]
    # Two columns are sorted, whatever their length; of more, nearly all rows are compared.
    if n**2 * (dims - 2) > MOST_DIFFERENCES:
        return skipped(f"{n} rows of {dims} columns are too many")
    trust = f"; not to be trusted in {dims} dimensions" if dims > TRUSTED_DIMS else ""
    terms = _counter(unit(x), unit(z), k)(np.arange(n))
    found: Reference = {"estimate": _ksg(terms, k), "note": f"k={k}{trust}"}
    if dims <= FEW_DIMS and n >= ENOUGH_ROWS:
        found["error"] = float(terms.std() / math.sqrt(n))
    return found


def _gaussian_reference(x: Array, z: Array) -> Reference:
    n, dims = len(x), x.shape[1] + z.shape[1]
    if n < ROWS_PER_COLUMN * dims:
        return skipped(f"{n} rows for {dims} columns, fewer than {ROWS_PER_COLUMN} each")
    if n * dims**2 > MOST_PRODUCTS:
        return skipped(f"{n} rows of {dims} columns are too many")
    estimate = gaussian_mi(x, z)
    if math.isinf(estimate):
        return {"estimate": None, "note": "infinite: a column of x is linear in z"}
    return {"estimate": estimate, "note": "linear dependence only"}


def _copula_reference(x: Tensor, z: Tensor) -> Reference:
    n, dims = len(x), x.shape[1] + z.shape[1]
    if dims > COPULA_DIMS:
        return skipped(f"{dims} columns are too many")
    found = copula_bound(x, z)
    if found is None:
        return skipped(f"{n} rows are too few for {dims} columns")
    note = "at least, by a Gaussian or Student copula"
    return {"estimate": found.value, "note": note, "error": found.standard_error}


def unit(values: Array) -> Array:
    """Bring columns to mean 0 and variance 1, without those that do not vary."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    kept = spread > 0
    return (centred if kept.all() else centred[:, kept]) / spread[kept]


def _white(values: Array) -> Array:
    """Turn columns into uncorrelated ones of variance 1, as many as are independent."""
    even = unit(values)
    variances, axes = eigh(even.T @ even / len(even))
    kept = variances > COLLINEAR * variances[-1]
    return even @ (axes[:, kept] / np.sqrt(variances[kept]))


def _counter(x: Array, z: Array, k: int) -> Callable[[Array], Array]:
    """Return a function of row numbers, [m], that gives psi(n_x + 1) + psi(n_z + 1), [m]."""
    if x.shape[1] + z.shape[1] > TREE_DIMS:
        return partial(_terms_of_all_pairs, x, z, k)
    joint = np.hstack([x, z])
    tree, counts = cKDTree(joint), (nearer(x), nearer(z))

    def terms(rows: Array) -> Array:
        radius = tree.query(joint[rows], k + 1, p=np.inf)[0][:, -1] * INSIDE
        return sum((digamma(count(rows, radius)) for count in counts), np.zeros(len(rows)))

    return terms


def nearer(values: Array) -> Callable[[Array, Array], Array]:
    """Return a function that counts the rows, itself among them, within a radius of a row."""
    if values.shape[1] > 1:
        tree = cKDTree(values)
        return lambda rows, radius: tree.query_ball_point(
            values[rows], radius, p=np.inf, return_length=True
        )
    line = values[:, 0]
    find = np.sort(line).searchsorted
    return lambda rows, radius: (
        find(line[rows] + radius, "right") - find(line[rows] - radius, "left")
    )


def _terms_of_all_pairs(x: Array, z: Array, k: int, rows: Array) -> Array:
    terms = np.empty(len(rows))
    step = max(1, DISTANCES_AT_ONCE // len(x))
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        to_x = cdist(x[rows[some]], x, "chebyshev")
        to_z = cdist(z[rows[some]], z, "chebyshev")
        nearest = np.partition(np.maximum(to_x, to_z), k, axis=1)
        radius = nearest[:, k : k + 1] * INSIDE
        num_x, num_z = (to_x <= radius).sum(axis=1), (to_z <= radius).sum(axis=1)
        terms[some] = digamma(num_x) + digamma(num_z)
    return terms
