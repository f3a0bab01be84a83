"""The training of one `task=gan` run: modes, divergence, information and gradients over steps."""

from pathlib import Path

from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.gan.run import GanRun, score
from mine_cli.figures.over_steps import draw_curve, draw_norms, draw_over_steps

__all__ = ["draw_floor", "draw_whole", "progress"]


def progress(folder: Path) -> Path | None:
    """Draws modes, quality, KL, the information term and gradient norms over the steps.

    Returns:
        The path of the PNG, `figures/progress.png` in that folder, with a panel for each metric
        that was logged; None where none of them was.
    """
    run = GanRun.read(folder)
    panels = [
        (draw_modes, ["gan/modes"]),
        (draw_quality, ["gan/high_quality"]),
        (draw_divergence, ["gan/kl"]),
        (draw_information, ["mi/estimate"]),
        (draw_norms, ["norm/adversarial"]),
    ]
    said = run.scored(run.steps[-1]) if run.steps else ""
    return draw_over_steps(run, panels, run.headed(said), "progress", 7.6)


def draw_modes(axes: Axes, run: GanRun) -> None:
    """Modes captured, below the line of all there are."""
    draw_curve(axes, run, "gan/modes", "", run.colour)
    draw_whole(axes, run.modes)
    axes.set_ylabel("modes captured")


def draw_quality(axes: Axes, run: GanRun) -> None:
    """The share of samples of high quality."""
    draw_curve(axes, run, "gan/high_quality", "", run.colour, factor=100)
    axes.set_ylim(0, None)
    axes.set_ylabel("high quality (%)")


def draw_divergence(axes: Axes, run: GanRun) -> None:
    """KL of the mode histogram, above what chance alone makes of as many samples."""
    draw_curve(axes, run, "gan/kl", "", run.colour)
    draw_floor(axes, run.metric("kl_floor"))
    style.logarithmic(axes)
    axes.set_ylabel("KL (nats)")


def draw_information(axes: Axes, run: GanRun) -> None:
    """The bound on I(generated; code): a diagnostic, for the true value is infinite."""
    draw_curve(axes, run, "mi/estimate", "", run.colour)
    axes.set_ylabel("MI bound (nats,\ndiagnostic only)")


def draw_whole(axes: Axes, modes: int | None) -> None:
    """Draws whole numbers of modes; a dashed line at all there are, from zero up to it."""
    style.whole(axes.yaxis)
    if modes is not None:
        draw_level(axes, modes, f"all {modes:,}")
        axes.set_ylim(0, 1.15 * modes)


def draw_floor(axes: Axes, floor: float | None) -> None:
    """Draws a dashed line at the divergence of a perfect generator."""
    if floor is not None:
        draw_level(axes, floor, f"perfect\ngenerator:\n{score(floor)}")


def draw_level(axes: Axes, level: float, label: str) -> None:
    """A dashed line, with its meaning at its right end, outside, where no curve comes."""
    axes.axhline(level, color=style.GREY, linestyle="--", linewidth=1.2)
    place = axes.get_yaxis_transform()
    axes.text(1.01, level, label, transform=place, va="center", fontsize=8.5, color=style.GREY)
