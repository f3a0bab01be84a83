"""The picture of a sweep: estimates against the truth, or a result against what was swept."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from mine_cli.figures import style
from mine_cli.figures.sweep.points import Point, SweepTable
from mine_cli.figures.sweep.series import (
    APART,
    AT_LEAST,
    CLOSE,
    NESTED,
    Place,
    Series,
    draw_missing,
    draw_points,
    handle,
    range_of,
    status_handles,
)
from mine_cli.results.columns import Column
from mine_cli.results.numbers import per_nat

__all__ = ["sweep"]

MOST_PANELS = 4
MOST_NUMBERS = 3
MOST_LETTERS = 60  # of the names that fit level under an axis
TRUTH: dict[str, Any] = {"color": style.GREY, "linestyle": "--", "linewidth": 1.2}
LOGARITHMIC = 20.0  # from this ratio of the largest swept value to the smallest
NEAREST_TICKS = 1 / 15  # of the axis between two swept values that are both named


def sweep(folder: Path, units: str = "nats") -> Path | None:
    """Draws a sweep from its results.csv, with two standard errors to each side of each mean.

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
    results = folder / "results.csv"
    table = SweepTable.read(results) if results.exists() else None
    if table is None or not table.columns:
        return None
    main = table.columns[0]
    if sum(point.mean(main.name) is not None for point in table.points) < 2:
        return None
    if main.name == "estimate" and (truth_keys := table.truth_keys()):
        figure = against_truth(table, truth_keys, units)
    else:
        figure = against_key(table, units)
    return style.save(figure, folder / "sweep.png")


# Against the truth


def against_truth(table: SweepTable, truth_keys: Sequence[str], units: str) -> Figure:
    """Estimates above and errors below, a pair of axes for each value of what else moves it."""
    swept = table.longest(truth_keys)
    others = [key for key in truth_keys if key != swept]
    place = by_truth(table, truth_keys, per_nat(units))
    panels = panels_of([point for point in table.points if place(point) is not None], others)
    told = [key for key in table.keys if key != swept and (len(panels) == 1 or key not in others)]
    series = Series(table, told, NESTED)
    figure = style.paper(7.4 if len(panels) == 1 else 0.8 + 4.4 * len(panels), 6.8)
    grid = figure.subplots(2, len(panels), sharex="col", squeeze=False, height_ratios=[2.2, 1])
    for (above, below), (name, points) in zip(grid.T, panels.items(), strict=True):
        above.set_title(name, loc="left", fontsize=10)
        truths = [truth for point in points if (truth := place(point)) is not None]
        ends = [min(truths), max(truths)]
        above.plot(ends, ends, **TRUTH)
        below.axhline(0, **TRUTH)
        draw_all(above, series, points, place, "estimate", per_nat(units), truths)
        third = max(truths) / 3  # so that errors as large as the truth are seen
        draw_all(below, series, points, place, "error", per_nat(units), [-third, third])
        mark_missing(above, series, points, place)
        below.set_xlabel(f"true mutual information ({units})")
    grid[0, 0].set_ylabel(f"estimate ({units})")
    grid[1, 0].set_ylabel(f"error ({units})")
    legend(figure, table, [*series.handles(), handle("estimate = truth", **TRUTH)])
    entitle(figure, f"Estimate against truth, {table.seeds_in_words()}")
    return figure


def panels_of(points: Sequence[Point], keys: Sequence[str]) -> dict[str, list[Point]]:
    """The points by their values of these keys; all together where that would be too many."""
    found: dict[str, list[Point]] = {}
    for point in points:
        name = ", ".join(f"{key}={point.values[key]}" for key in keys)
        found.setdefault(name, []).append(point)
    return found if len(found) <= MOST_PANELS else {"": [*points]}


def by_truth(table: SweepTable, keys: Sequence[str], factor: float) -> Place:
    """Where a setting stands: a failed one's truth is known from those with the same data."""
    truths = {
        tuple(point.values[key] for key in keys): factor * point.truth
        for point in table.points
        if point.truth is not None
    }
    return lambda point: truths.get(tuple(point.values[key] for key in keys))


# Against what was swept


