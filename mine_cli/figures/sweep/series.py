"""The series of a sweep's picture: their looks, their points with intervals, marks of statuses."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

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
    "APART", "AT_LEAST", "CLOSE", "NESTED", "Look", "Place", "Series", "draw_points", "is_number",
    "status_handles", "values_of",
]  # fmt: skip

COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PINK, style.SKY, style.YELLOW, style.BLACK)
MARKERS = "osD^vP*"
DASHES = ("-", "--", ":", "-.")
MARKS = {
    "high_variance": "o", "at_ceiling": "s", "not_converged": "^", "collapsed": "v",
    "modes_missing": "<", "low_quality": ">", "outrun": "D", "inaccurate": "h", "diverged": "x",
    "failed": "+", "interrupted": "1", "pending": "2",
}  # fmt: skip
"""Status -> the sign about a point; of jobs without numbers, at the foot of the axes."""
FOOT = 0.03  # of the height of the axes
CLOSE, APART = 8.0, 60.0  # points of print that the series share at a number, at a name
NESTED = 0.0  # where the place is a measure itself: beside it they would be off the line of truth
AT_LEAST: style.Looks = {"marker": r"$\geq$", "markersize": 7, "markeredgewidth": 0.3}
"""Before a point whose number is only known to be exceeded."""
LARGER, BEFORE = 4.0, 10.0  # points of print: the first of nested series; the sign of "or more"

Place = Callable[[Setting], float | None]


@dataclass(frozen=True)
class Look:
    """Holds how a series is drawn.

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
    """Returns the values of a swept key: numbers ascending, else in the order of the jobs."""
    found = list(dict.fromkeys(point.values[key] or "" for point in points))
    return sorted(found, key=float) if all(map(is_number, found)) else found


def is_number(value: str) -> bool:
    """Returns whether a value, as typed, is a finite number."""
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


class Series:
    """Tells the settings apart by their looks.

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
        names = list(product(self.first, self.rest))
        colours, last = colours_of(len(self.first)), len(names) - 1
        self.looks: dict[tuple[str, str], Look] = {}
        for number, name in enumerate(names):
            one, other = divmod(number, len(self.rest))
            marker = MARKERS[(one if len(self.rest) == 1 else other) % len(MARKERS)]
            aside = width / max(4, len(names)) * (number - last / 2)
            larger = LARGER * (last - number) / max(1, last) if width == NESTED else 0.0
            dash = DASHES[other % len(DASHES)]
            self.looks[name] = Look(colours[one], marker, dash, aside, larger)

    def name(self, point: Setting) -> tuple[str, str]:
        """Returns what tells a point's series from the others."""
        first = point.values[self.keys[0]] or "" if self.keys else ""
        return first, ", ".join(f"{key}={point.values[key] or ''}" for key in self.keys[1:])

    def draw(
        self, axes: Axes, points: Sequence[Setting], place: Place, metric: Metric, units: str,
        beside: Sequence[float], joined: bool = True, missing: bool = True,
    ) -> None:  # fmt: skip
        """Draws one number of all series, in the order of the legend.

        What the axes show is near the values of runs that ended `ok`: a run that ended otherwise
        may lie anywhere, and would squeeze the others into a line.

        Arguments:
            beside: Values that are to be seen as well, such as the truth.
            place, metric, joined, missing: As for `draw_points`.
        """
        sound = [point for point in points if point.statuses["ok"]] or points
        known = [value for point in sound for value in point.known(metric.column)]
        values = [*(metric.factor(units) * value for value in known), *beside]
        low, high = min(values, default=0.0), max(values, default=1.0)
        span = max(high - low, abs(high), abs(low)) or 1.0
        shown = (low - span, high + span)
        for name, look in self.looks.items():
            found = [point for point in points if self.name(point) == name]
            draw_points(axes, found, look, place, metric, units, shown, joined, missing)
        style.quiet(axes)

    def handles(self) -> list[Line2D]:
        """Returns the legend: a line for each colour and, where they tell more, each marker."""
        several, found = len(self.rest) > 1, []
        for value in self.first if self.keys else ():
            look = self.looks[value, self.rest[0]]
            label, marker = f"{self.keys[0]}={value or 'none'}", "" if several else look.marker
            found.append(style.handle(label, color=look.colour, marker=marker, linestyle="-"))
        for rest in self.rest if several else ():
            look = self.looks[self.first[0], rest]
            looks = {"marker": look.marker, "linestyle": look.dash}
            found.append(style.handle(rest, color=style.GREY, **looks))
        return found


