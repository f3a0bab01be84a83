"""Rows that resemble their neighbours, as those of a time series do."""

import torch
from torch import Tensor

from mine_cli.data import Rows

__all__ = ["autocorrelation", "series_warning"]

ALIKE = 0.5  # autocorrelation of both sides from which rows are no independent observations
FEWEST_ROWS = 50


def series_warning(rows: Rows) -> list[str]:
    """Returns a line of advice where both x and z change little from one row to the next.

    If but one of them does, rows of the other are as good as drawn anew, and nothing is lost.
    """
    if len(rows) < FEWEST_ROWS or rows.x_categorical or rows.z_categorical:
        return []
    of_x, of_z = autocorrelation(rows.x), autocorrelation(rows.z)
    if min(of_x, of_z) < ALIKE:
        return []
    return [
        f"neighbouring rows are alike (autocorrelation {of_x:.2f} in x, {of_z:.2f} in z): "
        "standard error and p-value take rows for independent ones; for a series, "
        "want split=blocks"
    ]


def autocorrelation(values: Tensor) -> float:
    r"""Returns the largest autocorrelation at lag one of the columns of values ``[n, ...]``.

    .. math:: r = \frac{\sum_i (v_i - \bar v)(v_{i+1} - \bar v)}{\sum_i (v_i - \bar v)^2}

    Sorted columns, of a table that was sorted by them, do not count.
    """
    columns = values.flatten(1).double()
    steps = columns.diff(dim=0)
    is_sorted = (steps >= 0).all(0) | (steps <= 0).all(0)
    centred = (columns - columns.mean(0))[:, ~is_sorted]
    if not centred.numel():
        return 0.0
    found = (centred[1:] * centred[:-1]).sum(0) / centred.square().sum(0)
    return float(torch.nan_to_num(found).max())
