"""The training of one `task=gan` run: modes, divergence, information and gradients over steps."""

from pathlib import Path

import numpy
from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.gan.run import GanRun, score

__all__ = ["draw_floor", "draw_line", "draw_whole", "positive", "progress"]

# The clipped norm is most often that of the adversarial loss: a broad line behind a thin one.
NORMS = {
    "norm/clipped": ("beta × information, clipped", style.YELLOW, 3.5),
    "norm/adversarial": ("adversarial loss", style.BLACK, 1.0),
    "norm/information": ("beta × information", style.GREEN, 1.0),
}
FEW = 40  # values that can each have a dot


def progress(folder: Path) -> Path | None:
    """Draws modes, quality, KL, the information term and gradient norms over the steps.

    Returns:
        The path of the PNG, `figures/progress.png` in that folder, with a panel for each metric
        that was logged; None where none of them was.
    """
    run = GanRun.read(folder)
    drawers = {
        "gan/modes": draw_modes,
        "gan/high_quality": draw_quality,
        "gan/kl": draw_divergence,
        "mi/estimate": draw_information,
        "norm/adversarial": draw_norms,
    }
    drawn = [draw for tag, draw in drawers.items() if run.curve(tag)[0]]
    if not drawn:
        return None
    figure = style.paper(7.6, 1.0 + 1.75 * len(drawn))
    panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for axes, draw in zip(panels, drawn, strict=True):
        draw(axes, run)
        style.quiet(axes)
        axes.margins(x=0.02)
    panels[-1].set_xlabel("training step")
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    said = run.scored(run.steps[-1]) if run.steps else ""
    figure.suptitle(run.headed(said), fontsize=11)
    figure.align_ylabels(panels)
    return style.save(figure, folder / "figures" / "progress.png")


def draw_modes(axes: Axes, run: GanRun) -> None:
    """Modes captured, below the line of all there are."""
    draw_line(axes, run, "gan/modes")
    draw_whole(axes, run.modes)
    axes.set_ylabel("modes captured")


def draw_quality(axes: Axes, run: GanRun) -> None:
    """The share of samples of high quality."""
    draw_line(axes, run, "gan/high_quality", factor=100)
    axes.set_ylim(0, None)
    axes.set_ylabel("high quality (%)")


def draw_divergence(axes: Axes, run: GanRun) -> None:
    """KL of the mode histogram, above what chance alone makes of as many samples."""
    draw_line(axes, run, "gan/kl")
    draw_floor(axes, run.metric("kl_floor"))
    style.logarithmic(axes)
    axes.set_ylabel("KL (nats)")


def draw_information(axes: Axes, run: GanRun) -> None:
    """The bound on I(generated; code): a diagnostic, for the true value is infinite."""
    draw_line(axes, run, "mi/estimate")
    axes.set_ylabel("MI bound (nats,\ndiagnostic only)")


def draw_norms(axes: Axes, run: GanRun) -> None:
    """The norms of the generator's two gradients, and of the second as it was used."""
    for tag, (label, colour, width) in NORMS.items():
        steps, values = run.curve(tag)
        if any(value > 0 for value in values):
            marker = "o" if len(steps) <= FEW else ""
            [line] = axes.plot(steps, positive(values), marker=marker, label=label)
            line.set(color=colour, linewidth=width, markersize=width + 2)
    axes.set_ylabel("gradient norm")
    if not axes.lines:
        return
    style.logarithmic(axes)
    axes.legend(frameon=False, fontsize=8.5, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))


def draw_line(axes: Axes, run: GanRun, tag: str, factor: float = 1.0) -> None:
    """One column of metrics.csv, with a dot for each value where they are few."""
    steps, values = run.curve(tag)
    shown = [value * factor for value in values]
    marker, width = ("o", 1.4) if len(steps) <= FEW else ("", 1.0)
    axes.plot(steps, shown, color=run.colour, marker=marker, markersize=3, linewidth=width)


def draw_whole(axes: Axes, modes: int | None) -> None:
    """Whole numbers of modes; a dashed line at all there are, from zero up to it."""
    style.whole(axes)
    if modes is not None:
        draw_level(axes, modes, f"all {modes:,}")
        axes.set_ylim(0, 1.15 * modes)


def draw_floor(axes: Axes, floor: float | None) -> None:
    """A dashed line at the divergence of a perfect generator."""
    if floor is not None:
        draw_level(axes, floor, f"perfect\ngenerator:\n{score(floor)}")


def draw_level(axes: Axes, level: float, label: str) -> None:
    """A dashed line, with its meaning at its right end, outside, where no curve comes."""
    axes.axhline(level, color=style.GREY, linestyle="--", linewidth=1.2)
    place = axes.get_yaxis_transform()
    axes.text(1.01, level, label, transform=place, va="center", fontsize=8.5, color=style.GREY)


def positive(values: list[float]) -> numpy.ndarray:
    """What a logarithmic axis can show; the rest is a gap."""
    found = numpy.asarray(values, dtype=float)
    return numpy.where(found > 0, found, numpy.nan)
