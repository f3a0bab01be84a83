"""The information plane of one `task=infobottleneck` run, over its training."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.infobottleneck.run import MEASURES, BottleneckRun
from mine_cli.results.metrics import Metric

__all__ = ["draw_ceiling", "draw_entropy", "plane"]


def plane(folder: Path) -> Path | None:
    """Draws I(X; Z) against I(Z; Y), in nats, as they move in training: the information plane.

    I(X; Z) is by the best measure that was logged: the reference's lower end, else the held-out
    term, else the KL; the axis says which.

    References:
        | Opening the Black Box of Deep Neural Networks via Information (Shwartz-Ziv and Tishby,
        | 2017), Figure 2 https://arxiv.org/abs/1703.00810

    Returns:
        The path of the PNG, `figures/plane.png` in that folder; None where no measure was logged
        twice, as with a deterministic encoder, whose information is infinite.
    """
    run = BottleneckRun.read(folder)
    measure, rows = path_of(run)
    if measure is None:
        return None
    steps, x, y = zip(*rows, strict=True)
    figure = style.paper(7.4, 5.0)
    axes = figure.add_subplot()
    axes.plot(x, y, color=style.GREY, linewidth=0.8, zorder=1)
    points = axes.scatter(
        x, y, 36, steps, cmap="cividis", zorder=3, edgecolors=style.GREY, linewidths=0.5
    )
    axes.scatter(
        x[-1:], y[-1:], 140, zorder=4, label="last evaluation", facecolors="none",
        edgecolors=style.BLACK, linewidths=1.2,
    )  # fmt: skip
    bar = figure.colorbar(points, ax=axes, pad=0.02, aspect=30)
    bar.set_label("training step", fontsize=9)
    bar.ax.yaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    bar.ax.tick_params(labelsize=8)
    entropy = next(iter(run.curve("mi/h_y")[1]), run.metric("h_y"))
    if measure.key == "i_xz_reference":
        draw_ceiling(axes.axvline, run, x)
    note = framed(axes, x, y, entropy)
    draw_entropy(axes, entropy)
    axes.set_xlabel(f"I(X;Z) (nats; {measure.measure}){note}")
    axes.set_ylabel("I(Z;Y), lower bound (nats)")
    axes.set_title(run.headed, loc="left", fontsize=10.5)
    style.quiet(axes)
    figure.legend(frameon=False, fontsize=9, loc="outside lower left", ncols=2)
    return style.save(figure, folder / "figures" / "plane.png")


def path_of(run: BottleneckRun) -> tuple[Metric | None, list[tuple[int, float, float]]]:
    """The best measure of I(X; Z) that was logged twice; its steps, values, and I(Z; Y) there."""
    known = dict(zip(*run.curve("mi/z_y"), strict=True))
    for measure in MEASURES:
        rows = zip(*run.curve(measure.tag), strict=True)
        found = [(step, value, known[step]) for step, value in rows if step in known]
        if len(found) > 1:
            return measure, found
    return None, []


def draw_entropy(axes: Axes, entropy: float | None) -> None:
    """A dashed line at H(Y), which I(Z; Y) cannot exceed, with its value above it."""
    if entropy is not None:
        axes.axhline(entropy, color=style.GREY, linestyle="--", linewidth=1.2)
        axes.text(
            0.01, entropy, f"H(Y) = {entropy:.2f}", transform=axes.get_yaxis_transform(),
            va="bottom", fontsize=8.5, color=style.GREY,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},  # over other lines
        )  # fmt: skip
        low, high = axes.get_ylim()
        axes.set_ylim(top=max(high, entropy + 0.08 * (entropy - low)))


def framed(axes: Axes, x: Sequence[float], y: Sequence[float], entropy: float | None) -> str:
    """Keeps an untrained or outrun start from flattening the rest; says what it leaves out."""
    left, bottom = -0.5 * max(*x, 1.0), -0.25 * (entropy or max(*y, 1.0))
    if min(x) < left:
        axes.set_xlim(left=left)
    if min(y) < bottom:
        axes.set_ylim(bottom=bottom)
    unseen = sum(a < left or b < bottom for a, b in zip(x, y, strict=True))
    return f"\n{unseen:,} of {len(x):,} points lie outside the frame" if unseen else ""


def draw_ceiling(draw: Callable[..., object], run: BottleneckRun, values: Sequence[float]) -> None:
    """A dotted line at what the reference's lower end cannot exceed, where it comes near."""
    if run.ceiling and max(values, default=-math.inf) > run.ceiling - 1:
        rows = run.metric("test_rows")
        label = f"ceiling of the lower end,\nlog {rows:,.0f} = {run.ceiling:.2f}"
        draw(run.ceiling, color=style.GREY, linestyle=":", linewidth=1.4, label=label)
