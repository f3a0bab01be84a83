"""The last samples, reconstructions and codes of one `task=ali` run."""

from pathlib import Path

import numpy
from matplotlib import colormaps
from matplotlib.axes import Axes
from numpy import ndarray

from mine_cli.figures import style
from mine_cli.figures.ali.run import ALIRun
from mine_cli.figures.gan.panels import DATA_GREY, draw_images, draw_points, frame, square, tiled

__all__ = ["draw_codes", "draw_reconstructions", "embeddings", "generated", "reconstructions"]

COLUMNS, PAIRS = 8, 4  # of images and their reconstructions
COLOURED = 10  # classes that each have a colour of their own


def generated(folder: Path) -> Path | None:
    """Draws the last samples: points over the data's, or an 8 x 8 grid of images.

    Arguments:
        folder: A run, with samples/*.npz and, where they exist, result.json and metrics.csv.

    Returns:
        The path of the PNG, `figures/generated.png` in that folder; None of a run without samples.
    """
    run = ALIRun.read(folder)
    if not run.steps:
        return None
    x = run.last["x"]
    figure = style.paper(5.7, 6.2 if run.images else 6.6)
    axes = figure.add_subplot()
    if run.images:
        draw_images(axes, x, rows=8)
    else:
        draw_points(axes, x, run.data, square(x if run.data is None else run.data), run.colour, 5)
        figure.legend(frameon=False, fontsize=9, loc="outside lower right", ncols=2, markerscale=2)
    axes.set_title(f"Samples: {run.titled()}", loc="left", fontsize=9)
    return style.save(figure, folder / "figures" / "generated.png")


def reconstructions(folder: Path) -> Path | None:
    """Draws held-out rows and what their codes stand for, at the last step.

    Images in pairs of rows, an input above its reconstruction; points where they are
    reconstructed, in the colour of their own mode.

    Returns:
        The path of the PNG, `figures/reconstructions.png` in that folder; None of a run without
        samples.
    """
    run = ALIRun.read(folder)
    if not run.steps:
        return None
    figure = style.paper(5.7, 6.2 if run.images else 6.4)
    axes = figure.add_subplot()
    draw_reconstructions(axes, run)
    axes.set_title(f"Reconstructions: {run.titled()}", loc="left", fontsize=9)
    return style.save(figure, folder / "figures" / "reconstructions.png")


def embeddings(folder: Path) -> Path | None:
    """Draws the codes of held-out rows at the last step, coloured by class or mode.

    Codes of more than two coordinates are shown by their two principal ones.

    Returns:
        The path of the PNG, `figures/embeddings.png` in that folder; None of a run without
        samples.
    """
    run = ALIRun.read(folder)
    if not run.steps:
        return None
    figure = style.paper(5.9, 6.4)
    axes = figure.add_subplot()
    draw_codes(axes, run)
    axes.set_title(f"Codes: {run.titled()}", loc="left", fontsize=9)
    return style.save(figure, folder / "figures" / "embeddings.png")


def draw_reconstructions(axes: Axes, run: ALIRun) -> None:
    """Inputs above reconstructions, or points where they are reconstructed."""
    rows, rebuilt = run.last["rows"], run.last["rebuilt"]
    if run.images:
        columns = min(COLUMNS, len(rows))
        n = min(PAIRS, len(rows) // columns) * columns
        both = numpy.stack(
            [part[:n].reshape(-1, columns, *part.shape[1:]) for part in (rows, rebuilt)], 1
        )
        picture = tiled(both.reshape(-1, *rows.shape[1:]), columns)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_axis_off()
        return
    axes.scatter(rows[:, 0], rows[:, 1], 14, linewidths=0, color=DATA_GREY)
    colours = colours_of(run.last.get("label"), len(rebuilt), run.colour)
    n = len(colours)
    axes.scatter(rebuilt[:n, 0], rebuilt[:n, 1], 5, linewidths=0, c=colours, alpha=0.8)
    frame(axes, square(rows))


def draw_codes(axes: Axes, run: ALIRun) -> None:
    """The codes, each in the colour of its class."""
    code, label = run.last["code"], run.last.get("label")
    axes.scatter(
        code[:, 0], code[:, 1], 4, linewidths=0, alpha=0.8,
        c=colours_of(label, len(code), run.colour),
    )  # fmt: skip
    frame(axes, square(code))
    if label is None or label.max() >= COLOURED:
        return
    palette = colormaps["tab10"]
    for kind in range(int(label.max()) + 1):
        axes.scatter([], [], 16, color=palette(kind), label=str(kind))
    axes.legend(
        frameon=False, fontsize=8, ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.05)
    )


def colours_of(label: ndarray | None, n: int, colour: str) -> ndarray:
    """A colour ``[n, 4]`` for each label: neighbouring numbers far apart."""
    if label is None:
        return numpy.tile((*style.paler(colour), 1.0), (n, 1))
    if label.max() < COLOURED:
        return colormaps["tab10"](label)
    return colormaps["hsv"](label * 0.381966 % 1.0)
