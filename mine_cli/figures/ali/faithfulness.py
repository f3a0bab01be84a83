"""The training of one `task=ali` run: reconstructions, samples and information over the steps."""

from pathlib import Path

from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.ali.run import ALIRun
from mine_cli.figures.over_steps import draw_curve, draw_norms, draw_over_steps

__all__ = ["faithfulness"]


def faithfulness(folder: Path) -> Path | None:
    """Draws how faithful reconstructions, samples and codes are, over the steps.

    Returns:
        The path of the PNG, `figures/faithfulness.png` in that folder, with a panel for each
        metric that was logged; None where none of them was.
    """
    run = ALIRun.read(folder)
    panels = [
        (draw_own, ["ali/own_mode", "ali/neighbour"]),
        (draw_error, ["ali/reconstruction_error"]),
        (draw_divergence, ["ali/kl"]),
        (draw_information, ["mi/estimate"]),
        (draw_norms, ["norm/adversarial"]),
    ]
    title = run.titled() if run.steps else run.name
    return draw_over_steps(run, panels, title, "faithfulness", 7.6)


def draw_own(axes: Axes, run: ALIRun) -> None:
    """The shares of rows that are reconstructed as their own, and whose nearest code is."""
    draw_curve(axes, run, "ali/own_mode", "reconstructed as its own", run.colour, factor=100)
    draw_curve(axes, run, "ali/neighbour", "nearest code is of its own", style.BLACK, factor=100)
    axes.set_ylim(0, 104)
    axes.set_ylabel("held-out rows (%)")
    axes.legend(frameon=False, fontsize=8.5, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))


def draw_error(axes: Axes, run: ALIRun) -> None:
    draw_curve(axes, run, "ali/reconstruction_error", "", run.colour)
    axes.set_ylabel("error of the\nreconstruction")
    style.logarithmic(axes)


def draw_divergence(axes: Axes, run: ALIRun) -> None:
    draw_curve(axes, run, "ali/kl", "", run.colour)
    axes.set_ylabel("KL of the samples'\nmodes (nats)")
    style.logarithmic(axes)


def draw_information(axes: Axes, run: ALIRun) -> None:
    draw_curve(axes, run, "mi/estimate", "", run.colour)
    axes.set_ylabel("I(X; Z) by the\ntrained term (nats)")
