"""Maps of a variable onto the scale that networks see, fitted on the rows that train."""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

__all__ = [
    "MARGINS",
    "Margins",
    "NormalScores",
    "Standardise",
    "fit_margins",
    "heavy_tailed",
    "margins_of",
]

# A deviation below this share of a column's largest value is the rounding of its mean.
ROUNDING = 1e-12

# Of the fitted rows at either end: where the line begins that continues a map by ranks.
TAIL = 0.05

HEAVY = 0.2  # share of the variance in a thousandth of the rows; 0.01 of Gaussian ones


class Margins(nn.Module):
    """A map of rows ``[n, ...]`` that leaves their mutual information with anything alone."""

    @classmethod
    def fit(cls, values: Tensor, categorical: bool = False) -> Self:
        """Fits the map on rows ``[n, ...]``; one-hot codes (`categorical`) stay as they are."""
        raise NotImplementedError

    def forward(self, values: Tensor) -> Tensor:
        """Maps rows ``[n, ...]`` to float32 of the same shape, on their own device."""
        raise NotImplementedError


class Standardise(Margins):
    """Maps values to mean 0 and standard deviation 1, as fitted on some rows.

    One mean and deviation for each column of [n, columns] and each channel of
    [n, channels, height, width]; a single one for any other shape.

    Arguments:
        mean: Means, of a shape that broadcasts over the rows.
        std: Standard deviations; 1 where a column does not vary.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def fit(cls, values: Tensor, categorical: bool = False) -> Self:
        """Fits on `values`, [n, ...]; one-hot codes and columns of 0 and 1 stay as they are."""
        per_column = values.dim() in (2, 4)
        columns = values.shape[1] if per_column else 1
        mean, std = torch.zeros(columns).double(), torch.ones(columns).double()
        for i in range(0 if categorical else columns):
            column = (values[:, i] if per_column else values).detach().cpu().double()
            if values.dim() == 2 and is_binary(column):
                continue
            mean[i] = column.mean()
            deviation = column.std(correction=0)
            if deviation > ROUNDING * column.abs().max():
                std[i] = deviation
        shape = (columns if per_column else 1,) + (1,) * (values.dim() - 2)
        return cls(mean.reshape(shape), std.reshape(shape))

    def forward(self, values: Tensor) -> Tensor:
        mean, std = (
            side.to(values.dtype).to(values.device)  # in this order: see `NormalScores`
            for side in (self.mean, self.std)
        )
        return ((values - mean) / std).float()


class NormalScores(Margins):
    r"""Maps each column to normal scores, the normal quantiles of its ranks among the fitted rows.

    .. math:: v \mapsto \Phi^{-1}\left(\frac{r(v) - 1/2}{n}\right)

    with r(v) the rank of v, ties at their mean rank; between two fitted values the map is linear,
    and beyond them it goes on along the line through the outermost value and the one a twentieth
    of the rows further in, for as far as lies between these two. Further out it grows by the
    logarithm, for a value a thousand times the largest is nothing that a network could have seen.
    Columns of 0 and 1 stay as they are.

    Arguments:
        values: The different fitted values of each column, ascending.
        scores: Their normal scores.

    References:
        | Order tests for the two-sample problem and their power (van der Waerden, 1952)
    """

    def __init__(self, values: list[Tensor], scores: list[Tensor]) -> None:
        super().__init__()
        self.values = nn.ParameterList(nn.Parameter(v.double(), False) for v in values)
        self.scores = nn.ParameterList(nn.Parameter(s.double(), False) for s in scores)

    @classmethod
    def fit(cls, values: Tensor, categorical: bool = False) -> Self:
        columns = values.detach().cpu().double().reshape(len(values), -1).T
        knots = [None if categorical else normal_scores(column) for column in columns]
        as_it_is = torch.tensor([0.0, 1.0])
        found = [(as_it_is, as_it_is) if knot is None else knot for knot in knots]
        return cls([v for v, _ in found], [s for _, s in found])

    def forward(self, values: Tensor) -> Tensor:
        # Apple's GPUs have no float64.
        where = torch.device("cpu") if values.device.type == "mps" else values.device
        columns = values.to(where).double().reshape(len(values), -1).T.contiguous()
        mapped = [
            interpolated(column, v.to(where), s.to(where))
            for column, v, s in zip(columns, self.values, self.scores, strict=True)
        ]
        return torch.stack(mapped, 1).float().reshape(values.shape).to(values.device)


def normal_scores(column: Tensor) -> tuple[Tensor, Tensor] | None:
    """Returns the different values of a column and their normal scores; None for 0 and 1."""
    if is_binary(column):
        return None
    values, counts = column.unique(return_counts=True)
    last = counts.cumsum(0).double()
    scores = torch.special.ndtri((last - counts / 2) / len(column))
    if len(values) == 1:
        return torch.cat([values, values + 1]), torch.cat([scores, scores + 1])
    below = continued(-values.flip(0), -scores.flip(0))
    above = continued(values, scores)
    values = torch.cat([-below[0][None], values, above[0][None]])
    return values, torch.cat([-below[1][None], scores, above[1][None]])


def continued(values: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a knot far above the largest value, on the line that continues the map there."""
    inner = int(torch.searchsorted(scores, torch.special.ndtri(torch.tensor(1 - TAIL)).double()))
    inner = max(0, min(inner, len(values) - 2))
    reach = values[-1] - values[inner]
    slope = (scores[-1] - scores[inner]) / reach
    return values[-1] + reach, scores[-1] + slope * reach


def interpolated(column: Tensor, values: Tensor, scores: Tensor) -> Tensor:
    """Returns the piecewise linear map through knots, continued by logarithms as steep as it.

    That through two knots is of a column that stays as it is, or that does not vary: one line.
    """
    place = torch.searchsorted(values, column).clamp(1, len(values) - 1)
    low, high = values[place - 1], values[place]
    share = (column - low) / (high - low)
    if len(values) == 2:
        return torch.lerp(scores[place - 1], scores[place], share)
    first, last = (scores[i + 1] - scores[i] for i in (0, -2))
    below = (values[0] - column).clamp_min(0) * first / (values[1] - values[0])
    above = (column - values[-1]).clamp_min(0) * last / (values[-1] - values[-2])
    inside = torch.lerp(scores[place - 1], scores[place], share.clamp(0, 1))
    return inside + above.log1p() - below.log1p()


def is_binary(column: Tensor) -> bool:
    return bool(((column == 0) | (column == 1)).all())


def heavy_tailed(values: Tensor) -> bool:
    """Whether a thousandth of the rows ``[n, columns]`` carries a fifth of a column's variance."""
    squares = (values.double() - values.double().mean(0)).square()
    few = squares.topk(max(1, len(values) // 1000), dim=0).values.sum(0)
    return bool((few > HEAVY * squares.sum(0)).any())


MARGINS: dict[str, type[Margins]] = {"standard": Standardise, "rank": NormalScores}


def fit_margins(kind: str, values: Tensor, categorical: bool) -> Margins:
    """Fits the margins of a name in `MARGINS` on rows ``[n, ...]``."""
    return MARGINS[kind].fit(values, categorical)


def margins_of(kind: str, state: Mapping[str, Tensor]) -> Margins:
    """Returns fitted margins from what `state_dict` has kept of them."""
    if kind == "standard":
        return Standardise(state["mean"], state["std"])
    columns = range(len(state) // 2)
    values, scores = ([state[f"{name}.{i}"] for i in columns] for name in ("values", "scores"))
    return NormalScores(values, scores)
