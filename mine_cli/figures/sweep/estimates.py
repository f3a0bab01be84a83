"""The picture of a sweep: estimates against the truth, or a result against what was swept."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from mine_cli.figures import style
from mine_cli.figures.sweep.ranking import ranked
from mine_cli.figures.sweep.series import (
    APART,
    AT_LEAST,
    CLOSE,
    NESTED,
    Series,
    is_number,
    status_handles,
    values_of,
)
from mine_cli.results.ledger import Ledger, Setting
from mine_cli.results.metrics import METRICS, Metric
from mine_cli.results.names import brief
from mine_cli.results.numbers import in_words, per_nat

__all__ = ["compare_jobs"]

MOST_PANELS = 4
MOST_NUMBERS = 3
MOST_LETTERS = 60  # of the names that fit level under an axis
TRUTH: style.Looks = {"color": style.GREY, "linestyle": "--", "linewidth": 1.2}
LOGARITHMIC = 20.0  # from this ratio of the largest swept value to the smallest
LOGARITHMIC_RATE = 4.0  # the same of a learning rate
NEAR_ZERO = 0.6  # of the highest value that the axes show: where the lowest is below, 0 is shown
ROW = 0.24  # inches of a row, where names stand one below the other
NEAREST_TICKS = 1 / 15  # of the axis between two swept values that are both named
ESTIMATE, ERROR = (METRICS["mi-estimate"][key] for key in ("estimate", "error"))

Points = Sequence[Setting]


@style.every_letter()
def compare_jobs(folder: Path, units: str = "nats") -> Path | None:
    """Draws the jobs of a sweep, with two standard errors to each side of each mean over seeds.

    Where the truth is known and was swept: estimate against truth, the line y = x, and the error
    below. Else the numbers by which the jobs are compared, against the swept key with most
    values, on a logarithmic axis where they span decades. Statuses other than `ok` are marked.

    Arguments:
        folder: Of the sweep.
        units: "nats" or "bits": the unit of display.

    Returns:
        The path of `sweep.png` in that folder; None where fewer than two settings (of nothing but
        seeds: two jobs) have numbers.
    """
    ledger = Ledger(folder)
    points, keys = ledger.points, ledger.keys or ["seed"]
    metrics = [m for m in ledger.metrics if any(point.known(m.column) for point in points)]
    if not metrics or sum(point.mean(metrics[0].column) is not None for point in points) < 2:
        return None
    truth_keys = [key for key in ledger.keys if moves_truth(points, key)]
    if metrics[0] is ESTIMATE and truth_keys:
        figure, series = against_truth(points, keys, truth_keys, units)
    else:
        figure, series = against_key(points, keys, metrics, units)
    explain(figure, points, metrics, series)
    return style.save(figure, folder / "sweep.png")


def moves_truth(points: Points, key: str) -> bool:
    """Whether settings that differ in this key alone have different truths, which are known."""
    found: dict[tuple[str | None, ...], set[float]] = {}
    for point in points:
        if point.truth is not None:
            others = at(point, [other for other in point.values if other != key])
            found.setdefault(others, set()).add(round(point.truth, 9))
    return any(len(truths) > 1 for truths in found.values())


def longest(points: Points, keys: Sequence[str]) -> str:
    """The key with most values; of two the first."""
    return max(keys, key=lambda key: len(values_of(points, key)))


# Against the truth


def against_truth(
    points: Points, keys: Sequence[str], truth_keys: Sequence[str], units: str
) -> tuple[Figure, list[Line2D]]:
    """Estimates above and errors below, a pair of axes for each value of what else moves it.

    Returns:
        The figure and the legend of its series.
    """
    swept, factor = longest(points, truth_keys), per_nat(units)
    truths = {at(p, truth_keys): factor * p.truth for p in points if p.truth is not None}

    def place(point: Setting) -> float | None:
        # A failed setting's truth is known from those with the same data.
        return truths.get(at(point, truth_keys))

    others = [key for key in truth_keys if key != swept]
    panels = panels_of([point for point in points if place(point) is not None], others)
    told = [key for key in keys if key != swept and (len(panels) == 1 or key not in others)]
    series = Series(points, told, NESTED)
    figure = style.paper(7.4 if len(panels) == 1 else 0.8 + 4.4 * len(panels), 6.8)
    grid = figure.subplots(2, len(panels), sharex="col", squeeze=False, height_ratios=[2.2, 1])
    for (above, below), (name, shown) in zip(grid.T, panels.items(), strict=True):
        above.set_title(style.literal(name), loc="left", fontsize=10)
        there = [truth for point in shown if (truth := place(point)) is not None]
        ends, third = [min(there), max(there)], max(there) / 3
        above.plot(ends, ends, **TRUTH)
        below.axhline(0, **TRUTH)
        series.draw(above, shown, place, ESTIMATE, units, there)
        # So that errors as large as the truth are seen.
        series.draw(below, shown, place, ERROR, units, [-third, third], missing=False)
        below.set_xlabel(f"true mutual information ({units})")
    grid[0, 0].set_ylabel(f"estimate ({units})")
    grid[1, 0].set_ylabel(f"error ({units})")
    scales = "; each panel has its own scale" if len(panels) > 1 else ""
    figure.suptitle(f"Estimate against truth{scales}")
    return figure, [*series.handles(), style.handle("estimate = truth", **TRUTH)]


def at(point: Setting, keys: Sequence[str]) -> tuple[str | None, ...]:
    """The setting's values of these keys."""
    return tuple(point.values[key] for key in keys)


