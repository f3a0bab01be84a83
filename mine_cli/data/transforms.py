"""Invertible maps of x and of z, which change what a law looks like and not its information."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor

__all__ = ["TRANSFORMS", "transformed", "unfit_transforms"]

Map = Callable[[Tensor], Tensor]

# Of which x and z have to be standard normal: of others they would merge values in rounding.
OF_NORMALS = ("normal_cdf", "bimodal", "swiss_roll")
SPIRAL_COLUMNS = 3  # that z has at least: it is turned in the plane of its second and third

# Modes and their shares, of unit spread, of either side of `bimodal`.
MODES_X = ((0.0, 5.0), (0.3, 0.7))
MODES_Z = ((-1.0, 3.0), (0.5, 0.5))
KNOTS, REACH = 8193, 9.0  # of the tabled quantile, and beyond the modes, in standard deviations


def half_cube(values: Tensor) -> Tensor:
    return values * values.abs().sqrt()


def wiggly_x(x: Tensor) -> Tensor:
    return x + 0.4 * x.sin() + 0.2 * (1.7 * x + 1).sin() + 0.03 * (3.3 * x - 2.5).sin()


def wiggly_z(z: Tensor) -> Tensor:
    slow, quick = 0.4 * (0.4 * z).sin(), 0.02 * (4.3 * z - 2.5).sin()
    return z - slow + 0.17 * (1.3 * z + 3.5).sin() + quick


def spiral(plane: int) -> Map:
    """Returns the map that turns coordinates (plane, plane + 1) by |values|^2 / columns."""

    def turned(values: Tensor) -> Tensor:
        angle = values.square().sum(1) / values.shape[1]
        first, second = values[:, plane], values[:, plane + 1]
        found = values.clone()
        found[:, plane] = angle.cos() * first - angle.sin() * second
        found[:, plane + 1] = angle.sin() * first + angle.cos() * second
        return found

    return turned


def swiss_roll(x: Tensor) -> Tensor:
    """Rolls up the quantile of a normal x, [n, 1], in the plane, [n, 2]."""
    t = 1.5 * math.pi * (1 + 2 * torch.special.ndtr(x))
    return torch.cat([t * t.cos(), t * t.sin()], 1) / 21


def bimodal(modes: Sequence[float], shares: Sequence[float]) -> Map:
    """Returns the map of a standard normal value to the same quantile of a mixture of two.

    It is a polygon through the quantiles of a fine grid: as invertible as the quantile itself.
    """

    def mapped(values: Tensor) -> Tensor:
        at, to = (knots.to(values) for knots in quantiles(tuple(modes), tuple(shares)))
        right = torch.searchsorted(at, values.contiguous()).clamp(1, len(at) - 1)
        share = (values - at[right - 1]) / (at[right] - at[right - 1])
        return torch.lerp(to[right - 1], to[right], share)

    return mapped


@cache
def quantiles(modes: tuple[float, ...], shares: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Returns normal values, and those of the same quantile of a mixture, float64."""
    y = np.linspace(min(modes) - REACH, max(modes) + REACH, KNOTS)
    away = y[:, None] - np.array(modes)
    below, above = ndtr(away) @ np.array(shares), ndtr(-away) @ np.array(shares)
    # Each tail by itself, which keeps its digits.
    x = np.where(below < 0.5, ndtri(below), -ndtri(above))
    return torch.from_numpy(x), torch.from_numpy(y)


TRANSFORMS: dict[str, tuple[Map, Map]] = {
    "asinh": (torch.asinh, torch.asinh),
    "half_cube": (half_cube, half_cube),
    "wiggly": (wiggly_x, wiggly_z),
    "normal_cdf": (torch.special.ndtr, torch.special.ndtr),
    "bimodal": (bimodal(*MODES_X), bimodal(*MODES_Z)),
    "spiral": (spiral(0), spiral(1)),
    "swiss_roll": (swiss_roll, torch.special.ndtr),
}
"""Name -> the map of x and that of z, each of whole rows ``[n, columns]``.

References:
    | Beyond Normal: On the Evaluation of Mutual Information Estimators (Czyż et al., 2023),
    | theorem 2.1 (invariance), section 3 and appendix D (the maps)
    | https://arxiv.org/abs/2306.11078
"""


def transformed(names: Sequence[str], x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Returns x and z after the maps of these names, the first one first."""
    for name in names:
        of_x, of_z = TRANSFORMS[name]
        x, z = of_x(x), of_z(z)
    return x, z


def unfit_transforms(names: Sequence[str], columns: int, normal: bool) -> Iterator[str]:
    """Yields every fault of a law's transforms.

    Arguments:
        names: of the transforms, the first one first.
        columns: of x, and of z.
        normal: whether these are standard normal.
    """
    told = f"dataset.transform={[*names]}".replace("'", "").replace(" ", "")
    for place, name in enumerate(names):
        if name not in TRANSFORMS:
            yield f"{told}: {name} is none; want of {', '.join(TRANSFORMS)}"
        elif name in OF_NORMALS and (place or not normal):
            yield f"{told}: {name} is of standard normal columns; want it first, and of a Gaussian"
        elif name == "swiss_roll" and columns != 1:
            yield f"{told}: swiss_roll is of one column; want dataset.dim=1"
        elif name == "spiral" and columns < SPIRAL_COLUMNS:
            yield f"{told}: spiral turns the third column of z; want at least {SPIRAL_COLUMNS}"
