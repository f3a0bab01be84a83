"""Labels beside points, where they cover neither points nor lines nor one another."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy import ndarray

__all__ = ["label_points"]

# From a point to the middle of its label: points of print along a few rings.
RINGS = (11.0, 20.0, 32.0, 46.0)
ANGLES = [math.radians(angle) for angle in (-90, 90, 0, 180, -45, -135, 45, 135)]
PLACES = [(r * math.cos(angle), r * math.sin(angle)) for r in RINGS for angle in ANGLES]
LEADER = 15.0  # a label farther off than this has a thin line to its point
SPACING = 3.0  # pixels between what stands for a line
DOT, INK, AWAY = 150.0, 12.0, 3.0  # cost of covering a point, a bit of line; of a point away


def label_points(
    figure: Figure, axes: Axes, labels: Sequence[tuple[float, float, str, str]]
) -> None:
    """Writes a label at each point, where it covers least.

    To be called when everything else is drawn and every limit is set: places depend on them.

    Arguments:
        labels: x, y, text and colour.
    """
    figure.draw_without_rendering()  # lays the axes out
    points = axes.transData.transform(numpy.array([label[:2] for label in labels]).reshape(-1, 2))
    lines, inside = inked(axes), axes.get_window_extent()
    taken: list[Bbox] = []
    for (x, y, text, colour), point in zip(labels, points, strict=True):
        ink = [0.7 * part for part in to_rgb(colour)]  # letters are thinner than markers
        write: dict[str, Any] = {"fontsize": 8, "color": ink, "ha": "center", "va": "center"}
        where: dict[str, Any] = {"textcoords": "offset points", "in_layout": False}
        written = axes.annotate(text, (x, y), PLACES[0], **write, **where)
        size = numpy.array(written.get_window_extent().size)
        boxes = [box_at(point + numpy.array(place) * figure.dpi / 72, size) for place in PLACES]
        costs = [
            cost(box, points, lines, taken, inside) + AWAY * math.hypot(*place)
            for box, place in zip(boxes, PLACES, strict=True)
        ]
        best = costs.index(min(costs))
        taken.append(boxes[best])
        written.set_position(PLACES[best])
        if math.hypot(*PLACES[best]) > LEADER:
            lead: dict[str, Any] = {"arrowstyle": "-", "color": ink, "linewidth": 0.6}
            lead["shrinkA"] = half(size * 72 / figure.dpi, PLACES[best]) + 1
            axes.annotate("", (x, y), PLACES[best], arrowprops=lead, **where)


def box_at(middle: ndarray, size: ndarray) -> Bbox:
    """A box of that size in pixels about its middle."""
    return Bbox([middle - size / 2, middle + size / 2])


def half(size: ndarray, direction: tuple[float, float]) -> float:
    """How far it is from the middle of a box to its edge, in a direction."""
    width, height = size
    across, along = (abs(part) / math.hypot(*direction) for part in direction)
    return min(width / 2 / max(across, 1e-9), height / 2 / max(along, 1e-9))


def inked(axes: Axes) -> ndarray:
    """Pixels ``[n, 2]`` along all lines of the axes."""
    found = [numpy.empty((0, 2))]
    for line in axes.lines:
        corners = line.get_transform().transform(line.get_xydata())
        for start, end in pairwise(corners):
            length = numpy.linalg.norm(end - start)
            if numpy.isfinite(length):
                parts = numpy.linspace(0, 1, int(length / SPACING) + 2)[:, None]
                found.append(start + parts * (end - start))
    return numpy.concatenate(found)


def cost(box: Bbox, points: ndarray, lines: ndarray, taken: Sequence[Bbox], inside: Bbox) -> float:
    """How bad a place is: pixels of labels and of the margin, points and lines that it covers."""
    shared = sum(area(Bbox.intersection(box, other)) for other in taken)
    outside = area(box) - area(Bbox.intersection(box, inside))
    covered = DOT * within(box, points, 4.0) + INK * within(box, lines, 1.0)
    return 4 * shared + 4 * outside + covered


def within(box: Bbox, pixels: ndarray, margin: float) -> int:
    """How many pixels lie in a box or so near to it."""
    low, high = numpy.array([box.x0, box.y0]) - margin, numpy.array([box.x1, box.y1]) + margin
    return int(((pixels >= low) & (pixels <= high)).all(1).sum())


def area(box: Bbox | None) -> float:
    """In square pixels; of nothing, none."""
    return 0.0 if box is None else box.width * box.height
