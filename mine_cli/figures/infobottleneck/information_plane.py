"""The information plane: of one run over its training, of many methods over their betas."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patheffects import withStroke

from mine_cli.figures import style
from mine_cli.figures.infobottleneck.comparison import Method, measure_of, methods_of
from mine_cli.figures.infobottleneck.run import MEASURES, BottleneckRun
from mine_cli.results.files import write_csv
from mine_cli.results.ledger import counted
from mine_cli.results.metrics import Metric

__all__ = ["draw_ceiling", "plane", "plane_of_sweep"]

LOGARITHMIC = 30.0  # from this ratio of the largest information to the smallest
LABEL = 11.0  # points of print from a point to the label of the first method, and to the next

Line = tuple[Metric, list[Method]]


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
    """Draws a dashed line at H(Y), which I(Z; Y) cannot exceed, with its value above it."""
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
    """Draws a dotted line at what the reference's lower end cannot exceed, where it comes near."""
    if run.ceiling and max(values, default=-math.inf) > run.ceiling - 1:
        rows = run.metric("test_rows")
        label = f"ceiling of the lower end,\nlog {rows:,.0f} = {run.ceiling:.2f}"
        draw(run.ceiling, color=style.GREY, linestyle=":", linewidth=1.4, label=label)


# Of a sweep


def plane_of_sweep(sweep: Path) -> Path | None:
    """Writes and draws I(X; Z) against I(Z; Y), in nats, of all methods over their betas.

    Each method has one measure of I(X; Z), the best that all its betas have; bars are two standard
    errors over the seeds. Runs that diverged or were outrun are left out; the title
    counts them.

    References:
        | The layout of Figure 1 of Deep Variational Information Bottleneck (Alemi et al., 2017)
        | https://arxiv.org/abs/1612.00410

    Returns:
        The path of `plane.png` in that folder, with `plane.csv` beside it; None where no method
        has two betas with known information.
    """
    every = methods_of(sweep)
    lines = lines_of([method.sound for method in every if method.sound.runs])
    if not any(len(betas) > 1 for _, betas in lines):
        return None
    rows = [point_of(method, measure) for measure, betas in lines for method in betas]
    write_csv(sweep / "plane.csv", rows, shared=True)
    figure = style.paper(8.6, 5.6)
    axes = figure.add_subplot()
    for number, (measure, betas) in enumerate(lines):
        aside = LABEL * (number // 2 + 1) * (1 if number % 2 else -1)
        draw_line(axes, betas, measure, aside)
    finish(axes, lines)
    lost = sum(len(method.runs) - len(method.sound.runs) for method in every)
    note = f"; {lost} that diverged or were outrun left out" if lost else ""
    title = f"Information plane, points labelled with beta{note}"
    axes.set_title(title, loc="left", fontsize=11)
    limits = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    style.explain(figure, [*axes.containers, *limits])
    return style.save(figure, sweep / "plane.png", shared=True)


def lines_of(methods: Sequence[Method]) -> list[Line]:
    """For each method its measure of I(X; Z), and its betas that have both coordinates."""
    found = []
    for _, every in groupby(methods, key=lambda method: method.runs[0].method):
        placed = [method for method in every if method.known("i_zy") and measure_of([method])]
        if measure := measure_of(placed):
            found.append((measure, placed))
    return found


def point_of(method: Method, measure: Metric) -> dict[str, object]:
    """One line of plane.csv, in nats."""
    return {
        "method": method.runs[0].method,
        "beta": method.runs[0].beta,
        "seeds": len(method.jobs.numbered),
        "statuses": counted(method.jobs.rows),
        "measure": measure.key,
        "i_xz": method.mean(measure.key),
        "i_xz_se": method.standard_error(measure.key),
        "i_xz_reference_upper": method.mean("i_xz_reference_upper"),
        "i_zy": method.mean("i_zy"),
        "i_zy_se": method.standard_error("i_zy"),
        "h_y": method.mean("h_y"),
    }


def draw_line(axes: Axes, betas: Sequence[Method], measure: Metric, aside: float) -> None:
    """A method's betas, joined in their order, with two standard errors over the seeds.

    Arguments:
        aside: How far above its point each label stands, in points of print: every method has
            its own height, so that the labels of points that coincide do not.
    """
    x, y = ([m.mean(key) or 0.0 for m in betas] for key in (measure.key, "i_zy"))
    bars = [[2 * (m.standard_error(key) or 0.0) for m in betas] for key in (measure.key, "i_zy")]
    look, seeds = betas[0].runs[0].look, sorted({len(m.jobs.numbered) for m in betas})
    count = " to ".join(map(str, seeds[:1] + seeds[1:][-1:]))
    label = f"{measure.measure}, {count} seed{'s' if seeds[-1] > 1 else ''}"
    axes.errorbar(
        x, y, xerr=bars[0], yerr=bars[1], color=look.colour, marker=look.marker,
        linestyle=look.line, markersize=6, linewidth=1.4, capsize=2,
        label=f"{betas[0].runs[0].method}: {label}",
    )  # fmt: skip
    for method, point in zip(betas, zip(x, y, strict=True), strict=True):
        axes.annotate(
            f"{method.runs[0].beta:g}", point, (0, aside),
            textcoords="offset points", ha="center", va="center", fontsize=8, zorder=5,
            color=[0.7 * part for part in to_rgb(look.colour)],  # letters are thinner than lines
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip


def finish(axes: Axes, lines: Sequence[Line]) -> None:
    """The limits that theory sets, and what the axes are."""
    points = [(measure, method) for measure, betas in lines for method in betas]
    reached = [method.mean(measure.key) or 0.0 for measure, method in points]
    wide = min(reached) > 0 and max(reached) > LOGARITHMIC * min(reached)
    if wide:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(0.1)
    referenced = [method for measure, method in points if measure.key == "i_xz_reference"]
    values = [value for method in referenced for value in method.known("i_xz_reference")]
    draw_ceiling(axes.axvline, points[0][1].runs[0], values)
    draw_entropy(axes, next((h for _, m in points if (h := m.mean("h_y"))), None))
    draw_processing(axes)
    words = {measure.measure for measure, _ in lines}
    which = words.pop() if len(words) == 1 else "by the measure in the legend"
    axes.set_xlabel(f"I(X;Z) (nats{', log scale' if wide else ''}; {which})")
    axes.set_ylabel("I(Z;Y), lower bound (nats)")
    style.quiet(axes)


def draw_processing(axes: Axes) -> None:
    """I(Z; Y) = I(X; Z), which no representation can lie above: data processing."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    if left < top:
        line = numpy.geomspace(max(left, 1e-6), min(right, top), 200)
        label = "I(Z;Y) = I(X;Z): above it the measure of I(X;Z) is too small"
        axes.plot(line, line, ":", color=style.BLACK, linewidth=1.0, label=label)
        axes.set(xlim=(left, right), ylim=(bottom, top))
