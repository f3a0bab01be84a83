"""The pictures of one `task=gan` run: its samples, their density, their modes."""

import math
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from numpy import ndarray
from scipy import stats

from mine_cli.figures import style
from mine_cli.figures.gan.panels import (
    bandwidth,
    draw_densities,
    draw_images,
    draw_points,
    square,
)
from mine_cli.figures.gan.run import GanRun
from mine_cli.results.summary import name_of

__all__ = ["density", "histogram", "samples", "training"]

PANELS = 6  # of the training, at most
MOST_BARS = 100  # more modes than this are sorted and drawn as one outline


def samples(folder: Path, step: int | None = None) -> Path | None:
    """Draws the samples of one step: points over the data's, or an 8 x 8 grid of images.

    Arguments:
        folder: A run, with samples/*.npz and, where they exist, result.json and metrics.csv.
        step: One whose samples were kept; None is the last.

    Returns:
        The path of the PNG, `figures/samples.png` in that folder; None of a run without samples.

    Raises:
        BadInput: no samples were kept at that step.
    """
    run = GanRun.read(folder)
    if step is None and not run.steps:
        return None
    step = run.steps[-1] if step is None else step
    x = run.at(step)["x"]
    figure = style.paper(5.7, 6.2 if run.images() else 6.6)
    axes = figure.add_subplot()
    if run.images():
        draw_images(axes, x, rows=8)
    else:
        draw_points(axes, x, run.data, frame_of(run, x), run.colour, size=5)
        figure.legend(frameon=False, fontsize=9, loc="outside lower right", ncols=2, markerscale=2)
    axes.set_title(titled(run, f"samples of step {step:,}", step), loc="left", fontsize=10)
    return style.save(figure, folder / "figures" / "samples.png")


def training(folder: Path) -> Path | None:
    """Draws the samples at up to six steps spread over the training, the last included.

    The layout of Figure 3 of Mutual Information Neural Estimation (Belghazi et al., 2018).

    Returns:
        The path of the PNG, `figures/training.png` in that folder; None of a run without samples.
    """
    run = GanRun.read(folder)
    if not run.steps:
        return None
    steps = spread(run.steps, PANELS)
    columns = min(len(steps), 3)
    rows = math.ceil(len(steps) / columns)
    figure = style.paper(max(3.3 * columns, 7.0), 3.6 * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    limits = None if run.images() else frame_of(run, run.at(steps[-1])["x"])
    for axes, step in zip(panels, steps, strict=False):
        x = run.at(step)["x"]
        if limits is None:
            draw_images(axes, x, rows=4)
        else:
            draw_points(axes, x, run.data, limits, run.colour, size=2)
        axes.set_title(f"step {step:,}\n{run.scored(step)}".strip(), loc="left", fontsize=8.5)
    for axes in panels[len(steps) :]:
        axes.set_axis_off()
    shown = "generated images" if limits is None else "generated points over the data (grey)"
    figure.suptitle(run.headed(f"{shown} during training"), fontsize=11)
    style.apart(figure, 0.12, 0.08)
    return style.save(figure, folder / "figures" / "training.png")


def density(folder: Path) -> Path | None:
    """Draws the density of the data and of the last samples, in one frame and colour scale.

    The layout of Figure 4 of Mutual Information Neural Estimation (Belghazi et al., 2018).

    Returns:
        The path of the PNG, `figures/density.png` in that folder; None of images, and of a run
        that lacks its data or samples.
    """
    run = GanRun.read(folder)
    if not run.steps or run.data is None or run.images():
        return None
    x, limits = run.at(run.steps[-1])["x"], square(run.data)
    figure = style.paper(10.2, 5.2)
    panels = figure.subplots(1, 2, sharey=True)
    draw_densities(figure, panels, [run.data, x], limits)
    panels[0].set_title(f"data: {len(run.data):,} points", loc="left", fontsize=10)
    head = f"generated: {len(x):,} points of step {run.steps[-1]:,}"
    panels[1].set_title(head, loc="left", fontsize=10)
    note = f"kernel density estimate, Gaussian kernel of standard deviation {bandwidth(limits):g}"
    figure.suptitle(run.headed(run.scored(run.steps[-1])), fontsize=11)
    figure.supxlabel(note, fontsize=9, color=style.GREY)
    return style.save(figure, folder / "figures" / "density.png")


def histogram(folder: Path) -> Path | None:
    """Draws how many of the last samples fell to each mode, against the uniform line.

    Up to a hundred modes are bars, those of high quality in a full colour; more are sorted in
    descending order, beside the counts that as many draws from the uniform law would have.

    Returns:
        The path of the PNG, `figures/histogram.png` in that folder; None of a run without samples,
        or of data that cannot tell modes.
    """
    run = GanRun.read(folder)
    if run.modes is None:
        return None
    step = run.steps[-1]
    kept = run.at(step)
    counts = kept["histogram"]
    figure = style.paper(8.4, 4.2)
    axes = figure.add_subplot()
    if len(counts) <= MOST_BARS:
        draw_bars(axes, counts, kept.get("good_histogram"), run.colour, mode_label(run))
    else:
        draw_sorted(axes, counts, run.colour)
    head = f"samples of step {step:,}"
    axes.set_title(titled(run, head, step, floor=True), loc="left", fontsize=10)
    style.quiet(axes)
    figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=3)
    return style.save(figure, folder / "figures" / "histogram.png")


