"""The information plane of many `task=infobottleneck` runs: each method over its betas."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy
from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.infobottleneck.labels import label_points
from mine_cli.figures.infobottleneck.method_groups import Group, groups_of, measure_of
from mine_cli.figures.infobottleneck.plane import draw_ceiling, draw_entropy
from mine_cli.figures.infobottleneck.run import Measure, look_of
from mine_cli.results.files import write_csv

__all__ = ["plane_of_sweep"]

LOGARITHMIC = 30.0  # from this ratio of the largest information to the smallest

Line = tuple[Measure, list[Group]]


def plane_of_sweep(sweep: Path) -> Path | None:
    """Writes and draws I(X; Z) against I(Z; Y), in nats, of all methods over their betas.

    Each method has one measure of I(X; Z), the best that all its betas have; bars are two standard
    errors over the seeds. Runs that diverged or were outrun are left out; the title
    counts them.

    References:
        | The layout of Figure 1 of Deep Variational Information Bottleneck (Alemi et al., 2017)
        | https://arxiv.org/abs/1612.00410

    Returns:
        The path of `plane.png` in that folder, with `plane.csv` beside it; None where no method
        has two betas with known information.
    """
    every = groups_of(sweep)
    paths = paths_of([replace(g, runs=g.sound) for g in every if g.sound])
    if not any(len(groups) > 1 for _, groups in paths):
        return None
    rows = [point_of(group, measure) for measure, groups in paths for group in groups]
    write_csv(sweep / "plane.csv", rows, shared=True)
    figure = style.paper(8.6, 5.6)
    axes = figure.add_subplot()
    for measure, groups in paths:
        draw_path(axes, groups, measure)
    finish_plane(axes, paths)
    lost = sum(len(group.runs) - len(group.sound) for group in every)
    note = f"; {lost} that diverged or were outrun left out" if lost else ""
    title = f"Information plane, points labelled with beta{note}"
    axes.set_title(title, loc="left", fontsize=11)
    limits = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    handles = [*axes.containers, *limits]
    figure.legend(handles=handles, frameon=False, fontsize=8.5, loc="outside lower left", ncols=2)
    points = [(row["i_xz"], row["i_zy"], f"{row['beta']:g}", row["method"]) for row in rows]
    label_points(figure, axes, [(x, y, text, look_of(name).colour) for x, y, text, name in points])
    return style.save(figure, sweep / "plane.png", shared=True)


def paths_of(groups: Sequence[Group]) -> list[Line]:
    """For each method its measure of I(X; Z), and its betas that have both coordinates."""
    found = []
    for _, every in groupby(groups, key=lambda group: group.method):
        placed = [group for group in every if group.values("i_zy") and measure_of([group])]
        if measure := measure_of(placed):
            found.append((measure, placed))
    return found


def point_of(group: Group, measure: Measure) -> dict[str, Any]:
    """One line of plane.csv, in nats."""
    return {
        "method": group.method,
        "beta": group.beta,
        "seeds": len(group.counted),
        "statuses": group.statuses,
        "measure": measure.key,
        "i_xz": group.mean(measure.key),
        "i_xz_se": group.standard_error(measure.key),
        "i_xz_reference_upper": group.mean("i_xz_reference_upper"),
        "i_zy": group.mean("i_zy"),
        "i_zy_se": group.standard_error("i_zy"),
        "h_y": group.mean("h_y"),
    }


def draw_path(axes: Axes, groups: Sequence[Group], measure: Measure) -> None:
    """A method's betas, joined in their order, with two standard errors over the seeds."""
    points = [point_of(group, measure) for group in groups]
    x_error, y_error = (
        [2 * (point[f"{key}_se"] or 0.0) for point in points] for key in ("i_xz", "i_zy")
    )
    look, seeds = groups[0].look, sorted({point["seeds"] for point in points})
    count = " to ".join(map(str, seeds[:1] + seeds[1:][-1:]))
    label = f"{groups[0].method}: {measure.words}, {count} seed{'s' if seeds[-1] > 1 else ''}"
    axes.errorbar(
        [point["i_xz"] for point in points], [point["i_zy"] for point in points],
        xerr=x_error, yerr=y_error,
        color=look.colour, marker=look.marker, linestyle=look.line, markersize=6, linewidth=1.4,
        capsize=2, label=label,
    )  # fmt: skip


def finish_plane(axes: Axes, paths: Sequence[Line]) -> None:
    """The limits that theory sets, and what the axes are."""
    groups = [group for _, path in paths for group in path]
    reached = [group.mean(measure.key) or 0.0 for measure, path in paths for group in path]
    wide = min(reached) > 0 and max(reached) > LOGARITHMIC * min(reached)
    if wide:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(0.1)
    by_reference = [path for measure, path in paths if measure.key == "i_xz_reference"]
    values = [value for path in by_reference for g in path for value in g.values("i_xz_reference")]
    draw_ceiling(axes.axvline, groups[0].runs[0], values)
    draw_entropy(axes, next((h for group in groups if (h := group.mean("h_y"))), None))
    draw_processing(axes)
    words = {measure.words for measure, _ in paths}
    which = words.pop() if len(words) == 1 else "by the measure in the legend"
    axes.set_xlabel(f"I(X;Z) (nats{', log scale' if wide else ''}; {which})")
    axes.set_ylabel("I(Z;Y), lower bound (nats)")
    style.quiet(axes)


def draw_processing(axes: Axes) -> None:
    """I(Z; Y) = I(X; Z), which no representation can lie above: data processing."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    if left < top:
        line = numpy.geomspace(max(left, 1e-6), min(right, top), 200)
        label = "I(Z;Y) = I(X;Z): above it the measure of I(X;Z) is too small"
        axes.plot(line, line, ":", color=style.BLACK, linewidth=1.0, label=label)
        axes.set(xlim=(left, right), ylim=(bottom, top))
