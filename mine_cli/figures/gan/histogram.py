"""The modes of one `task=gan` run: how many of its last samples fell to each."""

from pathlib import Path

import numpy
from matplotlib.axes import Axes
from numpy import ndarray
from scipy import stats

from mine_cli.figures import style
from mine_cli.figures.gan.run import GanRun
from mine_cli.results.summary import name_of

__all__ = ["histogram"]

MOST_BARS = 100  # more modes than this are sorted and drawn as one outline


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
    kept = run.at(run.steps[-1])
    counts = kept["histogram"]
    figure = style.paper(8.4, 4.2)
    axes = figure.add_subplot()
    if len(counts) <= MOST_BARS:
        draw_bars(axes, counts, kept.get("good_histogram"), run.colour, mode_label(run))
    else:
        draw_sorted(axes, counts, run.colour)
    axes.set_title(run.titled(floor=True), loc="left", fontsize=10)
    style.quiet(axes)
    figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=3)
    return style.save(figure, folder / "figures" / "histogram.png")


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