def panels_of(points: Points, keys: Sequence[str]) -> dict[str, Points]:
    """The points by their values of these keys; all together where that would be too many."""
    found: dict[str, list[Setting]] = {}
    for point in points:
        name = ", ".join(f"{key}={point.values[key] or ''}" for key in keys)
        found.setdefault(name, []).append(point)
    return {**found} if len(found) <= MOST_PANELS else {"": points}


# Against what was swept


def against_key(
    points: Points, keys: Sequence[str], metrics: Sequence[Metric], units: str
) -> tuple[Figure, list[Line2D]]:
    """The numbers by which the jobs are compared, each in its own axes.

    Returns:
        The figure and the legend of its series.
    """
    numeric = [key for key in keys if all(map(is_number, values_of(points, key)))]
    swept = longest(points, numeric or keys)
    series = Series(points, [key for key in keys if key != swept], CLOSE if numeric else APART)
    shown = [m for m in metrics if m.column not in ("true_mi", "error")][:MOST_NUMBERS]
    names = brief(values_of(points, swept))
    rows = swept not in numeric and sum(map(len, names.values())) > MOST_LETTERS
    height = 1.6 + ROW * len(names) * max(1.0, len(series.looks) / 3) if rows else 4.8
    figure = style.paper(7.4 if len(shown) == 1 else 0.8 + 4.4 * len(shown), height)
    truths = {round(point.truth, 9) for point in points if point.truth is not None}
    truth = truths.pop() if len(truths) == 1 else None
    for axes, metric in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        beside = []
        if metric is ESTIMATE and truth is not None:
            beside = [metric.factor(units) * truth]
            (axes.axvline if rows else axes.axhline)(beside[0], **TRUTH)
        if rows:
            ranked(axes, series, points, swept, shown[0], metric, units)
        else:
            draw_number(axes, series, points, swept, metric, units, beside)
        if metric.kind == "nats":
            zero_line(axes, upright=rows)
    handles = [] if truth is None else [style.handle("truth", **TRUTH)]
    if any(point.known(m.column) and m.or_more(point.mean) for m in shown for point in points):
        label = "at its ceiling: so much or more"
        handles.append(style.handle(label, color=style.GREY, **AT_LEAST))
    name = shown[0].title if len(shown) == 1 else "results"
    figure.suptitle(style.literal(f"{name.capitalize()} against {swept}"))
    return figure, [*series.handles(), *handles]


def draw_number(
    axes: Axes, series: Series, points: Points, swept: str, metric: Metric, units: str,
    beside: Sequence[float],
) -> None:  # fmt: skip
    """One number of all series over the swept key."""
    values = values_of(points, swept)
    numeric = all(map(is_number, values))
    places = {value: float(value) if numeric else k for k, value in enumerate(values)}

    def place(point: Setting) -> float:
        return places[point.values[swept] or ""]

    series.draw(axes, points, place, metric, units, beside, joined=numeric and swept != "seed")
    if numeric:
        scale(axes, values, is_rate(swept))
    else:
        names = brief(values).values()
        axes.set_xticks(range(len(values)), [style.literal(name or "none") for name in names])
        axes.set_xlim(-0.5, len(values) - 0.5)
    axes.set_xlabel(style.literal(swept))
    axes.set_ylabel(metric.headed(units))
    if metric.kind == "count":
        style.whole(axes.yaxis)


def zero_line(axes: Axes, upright: bool) -> None:
    """A line where there is no information, which is brought into view where it is near."""
    low, high = axes.get_xlim() if upright else axes.get_ylim()
    if low <= NEAR_ZERO * high:
        (axes.axvline if upright else axes.axhline)(0, color=style.BLACK, linewidth=0.8, zorder=1)


def is_rate(key: str) -> bool:
    """Whether a key is a learning rate or the like, whose values are compared by their ratios."""
    return re.search(r"(^|[._])(lr|rate|decay)$", key) is not None


def scale(axes: Axes, values: Sequence[str], rate: bool) -> None:
    """An axis of numbers, logarithmic where they span decades, with the swept ones named."""
    numbers = [float(value) for value in values]
    positive = [number for number in numbers if number > 0]
    wide = LOGARITHMIC_RATE if rate else LOGARITHMIC
    if positive and min(numbers) >= 0 and max(positive) >= wide * min(positive):
        if min(numbers) > 0:
            axes.set_xscale("log")
        else:  # linear about 0, which has no logarithm
            axes.set_xscale("symlog", linthresh=min(positive), linscale=0.5)
            axes.set_xlim(-0.4 * min(positive), 1.5 * max(positive))
    places = axes.transData.transform([(number, 0) for number in numbers])[:, 0]
    width = axes.get_window_extent().width
    if len(numbers) == 1 or numpy.diff(places).min() >= NEAREST_TICKS * width:
        axes.set_xticks(numbers, values)
        axes.xaxis.set_minor_locator(NullLocator())


def explain(
    figure: Figure, points: Points, metrics: Sequence[Metric], handles: Sequence[Line2D]
) -> None:
    """What the points, colours and signs mean: at the end of the title and below the axes."""
    counts = sorted({len(point.known(metrics[0].column)) for point in points} - {0})
    least, many = counts[0], counts[-1]
    seeds = f"means of {many if least == many else f'{least} to {many}'} seeds"
    title = f"{figure.get_suptitle()}, {'one job each' if many == 1 else seeds}"
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    bars = []
    if many > 1 or metrics[0] is ESTIMATE:
        own = any(point.known("standard_error") for point in points)
        names = (m.column for m in metrics)
        over_seeds = in_words(names, own, "two standard errors").replace(", ", ",\n")
        label = over_seeds if many > 1 else "two standard errors of each estimate"
        bars.append(style.handle(label, color=style.GREY, marker="|", markersize=11))
    every = [*handles, *bars, *status_handles(points)]
    style.explain(figure, every, int(figure.get_figwidth() / 2.3))