def titled(run: GanRun, what: str, step: int, floor: bool = False) -> str:
    """Two lines: the run, and below it what is seen with its scores."""
    said = ": ".join(filter(None, [what, run.scored(step, floor)]))
    return "\n".join(filter(None, [run.name, said]))


def mode_label(run: GanRun) -> str:
    """What a mode of this data is, along the axis of a histogram."""
    kind = name_of(run.result.get("dataset"))
    what = "stretch of the spiral, from the inside" if kind == "Spiral" else "mode"
    return f"{what}, 0 to {(run.modes or 1) - 1}"


def draw_bars(axes: Axes, counts: ndarray, good: ndarray | None, colour: str, label: str) -> None:
    """A bar for each mode, of all samples and in front of it of the good ones."""
    places, total = numpy.arange(len(counts)), int(counts.sum())
    pale = colour if good is None else style.paler(colour)
    axes.bar(places, counts, color=pale, label=f"all {total:,} samples")
    if good is not None:
        high = f"of these {int(good.sum()):,} of high quality (within 3 sigma)"
        axes.bar(places, good, color=colour, label=high)
    draw_uniform(axes, counts)
    axes.set_xlim(-0.8, len(counts) - 0.2)
    axes.set_xlabel(label)
    axes.set_ylabel("samples")
    if len(counts) <= 25:
        axes.set_xticks(places)
        axes.tick_params(axis="x", labelsize=8)


def draw_sorted(axes: Axes, counts: ndarray, colour: str) -> None:
    """The counts in descending order as a filled outline, and those that chance alone makes."""
    n, ranks = len(counts), numpy.arange(len(counts))
    ordered, lowest = numpy.sort(counts)[::-1], 0.5
    there = ordered > 0
    axes.fill_between(ranks, lowest, ordered, where=there, step="mid", color=style.paler(colour))
    label = f"{int(counts.sum()):,} generated samples"
    axes.step(ranks[there], ordered[there], where="mid", color=colour, linewidth=1.8, label=label)
    chance = stats.poisson.ppf((n - ranks - 0.5) / n, counts.sum() / n)
    label = "a perfect generator's, sorted alike"
    axes.plot(ranks, chance, ":", color=style.BLACK, linewidth=1.4, label=label)
    draw_uniform(axes, counts)
    axes.set_ylim(lowest, 2 * max(ordered[0], chance[0], 1))
    style.logarithmic(axes)
    axes.set_xlim(-0.01 * n, 1.01 * n)
    axes.set_xlabel("modes, the most frequent first")
    axes.set_ylabel("samples (log scale)")
    if missed := int((counts == 0).sum()):
        note = f"{missed:,} modes never generated"
        axes.text(0.985, 0.96, note, transform=axes.transAxes, ha="right", va="top", fontsize=9)


def draw_uniform(axes: Axes, counts: ndarray) -> None:
    """A dashed line at the count of each mode if all were alike."""
    each = counts.sum() / len(counts)
    label = f"uniform: {each:,.0f} a mode"
    axes.axhline(each, color=style.BLACK, linestyle="--", linewidth=1.0, label=label)


def frame_of(run: GanRun, x: ndarray) -> tuple[float, float, float, float]:
    """The data's frame; where the data was not kept, the samples' own."""
    return square(x if run.data is None else run.data)


def spread(steps: list[int], n: int) -> list[int]:
    """At most n of the steps, evenly spread, the first and the last among them."""
    chosen = numpy.linspace(0, len(steps) - 1, min(n, len(steps))).round().astype(int)
    return [steps[k] for k in chosen]
