"""The samples of one `task=gan` run: the last, those during training, and their density."""

import math
from pathlib import Path

import numpy

from mine_cli.figures import style
from mine_cli.figures.gan.panels import draw_densities, draw_images, draw_points, square
from mine_cli.figures.gan.run import GanRun

__all__ = ["density", "samples", "training"]

PANELS = 6  # of the training, at most


def samples(folder: Path) -> Path | None:
    """Draws the samples of the last step: points over the data's, or an 8 x 8 grid of images.

    Arguments:
        folder: A run, with samples/*.npz and, where they exist, result.json and metrics.csv.

    Returns:
        The path of the PNG, `figures/samples.png` in that folder; None of a run without samples.
    """
    run = GanRun.read(folder)
    if not run.steps:
        return None
    x = run.at(run.steps[-1])["x"]
    figure = style.paper(5.7, 6.2 if run.images() else 6.6)
    axes = figure.add_subplot()
    if run.images():
        draw_images(axes, x, rows=8)
    else:
        draw_points(axes, x, run.data, square(x if run.data is None else run.data), run.colour, 5)
        figure.legend(frameon=False, fontsize=9, loc="outside lower right", ncols=2, markerscale=2)
    axes.set_title(run.titled(), loc="left", fontsize=10)
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
    figure = style.paper(max(3.3 * columns, 7.0), 3.6 * rows + 0.4, apart=(0.12, 0.08))
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    framed = run.at(steps[-1])["x"] if run.data is None else run.data
    limits = None if run.images() else square(framed)
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
    kernel = draw_densities(figure, panels, [run.data, x], limits)
    panels[0].set_title(f"data: {len(run.data):,} points", loc="left", fontsize=10)
    head = f"generated: {len(x):,} points of step {run.steps[-1]:,}"
    panels[1].set_title(head, loc="left", fontsize=10)
    figure.suptitle(run.headed(run.scored(run.steps[-1])), fontsize=11)
    figure.supxlabel(f"kernel density estimate, {kernel}", fontsize=9, color=style.GREY)
    return style.save(figure, folder / "figures" / "density.png")


def spread(steps: list[int], n: int) -> list[int]:
    """At most n of the steps, evenly spread, the first and the last among them."""
    chosen = numpy.linspace(0, len(steps) - 1, min(n, len(steps))).round().astype(int)
    return [steps[k] for k in chosen]
