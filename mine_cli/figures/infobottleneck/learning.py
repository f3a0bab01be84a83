"""The training of one `task=infobottleneck` run: errors and entropies over the steps."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

from mine_cli.figures import style
from mine_cli.figures.gan.progress import positive
from mine_cli.figures.infobottleneck.plane import draw_ceiling, headed
from mine_cli.figures.infobottleneck.run import BottleneckRun

__all__ = ["learning"]

FEW = 40  # values that can each have a dot
LINEAR = 10.0  # nats on both sides of zero that an axis of wild values shows as they are


def learning(folder: Path) -> Path | None:
    """Draws held-out error, cross-entropy and I(X; Z), in nats, over the steps.

    Returns:
        The path of the PNG, `figures/learning.png` in that folder, with a panel for each of the
        three that was logged; None where none of them was.
    """
    run = BottleneckRun.read(folder)
    drawers = {
        draw_errors: ("ib/error", "ib/error_averaged"),
        draw_cross_entropy: ("ib/cross_entropy", "loss/cross_entropy"),
        draw_information: ("mi/estimate", "mi/reference", "mi/kl", "train/value"),
    }
    drawn = [draw for draw, tags in drawers.items() if any(run.curve(tag)[0] for tag in tags)]
    if not drawn:
        return None
    figure = style.paper(9.2, 0.8 + 2.3 * len(drawn))
    panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for axes, draw in zip(panels, drawn, strict=True):
        draw(axes, run)
        style.quiet(axes)
        axes.margins(x=0.02)
        axes.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    panels[-1].set_xlabel("training step")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    figure.suptitle(headed(run), fontsize=11)
    figure.align_ylabels(panels)
    return style.save(figure, folder / "figures" / "learning.png")


def draw_errors(axes: Axes, run: BottleneckRun) -> None:
    """Held-out error in per cent, with one posterior sample and with several."""
    draw_line(axes, run, "ib/error", "1 sample", style.ORANGE, "s", "--", factor=100)
    label = f"{run.samples},\nprobabilities averaged"
    draw_line(axes, run, "ib/error_averaged", label, style.BLUE, "o", factor=100)
    logarithmic_if_wide(axes)
    axes.set_ylabel("held-out error (%)")


def draw_cross_entropy(axes: Axes, run: BottleneckRun) -> None:
    """Cross-entropy of the training batches and of the held-out rows, in nats."""
    draw_line(axes, run, "loss/cross_entropy", "training batch", style.SKY, "")
    draw_line(axes, run, "ib/cross_entropy", "held out, 1 sample", style.BLUE, "o")
    logarithmic_if_wide(axes)
    axes.set_ylabel("cross-entropy (nats)")


def draw_information(axes: Axes, run: BottleneckRun) -> None:
    """I(X; Z) in nats: the MI term, the bracket that no critic touches, the KL above it."""
    draw_line(axes, run, "train/value", "MI term, training batch", style.SKY, "")
    draw_bracket(axes, run)
    draw_line(axes, run, "mi/kl", "KL to N(0, I),\nan upper bound", style.ORANGE, "s", "--")
    draw_line(axes, run, "mi/estimate", "MI term, held out", style.BLUE, "o")
    draw_ceiling(axes.axhline, run, run.curve("mi/reference")[1])
    axes.set_ylabel(f"I(X;Z) (nats{fit_range(axes, run)})")


def draw_bracket(axes: Axes, run: BottleneckRun) -> None:
    """A line at the reference's lower end, and a shade from it to the upper end."""
    upper = dict(zip(*run.curve("mi/reference_upper"), strict=True))
    both = [row for row in zip(*run.curve("mi/reference"), strict=True) if row[0] in upper]
    draw_line(axes, run, "mi/reference", "reference, lower end", style.BLACK, "^", "-.")
    if both:
        steps, lower = zip(*both, strict=True)
        shade: dict[str, Any] = {"color": style.BLACK, "alpha": 0.15, "linewidth": 0}
        highest = [upper[step] for step in steps]
        axes.fill_between(steps, lower, highest, label="reference, both ends", **shade)


def draw_line(
    axes: Axes, run: BottleneckRun, tag: str, label: str, colour: str, marker: str,
    line: str = "-", factor: float = 1.0,
) -> None:  # fmt: skip
    """One column of metrics.csv, if it is there, with a dot for each value where they are few."""
    steps, values = run.curve(tag)
    if not steps:
        return
    shown = [value * factor for value in values]
    marker = marker if len(steps) <= FEW else ""
    width = 1.5 if marker or len(steps) <= FEW else 1.0
    axes.plot(
        steps, shown, color=colour, marker=marker, linestyle=line, markersize=3.5, linewidth=width,
        label=label,
    )  # fmt: skip


def logarithmic_if_wide(axes: Axes) -> None:
    """A logarithmic axis where the largest value is more than five times the smallest."""
    above = [value for value in drawn_values(axes) if value > 0]
    if above and max(above) > 5 * min(above):
        for line in axes.lines:
            line.set_ydata(positive(numbers(line)))
        style.logarithmic(axes)
        if max(above) < 500 * min(above):
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))


def fit_range(axes: Axes, run: BottleneckRun) -> str:
    """Limits that show every line; the reference's upper end has no ceiling and may go out.

    Returns:
        Where values go far beyond a few nats the axis is logarithmic; what its label says of it.
    """
    values = drawn_values(axes)
    if not values:
        return ""
    low, high = min(values), max(values)
    upper = max(run.curve("mi/reference_upper")[1], default=high)
    high = max(high, min(upper, 1.3 * high))
    margin = 0.06 * max(high - low, 0.1)
    axes.set_ylim(low - margin, high + margin)
    if high < 3 * LINEAR and low > -LINEAR:
        return ""
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=1.5)
    axes.set_ylim(1.5 * low if low < -LINEAR else low - 1, 1.5 * high)
    powers = [10.0**k for k in range(1, 12)]
    powers = powers if max(-low, high) < 1e4 else powers[::2]
    axes.yaxis.set_major_locator(FixedLocator([*(-p for p in powers), -5, 0, 5, *powers]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}".replace("-", "−"))
    return f",\nlogarithmic beyond {LINEAR:g}"


def numbers(line: Any) -> list[float]:
    """The heights of a line's points."""
    return [float(value) for value in line.get_ydata()]


def drawn_values(axes: Axes) -> list[float]:
    """The heights of all points of all lines."""
    return [value for line in axes.lines for value in numbers(line)]
