"""The series of a sweep's picture: their looks, their points with intervals, marks of statuses."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform

from mine_cli.figures import style
from mine_cli.results.ledger import WITHOUT_NUMBERS, Setting
from mine_cli.results.metrics import Metric

__all__ = [
    "APART", "AT_LEAST", "CLOSE", "NESTED", "Look", "Place", "Series", "draw_missing",
    "draw_points", "is_number", "range_of", "status_handles", "values_of",
]  # fmt: skip

COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PINK, style.SKY, style.YELLOW, style.BLACK)
MARKERS = "osD^vP*"
DASHES = ("-", "--", ":", "-.")
MARKS = {
    "high_variance": "o", "at_ceiling": "s", "not_converged": "^", "collapsed": "v",
    "outrun": "D", "inaccurate": "h", "diverged": "x", "failed": "+", "interrupted": "1",
    "pending": "2",
}  # fmt: skip
"""Status -> the sign about a point; of jobs without numbers, at the foot of the axes."""
FOOT = 0.03  # of the height of the axes
CLOSE, APART = 8.0, 60.0  # points of print that the series share at a number, at a name
NESTED = 0.0  # where the place is a measure itself: beside it they would be off the line of truth
AT_LEAST: dict[str, Any] = {"marker": r"$\geq$", "markersize": 7, "markeredgewidth": 0.3}
"""Before a point whose number is only known to be exceeded."""
LARGER = 4.0  # points of print, the first of nested series than the last

BEFORE = 10.0  # points of print

Range = tuple[float, float]
Place = Callable[[Setting], float | None]


@dataclass(frozen=True)
class Look:
    """How a series is drawn.

    Arguments:
        aside: How far beside its true place, in points of print, so that none covers another.
        larger: How much larger than the last, in points of print, so that it is seen below it.
    """

    colour: str
    marker: str
    dash: str
    aside: float
    larger: float = 0.0


def values_of(points: Sequence[Setting], key: str) -> list[str]:
    """The values of a swept key: numbers ascending, else in the order of the jobs."""
    found = list(dict.fromkeys(point.values[key] or "" for point in points))
    return sorted(found, key=float) if all(map(is_number, found)) else found


def is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


class Series:
    """The settings told apart by their looks.

    One key is told by colour and marker; of several the first by colour, the others together by
    marker and dashes.

    Arguments:
        points: All settings.
        keys: By which they are told apart.
        width: What they share at one place, in points of print.
    """

    def __init__(self, points: Sequence[Setting], keys: Sequence[str], width: float) -> None:
        self.keys = list(keys)
        self.first = values_of(points, keys[0]) if keys else [""]
        self.rest = list(dict.fromkeys(self.name(point)[1] for point in points))
        names = [(first, rest) for first in self.first for rest in self.rest]
        colours, gap = colours_of(len(self.first)), width / max(4, len(names))
        self.looks: dict[tuple[str, str], Look] = {}
        for number, (first, rest) in enumerate(names):
            one, other = self.first.index(first), self.rest.index(rest)
            marker = MARKERS[(one if len(self.rest) == 1 else other) % len(MARKERS)]
            aside = gap * (number - (len(names) - 1) / 2)
            above = (len(names) - 1 - number) / max(1, len(names) - 1)
            larger = LARGER * above if width == NESTED else 0.0
            dash = DASHES[other % len(DASHES)]
            self.looks[first, rest] = Look(colours[one], marker, dash, aside, larger)

    def name(self, point: Setting) -> tuple[str, str]:
        first = point.values[self.keys[0]] or "" if self.keys else ""
        return first, ", ".join(f"{key}={point.values[key] or ''}" for key in self.keys[1:])

    def of(self, points: Sequence[Setting]) -> list[tuple[Look, list[Setting]]]:
        """The points of each series that has any, in the order of the legend."""
        found: dict[tuple[str, str], list[Setting]] = {name: [] for name in self.looks}
        for point in points:
            found[self.name(point)].append(point)
        return [(self.looks[name], points) for name, points in found.items() if points]

    def handles(self) -> list[Line2D]:
        """Returns the legend: a line for each colour and, where they tell more, each marker."""
        if not self.keys:
            return []
        several = len(self.rest) > 1
        found = []
        for value in self.first:
            look = self.looks[value, self.rest[0]]
            label, marker = f"{self.keys[0]}={value or 'none'}", "" if several else look.marker
            found.append(style.handle(label, color=look.colour, marker=marker, linestyle="-"))
        for rest in self.rest if several else ():
            look = self.looks[self.first[0], rest]
            found.append(
                style.handle(rest, color=style.GREY, marker=look.marker, linestyle=look.dash)
            )
        return found


def colours_of(count: int) -> list[str]:
    """As many colours: told apart by everybody, or where they are too few a scale."""
    if count <= len(COLOURS):
        return [*COLOURS[:count]]
    return [to_hex(colormaps["viridis"](share)) for share in numpy.linspace(0, 0.95, count)]


def range_of(
    points: Sequence[Setting], metric: Metric, units: str, beside: Sequence[float]
) -> Range:
    """What the axes should show: all that is near the values of runs that ended `ok`.

    A run that ended otherwise may lie anywhere, and would squeeze the others into a line.

    Arguments:
        beside: Values that are to be seen as well, such as the truth.
    """
    sound = [point for point in points if point.statuses["ok"]] or points
    factor = metric.factor(units)
    values = [factor * value for point in sound for value in point.known(metric.column)]
    values += beside
    low, high = min(values, default=0.0), max(values, default=1.0)
    span = max(high - low, abs(high), abs(low)) or 1.0
    return low - span, high + span


def draw_points(
    axes: Axes, points: Sequence[Setting], look: Look, place: Place, metric: Metric, units: str,
    shown: Range, joined: bool = True,
) -> None:  # fmt: skip
    """Draws one series: means with intervals, joined in order; signs about what is not `ok`.

    Arguments:
        place: Where a point stands on the horizontal axis; None where that is not known.
        metric: The number that is drawn.
        shown: Values outside are drawn as arrows at the edge.
    """
    there, edge = (moved(axes, of, look) for of in (axes.transData, axes.get_xaxis_transform()))
    inside, factor = [], metric.factor(units)
    for x, point in placed(points, place):
        if (mean := point.mean(metric.column)) is None:
            continue
        y = factor * mean
        if shown[0] <= y <= shown[1]:
            inside.append((x, y, 2 * factor * (point.standard_error(metric.column) or 0.0)))
            encircle(axes, x, y, point, there)
            if metric.or_more(point.mean):
                before = there + ScaledTranslation(-BEFORE / 72, 0, axes.figure.dpi_scale_trans)
                axes.plot(x, y, color=look.colour, transform=before, zorder=4, **AT_LEAST)
        else:
            point_beyond(axes, x, y, look, edge, y > shown[1])
    if not inside:
        return
    x, y, half = numpy.array(inside).T
    ends = numpy.clip([y - half, y + half], *shown)
    thick = 1.1 + 0.3 * look.larger
    axes.errorbar(
        x, y, yerr=abs(ends - y), color=look.colour, marker=look.marker,
        markersize=4.5 + look.larger, linestyle=look.dash if joined else "none", linewidth=thick,
        capsize=2 + 0.5 * look.larger, elinewidth=thick, transform=there, zorder=3,
    )  # fmt: skip
    # What is drawn aside is not seen by the axes when they choose their limits.
    for end in ends:
        axes.update_datalim(numpy.column_stack([x, end]))
    axes.autoscale_view()


def point_beyond(axes: Axes, x: float, y: float, look: Look, edge: Transform, high: bool) -> None:
    """An arrow at the edge to a value that is far outside, and the value."""
    arrow, place, side = ("^", 0.965, "top") if high else ("v", 0.035, "bottom")
    axes.plot(
        x, float(high), arrow, transform=edge, color=look.colour, markersize=7 + look.larger,
        clip_on=False,
    )  # fmt: skip
    axes.text(
        x, place, f"{y:.3g}", va=side, ha="center", transform=edge, fontsize=8, color=look.colour
    )


def draw_missing(axes: Axes, points: Sequence[Setting], look: Look, place: Place) -> None:
    """One series' signs at the foot for jobs that have no numbers."""
    edge = moved(axes, axes.get_xaxis_transform(), look)
    for x, point in placed(points, place):
        for status in point.statuses:
            if status in WITHOUT_NUMBERS:
                sign = sign_of(status) | {"color": look.colour}
                sign["markersize"] += look.larger
                axes.plot(x, FOOT, transform=edge, **sign)


