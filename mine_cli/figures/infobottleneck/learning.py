"""The training of one `task=infobottleneck` run: errors and entropies over the steps."""

from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from mine_cli.figures import style
from mine_cli.figures.infobottleneck.information_plane import draw_ceiling
from mine_cli.figures.infobottleneck.run import BottleneckRun
from mine_cli.figures.over_steps import draw_curve, draw_over_steps

__all__ = ["learning"]

LINEAR = 10.0  # nats on both sides of zero that an axis of wild values shows as they are


def learning(folder: Path) -> Path | None:
    """Draws held-out error, cross-entropy and I(X; Z), in nats, over the steps.

    Returns:
        The path of the PNG, `figures/learning.png` in that folder, with a panel for each of the
        three that was logged; None where none of them was.
    """
    run = BottleneckRun.read(folder)
    panels = [
        (draw_errors, ["ib/error", "ib/error_averaged"]),
        (draw_cross_entropy, ["ib/cross_entropy", "loss/cross_entropy"]),
        (draw_information, ["mi/estimate", "mi/reference", "mi/kl", "train/value"]),
    ]
    return draw_over_steps(run, panels, run.headed, "learning", 9.2)


def draw_errors(axes: Axes, run: BottleneckRun) -> None:
    """Held-out error in per cent, with one posterior sample and with several."""
    draw_curve(axes, run, "ib/error", "1 sample", style.ORANGE, "s", "--", factor=100)
    label = f"{run.samples},\nprobabilities averaged"
    draw_curve(axes, run, "ib/error_averaged", label, style.BLUE, factor=100)
    finish(axes, "held-out error (%)")


def draw_cross_entropy(axes: Axes, run: BottleneckRun) -> None:
    """Cross-entropy of the training batches and of the held-out rows, in nats."""
    draw_curve(axes, run, "loss/cross_entropy", "training batch", style.SKY, "")
    draw_curve(axes, run, "ib/cross_entropy", "held out, 1 sample", style.BLUE)
    finish(axes, "cross-entropy (nats)")


def draw_information(axes: Axes, run: BottleneckRun) -> None:
    """I(X; Z) in nats: the MI term, the bracket that no critic touches, the KL above it."""
    draw_curve(axes, run, "train/value", "MI term, training batch", style.SKY, "")
    draw_bracket(axes, run)
    draw_curve(axes, run, "mi/kl", "KL to N(0, I),\nan upper bound", style.ORANGE, "s", "--")
    draw_curve(axes, run, "mi/estimate", "MI term, held out", style.BLUE)
    draw_ceiling(axes.axhline, run, run.curve("mi/reference")[1])
    beside(axes, f"I(X;Z) (nats{fit_range(axes, run)})")


def draw_bracket(axes: Axes, run: BottleneckRun) -> None:
    """A line at the reference's lower end, and a shade from it to the upper end."""
    upper = dict(zip(*run.curve("mi/reference_upper"), strict=True))
    both = [row for row in zip(*run.curve("mi/reference"), strict=True) if row[0] in upper]
    draw_curve(axes, run, "mi/reference", "reference, lower end", style.BLACK, "^", "-.")
    if both:
        steps, lower = zip(*both, strict=True)
        axes.fill_between(
            steps, lower, [upper[step] for step in steps], label="reference, both ends",
            color=style.BLACK, alpha=0.15, linewidth=0,
        )  # fmt: skip


def finish(axes: Axes, label: str) -> None:
    """Makes the axis logarithmic where its largest value is over five times the smallest."""
    above = [value for value in drawn_values(axes) if value > 0]
    if above and max(above) > 5 * min(above):
        style.logarithmic(axes, close=500.0)
    beside(axes, label)


def beside(axes: Axes, label: str) -> None:
    """The axis's label, and the legend to the right of the panel."""
    axes.set_ylabel(label)
    axes.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(1.01, 1.0))


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
    if high < 3 * LINEAR and low > -LINEAR:
        margin = 0.06 * max(high - low, 0.1)
        axes.set_ylim(low - margin, high + margin)
        return ""
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=1.5)
    axes.set_ylim(1.5 * low if low < -LINEAR else low - 1, 1.5 * high)
    powers = [10.0**k for k in range(1, 12, 1 if max(-low, high) < 1e4 else 2)]
    axes.yaxis.set_major_locator(FixedLocator([*(-p for p in powers), -5, 0, 5, *powers]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}".replace("-", "−"))
    return f",\nlogarithmic beyond {LINEAR:g}"


def drawn_values(axes: Axes) -> list[float]:
    """The heights of all points of all lines."""
    return [y for line in axes.lines for y in numpy.asarray(line.get_ydata(), float).tolist()]
