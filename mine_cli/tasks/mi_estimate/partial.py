"""Reference estimates of the information that x and z share given w; they train nothing."""

import math

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.special import digamma
from torch import Tensor

from mine_cli.data.split import without_copies
from mine_cli.data.tables import Array
from mine_cli.tasks.mi_estimate.baselines import (
    INSIDE,
    MOST_DIFFERENCES,
    ROWS_PER_COLUMN,
    TRUSTED_DIMS,
    Reference,
    gaussian_mi,
    nearer,
    skipped,
    ties,
    unfit,
    unit,
)

__all__ = ["conditional_gaussian", "conditional_ksg", "conditional_references"]


def conditional_gaussian(x: Array, z: Array, w: Array) -> float:
    r"""Information of x and z given w of the Gaussian law with the sample's covariance, in nats.

    .. math:: -\frac12 \sum_i \log(1 - \rho_i^2)

    with the partial canonical correlations rho_i of x and z given w: by the chain rule, the
    difference of what (x, w) and w tell of z, each less its bias. Infinite where x, given w, is
    linear in z; NaN where w alone is.

    Arguments:
        x, z, w: [n, columns].

    References:
        | A generalization of the partial correlation to two sets of variates
        | Partial canonical correlations (Rao, 1969)
    """
    alone = gaussian_mi(w, z)
    return math.nan if math.isinf(alone) else gaussian_mi(np.hstack([x, w]), z) - alone


def conditional_ksg(x: Array, z: Array, w: Array, k: int = 3) -> float:
    r"""Nearest-neighbour estimate of the information of x and z given w, in nats.

    .. math:: \psi(k) + \frac1n \sum_i
        [\psi(n_w(i) + 1) - \psi(n_{xw}(i) + 1) - \psi(n_{zw}(i) + 1)]

    where n_w(i) rows lie nearer to w_i than row i's k-th neighbour in (x, z, w) lies to it, in the
    maximum norm, and so on. Columns are brought to unit variance first. It is too small where
    columns are many or dependence is strong.

    Arguments:
        x, z, w: [n, columns], of a continuous law.
        k: Number of the neighbour.

    References:
        | Partial mutual information for coupling analysis of multivariate time series
        | (Frenzel and Pompe, 2007), eq. 6
    """
    x, z, w = unit(x), unit(z), unit(w)
    joint, rows = np.hstack([x, z, w]), np.arange(len(x))
    radius = cKDTree(joint).query(joint, k + 1, p=np.inf)[0][:, -1] * INSIDE
    of_w, of_xw, of_zw = (
        digamma(nearer(side)(rows, radius)) for side in (w, np.hstack([x, w]), np.hstack([z, w]))
    )
    return float(digamma(k) + (of_w - of_xw - of_zw).mean())


def conditional_references(
    x: Tensor, z: Tensor, w: Tensor, classes: tuple[str, ...] = (), k: int = 3
) -> dict[str, Reference]:
    """Returns both, or why one was skipped, as `baselines.references` does.

    Arguments:
        x, z, w: [n, ...]; flattened to columns.
        classes: Which of x, z and given are one-hot codes: both are skipped.
        k: Number of the neighbour.
    """
    sides = {n: v.detach().cpu().flatten(1) for n, v in (("x", x), ("z", z), ("given", w))}
    kept = without_copies(torch.cat([sides["x"], sides["given"]], 1), sides["z"])
    sides = {name: values[kept] for name, values in sides.items()}
    fault = f"{' and '.join(classes)} categorical" if classes else unfit(**sides)
    if fault:
        return {"ksg": skipped(fault), "gaussian": skipped(fault)}
    wide = [side.double().numpy() for side in sides.values()]
    tied = ties(k, **sides)
    return {"ksg": skipped(tied) if tied else _ksg(k, *wide), "gaussian": _gaussian(*wide)}


def _ksg(k: int, x: Array, z: Array, w: Array) -> Reference:
    n, dims = len(x), x.shape[1] + z.shape[1] + w.shape[1]
    if dims > TRUSTED_DIMS:
        return skipped(f"not to be trusted in {dims} dimensions")
    if n**2 * dims > MOST_DIFFERENCES:
        return skipped(f"{n} rows of {dims} columns are too many")
    return {"estimate": conditional_ksg(x, z, w, k), "note": f"k={k}, given w"}


def _gaussian(x: Array, z: Array, w: Array) -> Reference:
    n, dims = len(x), x.shape[1] + z.shape[1] + w.shape[1]
    if n < ROWS_PER_COLUMN * dims:
        return skipped(f"{n} rows for {dims} columns, fewer than {ROWS_PER_COLUMN} each")
    estimate = conditional_gaussian(x, z, w)
    if not math.isfinite(estimate):
        return {"estimate": None, "note": "infinite: z is linear in a column of x or given"}
    return {"estimate": estimate, "note": "linear dependence only, given w"}
