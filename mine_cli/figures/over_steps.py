"""Metrics over the steps of a training: a panel for each, one below the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.run import Run

__all__ = ["draw_curve", "draw_norms", "draw_over_steps"]

FEW = 40  # values that can each have a dot
# The clipped norm is most often that of the adversarial loss: a broad line behind a thin one.
NORMS = {
    "norm/clipped": ("beta × information, clipped", style.YELLOW, 3.5),
    "norm/adversarial": ("adversarial loss", style.BLACK, 1.0),
    "norm/information": ("beta × information", style.GREEN, 1.0),
}

R = TypeVar("R", bound=Run)


def draw_over_steps(
    run: R,
    panels: Sequence[tuple[Callable[[Axes, R], None], Sequence[str]]],
    title: str,
    name: str,
    width: float,
) -> Path | None:
    """Draws those panels that there is something for.

    Arguments:
        panels: What draws a panel, and the columns of metrics.csv of which it needs one.
        name: Of the picture.
        width: Of the figure, in inches.

    Returns:
        The path of the PNG in the run's `figures/`; None where no panel has its column.
    """
    drawn = [draw for draw, tags in panels if any(run.curve(tag)[0] for tag in tags)]
    if not drawn:
        return None
    figure = style.paper(width, 0.9 + 2.0 * len(drawn))
    every = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for axes, draw in zip(every, drawn, strict=True):
        draw(axes, run)
        style.quiet(axes)
        axes.margins(x=0.02)
    every[-1].set_xlabel("training step")
    style.whole(every[-1].xaxis)
    every[-1].xaxis.set_major_formatter("{x:,.0f}")
    figure.suptitle(title, fontsize=11)
    figure.align_ylabels(every)
    return style.save(figure, run.folder / "figures" / f"{name}.png")


def draw_curve(
    axes: Axes, run: Run, tag: str, label: str, colour: str, marker: str = "o", line: str = "-",
    factor: float = 1.0, width: float = 1.4,
) -> None:  # fmt: skip
    """Draws one column of metrics.csv, if it is there, with a dot for each value where they are
    few."""
    steps, values = run.curve(tag)
    few = len(steps) <= FEW
    if steps:
        axes.plot(
            steps, [value * factor for value in values], color=colour, label=label,
            linestyle=line, linewidth=width if few and marker else min(width, 1.0),
            marker=marker if few else "", markersize=2 + width,
        )  # fmt: skip


def draw_norms(axes: Axes, run: Run) -> None:
    """Draws the norms of the two gradients of an update, and of the second as it was used."""
    for tag, (label, colour, width) in NORMS.items():
        if any(value > 0 for value in run.curve(tag)[1]):
            draw_curve(axes, run, tag, label, colour, width=width)
    axes.set_ylabel("gradient norm")
    if axes.lines:
        style.logarithmic(axes)
        axes.legend(frameon=False, fontsize=8.5, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