def against_key(table: SweepTable, units: str) -> Figure:
    """The numbers by which the jobs are compared, each in its own axes."""
    numeric = [key for key in table.keys if table.is_numeric(key)]
    swept = table.longest(numeric or table.keys)
    told = [key for key in table.keys if key != swept]
    series = Series(table, told, CLOSE if numeric else APART)
    beside = ("true_mi", "error")
    columns = [column for column in table.columns if column.name not in beside][:MOST_NUMBERS]
    figure = style.paper(7.4 if len(columns) == 1 else 0.8 + 4.4 * len(columns), 4.8)
    for axes, column in zip(
        figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True
    ):
        draw_number(axes, table, series, swept, column, units)
    truth = [handle("truth", **TRUTH)] if table.known_truth() is not None else []
    if any(is_at_least(column)(point) for column in columns for point in table.points):
        truth.append(handle("at its ceiling: so much or more", color=style.GREY, **AT_LEAST))
    legend(figure, table, [*series.handles(), *truth])
    names = columns[0].title.capitalize() if len(columns) == 1 else "Results"
    entitle(figure, f"{names.capitalize()} against {swept}, {table.seeds_in_words()}")
    return figure


def draw_number(
    axes: Axes, table: SweepTable, series: Series, swept: str, column: Column, units: str
) -> None:
    """One number of all series over the swept key."""
    factor, truth = column.factor(units), table.known_truth()
    beside = []
    if column.name == "estimate" and truth is not None:
        beside = [factor * truth]
        axes.axhline(factor * truth, **TRUTH)
    values, numeric = table.values(swept), table.is_numeric(swept)
    places = {value: float(value) if numeric else k for k, value in enumerate(values)}

    def place(point: Point) -> float:
        return places[point.values[swept]]

    joined = numeric and swept != "seed"
    draw_all(
        axes, series, table.points, place, column.name, factor, beside, joined, is_at_least(column)
    )
    mark_missing(axes, series, table.points, place)
    if numeric:
        scale(axes, values)
    else:
        name_places(axes, values)
    axes.set_xlabel(swept)
    axes.set_ylabel(column.headed(units))
    if column.kind == "count":
        style.whole(axes)


def is_at_least(column: Column) -> Callable[[Point], bool]:
    """Of a point whether this number is only known to be exceeded."""
    return lambda point: bool(point.known(column.name) and column.or_more(point.mean))


def scale(axes: Axes, values: Sequence[str]) -> None:
    """An axis of numbers, logarithmic where they span decades, with the swept ones named."""
    numbers = [float(value) for value in values]
    positive = [number for number in numbers if number > 0]
    if positive and min(numbers) >= 0 and max(positive) >= LOGARITHMIC * min(positive):
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


def name_places(axes: Axes, values: Sequence[str]) -> None:
    """An axis of names; aslant where they are long."""
    axes.set_xticks(range(len(values)), [value or "none" for value in values])
    if sum(map(len, values)) > MOST_LETTERS:
        axes.tick_params(axis="x", labelrotation=25)
    axes.set_xlim(-0.5, len(values) - 0.5)


# Both


def draw_all(
    axes: Axes,
    series: Series,
    points: Sequence[Point],
    place: Place,
    name: str,
    factor: float,
    beside: Sequence[float],
    joined: bool = True,
    at_least: Callable[[Point], bool] | None = None,
) -> None:
    """One number of all series; arguments as for `draw_points` and `range_of`."""
    shown = range_of(points, name, factor, beside)
    for look, found in series.of(points):
        draw_points(axes, found, look, place, name, factor, shown, joined, at_least)
    style.quiet(axes)


def mark_missing(axes: Axes, series: Series, points: Sequence[Point], place: Place) -> None:
    """The signs of jobs without numbers, of all series."""
    for look, found in series.of(points):
        draw_missing(axes, found, look, place)


def entitle(figure: Figure, title: str) -> None:
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")


def legend(figure: Figure, table: SweepTable, handles: Sequence[Line2D]) -> None:
    """What the colours and signs mean, below the axes."""
    many = any(len(point.known(table.columns[0].name)) > 1 for point in table.points)
    bars = []
    if many or table.columns[0].name == "estimate":
        label = table.spread_in_words() if many else "two standard errors of each estimate"
        bars.append(handle(label, color=style.GREY, marker="|", markersize=11))
    side: dict[str, Any] = {"loc": "outside lower left", "ncols": int(figure.get_figwidth() / 2.3)}
    every = [*handles, *bars, *status_handles(table)]
    figure.legend(handles=every, frameon=False, fontsize=8.5, **side)