def colours_of(count: int) -> list[str]:
    """As many colours: told apart by everybody, or where they are too few a scale."""
    scale = [to_hex(colormaps["viridis"](share)) for share in numpy.linspace(0, 0.95, count)]
    return [*COLOURS[:count]] if count <= len(COLOURS) else scale


def draw_points(
    axes: Axes, points: Sequence[Setting], look: Look, place: Place, metric: Metric, units: str,
    shown: tuple[float, float], joined: bool = True, missing: bool = False,
) -> None:  # fmt: skip
    """Draws one series: means with intervals, joined in order; signs about what is not `ok`.

    Arguments:
        place: Where a point stands on the horizontal axis; None where that is not known.
        metric: The number that is drawn.
        shown: Values outside are drawn as arrows at the edge.
        missing: Whether jobs that have no numbers have signs at the foot.
    """
    aside = ScaledTranslation(look.aside / 72, 0, axes.figure.dpi_scale_trans)
    there, edge = axes.transData + aside, axes.get_xaxis_transform() + aside
    before = there + ScaledTranslation(-BEFORE / 72, 0, axes.figure.dpi_scale_trans)
    placed = [(x, point) for point in points if (x := place(point)) is not None]
    inside, factor = [], metric.factor(units)
    for x, point in sorted(placed, key=lambda item: item[0]):
        mean = point.mean(metric.column)
        y = None if mean is None else factor * mean
        seen = y is not None and shown[0] <= y <= shown[1]
        for status in point.statuses:
            sign = sign_of(status)
            if missing and status in WITHOUT_NUMBERS:
                sign |= {"color": look.colour, "markersize": sign["markersize"] + look.larger}
                axes.plot(x, FOOT, transform=edge, **sign)
            elif y is not None and seen and status != "ok" and status not in WITHOUT_NUMBERS:
                axes.plot(x, y, transform=there, zorder=4, **sign)
        if y is not None and not seen:
            point_beyond(axes, x, y, look, edge, y > shown[1])
        elif y is not None:
            inside.append((x, y, 2 * factor * (point.standard_error(metric.column) or 0.0)))
            if metric.or_more(point.mean):
                axes.plot(x, y, color=look.colour, transform=before, zorder=4, **AT_LEAST)
    if inside:
        draw_intervals(axes, inside, look, there, shown, look.dash if joined else "none")


def draw_intervals(
    axes: Axes, points: Sequence[tuple[float, float, float]], look: Look, where: Transform,
    shown: tuple[float, float], line: str,
) -> None:  # fmt: skip
    """Means and as much to each side, as far as the axes show it."""
    x, y, half = numpy.array(points).T
    ends = numpy.clip([y - half, y + half], *shown)
    thick = 1.1 + 0.3 * look.larger
    axes.errorbar(
        x, y, yerr=abs(ends - y), color=look.colour, marker=look.marker,
        markersize=4.5 + look.larger, linestyle=line, linewidth=thick,
        capsize=2 + 0.5 * look.larger, elinewidth=thick, transform=where, zorder=3,
    )  # fmt: skip
    # What is drawn aside is not seen by the axes when they choose their limits.
    axes.update_datalim(numpy.column_stack([numpy.tile(x, 2), ends.ravel()]))
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


def sign_of(status: str) -> style.Looks:
    """How a status is marked, in the axes and in the legend."""
    size = 7 if status in WITHOUT_NUMBERS else 10
    sign: style.Looks = {"marker": MARKS.get(status, "*"), "markersize": size}
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
