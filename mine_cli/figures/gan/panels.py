"""Generated things in a pair of axes: points over the data's, their density, a grid of images."""

import math
from collections.abc import Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import FigureBase
from numpy import ndarray
from scipy import ndimage

from mine_cli.figures import style

__all__ = ["Square", "draw_densities", "draw_images", "draw_points", "square"]

Square = tuple[float, float, float, float]  # left, right, bottom, top

MARGIN = 0.06  # of the data's width, on each side
CELLS = 400  # of the density's raster along each axis
# Of the plot's width: on the 5 x 5 grid 0.14, a fifteenth of the way from one mode to the next.
BANDWIDTH = 0.015
GAP = 2  # pixels between images
DATA_GREY = "#B4B4B4"


def square(points: ndarray) -> Square:
    """Returns the square about all points ``[n, 2]``, with a margin: the frame of every panel."""
    points = points[numpy.isfinite(points).all(axis=1)]
    if not len(points):
        return (-1.0, 1.0, -1.0, 1.0)
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = (low + high) / 2
    half = (0.5 + MARGIN) * max(*(high - low), 1e-6)
    return float(x - half), float(x + half), float(y - half), float(y + half)


def frame(axes: Axes, limits: Square) -> None:
    """The limits, and as much to the right as upwards."""
    axes.set_xlim(limits[:2])
    axes.set_ylim(limits[2:])
    axes.set_aspect("equal")
    axes.locator_params(nbins=6)
    axes.tick_params(labelsize=8)


def draw_points(
    axes: Axes, points: ndarray, data: ndarray | None, limits: Square, colour: str, size: float
) -> None:
    """Draws generated points over the data's; where grey shows, the generator leaves data out."""
    if data is not None:
        axes.scatter(
            data[:, 0], data[:, 1], 2.5 * size, linewidths=0, color=DATA_GREY, label="data"
        )
    (x, y), (left, right, bottom, top) = points.T, limits
    axes.scatter(x, y, size, linewidths=0, color=colour, alpha=0.6, label="generated")
    frame(axes, limits)
    seen = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)  # what is not finite is not
    if unseen := len(points) - seen.sum():
        note = f"{unseen:,} of {len(points):,} points lie outside the frame"
        axes.set_xlabel(note, fontsize=8, color=style.GREY)


def bandwidth(limits: Square) -> float:
    """The density's kernel width in the data's units, to two digits."""
    return float(f"{BANDWIDTH * (limits[1] - limits[0]):.2g}")


def density_of(points: ndarray, limits: Square) -> ndarray:
    r"""A kernel density estimate on a raster ``[CELLS, CELLS]``, per unit of area.

    .. math:: \hat p(x) = \frac 1 n \sum_i N(x; x_i, h^2 I)

    with h the bandwidth, on points rounded to the raster (cells of a sixth of h).
    """
    left, right, bottom, top = limits
    cell = (right - left) / CELLS
    counts, _, _ = numpy.histogram2d(
        points[:, 1], points[:, 0], bins=CELLS, range=[[bottom, top], [left, right]]
    )
    smooth = ndimage.gaussian_filter(counts, bandwidth(limits) / cell, mode="constant")
    return smooth / (max(len(points), 1) * cell**2)


def draw_densities(
    figure: FigureBase, panels: Sequence[Axes], points: Sequence[ndarray], limits: Square
) -> str:
    """Draws densities side by side, in one frame and one colour scale: the first's, the data's.

    Returns:
        What the kernel is, in words.
    """
    densities = [density_of(one, limits) for one in points]
    # The square root lets the faint bridges between modes be seen beside the modes.
    peak = float(densities[0].max()) or 1.0
    norm = PowerNorm(0.5, vmin=0.0, vmax=peak)
    for axes, density in zip(panels, densities, strict=True):
        axes.imshow(density, norm=norm, cmap="magma", origin="lower", extent=limits)
        frame(axes, limits)
    over = max(float(density.max()) for density in densities) > 1.001 * peak
    extend, scale = "max" if over else "neither", panels[0].images[0]
    bar = figure.colorbar(scale, ax=list(panels), extend=extend, pad=0.01, aspect=30)
    bar.set_label("density per unit area (square-root scale)", fontsize=8.5)
    bar.ax.tick_params(labelsize=8)
    return f"Gaussian kernel of standard deviation {bandwidth(limits):g}"


def draw_images(axes: Axes, images: ndarray, rows: int) -> None:
    """Draws the first rows x rows images ``[n, C, H, W]``: one channel grey, three as RGB."""
    grid = tiled(images[: rows * rows], rows)
    axes.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()


def tiled(images: ndarray, columns: int) -> ndarray:
    """One picture ``[height, width(, 3)]`` of many, in reading order, on white."""
    n, channels, height, width = images.shape
    rows = math.ceil(n / columns)
    shape = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels)
    picture = numpy.full(shape, 255, numpy.uint8)
    for k, image in enumerate(bytes_of(images)):
        top, left = k // columns * (height + GAP), k % columns * (width + GAP)
        picture[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return picture[..., 0] if channels == 1 else picture


def bytes_of(images: ndarray) -> ndarray:
    """Images in [-1, 1] as bytes; bytes as they are."""
    if images.dtype == numpy.uint8:
        return images
    return numpy.nan_to_num((images + 1) * 127.5).round().clip(0, 255).astype(numpy.uint8)