def moved(axes: Axes, where: Transform, look: Look) -> Transform:
    """A place in the axes, with the series' step aside."""
    return where + ScaledTranslation(look.aside / 72, 0, axes.figure.dpi_scale_trans)


def placed(points: Sequence[Setting], place: Place) -> list[tuple[float, Setting]]:
    """The points whose places are known, from left to right."""
    found = [(x, point) for point in points if (x := place(point)) is not None]
    return sorted(found, key=lambda item: item[0])


def encircle(axes: Axes, x: float, y: float, point: Setting, where: Transform) -> None:
    """A sign about a point for each status but `ok` of the jobs that it is the mean of."""
    for status in point.statuses:
        if status != "ok" and status not in WITHOUT_NUMBERS:
            axes.plot(x, y, transform=where, zorder=4, **sign_of(status))


def sign_of(status: str) -> dict[str, Any]:
    """How a status is marked, in the axes and in the legend."""
    size = 7 if status in WITHOUT_NUMBERS else 10
    sign: dict[str, Any] = {"marker": MARKS.get(status, "*"), "markersize": size}
    return sign | {"color": style.BLACK, "markerfacecolor": "none", "linestyle": "None"}


def status_handles(points: Sequence[Setting]) -> list[Line2D]:
    """Returns a line of the legend for each status but `ok`, with the number of its jobs."""
    counts: Counter[str] = sum((point.statuses for point in points), Counter())
    jobs = counts.total()
    return [
        style.handle(f"{status}: {counts[status]} of {jobs} jobs", **sign_of(status))
        for status in MARKS
        if counts[status]
    ]
