"""The pictures of one `task=infobottleneck` run: its information plane and its robustness."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.infobottleneck.run import MEASURES, BottleneckRun, Measure, percent

__all__ = ["draw_ceiling", "draw_entropy", "headed", "plane", "robustness"]


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
    edge: dict[str, Any] = {"edgecolors": style.GREY, "linewidths": 0.5}
    points = axes.scatter(x, y, 36, steps, cmap="cividis", zorder=3, **edge)
    ring: dict[str, Any] = {"facecolors": "none", "edgecolors": style.BLACK, "linewidths": 1.2}
    axes.scatter(x[-1:], y[-1:], 140, zorder=4, label="last evaluation", **ring)
    bar = figure.colorbar(points, ax=axes, pad=0.02, aspect=30)
    bar.set_label("training step", fontsize=9)
    bar.ax.yaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    bar.ax.tick_params(labelsize=8)
    entropy = next(iter(run.curve("mi/h_y")[1]), run.metric("h_y"))
    if measure.key == "i_xz_reference":
        draw_ceiling(axes.axvline, run, x)
    note = framed(axes, x, y, entropy)
    draw_entropy(axes, entropy)
    axes.set_xlabel(f"I(X;Z) (nats; {measure.words}){note}")
    axes.set_ylabel("I(Z;Y), lower bound (nats)")
    axes.set_title(headed(run), loc="left", fontsize=10.5)
    style.quiet(axes)
    figure.legend(frameon=False, fontsize=9, loc="outside lower left", ncols=2)
    return style.save(figure, folder / "figures" / "plane.png")


def path_of(run: BottleneckRun) -> tuple[Measure | None, list[tuple[int, float, float]]]:
    """The best measure of I(X; Z) that was logged twice; its steps, values, and I(Z; Y) there."""
    known = dict(zip(*run.curve("mi/z_y"), strict=True))
    for measure in MEASURES:
        rows = zip(*run.curve(measure.column), strict=True)
        found = [(step, value, known[step]) for step, value in rows if step in known]
        if len(found) > 1:
            return measure, found
    return None, []


def draw_entropy(axes: Axes, entropy: float | None) -> None:
    """A dashed line at H(Y), which I(Z; Y) cannot exceed, with its value above it."""
    if entropy is not None:
        axes.axhline(entropy, color=style.GREY, linestyle="--", linewidth=1.2)
        place = axes.get_yaxis_transform()
        text: dict[str, Any] = {"va": "bottom", "fontsize": 8.5, "color": style.GREY}
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # over other lines
        axes.text(0.01, entropy, f"H(Y) = {entropy:.2f}", transform=place, bbox=paper, **text)
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


def robustness(folder: Path) -> Path | None:
    """Draws the error under noise on the inputs and under the fast gradient sign method.

    Bars are two binomial standard errors of the rows that were attacked.

    Returns:
        The path of the PNG, `figures/robustness.png` in that folder; None where neither was
        measured.
    """
    run = BottleneckRun.read(folder)
    kinds = {
        "noise_errors": ("Gaussian noise on the inputs", "standard deviation of the noise"),
        "fgsm_errors": ("fast gradient sign method", "largest change of an input"),
    }
    found = {kind: errors for kind in kinds if (errors := run.strengths(kind))}
    if not found:
        return None
    figure = style.paper(0.8 + 4.3 * max(len(found), 1.5), 4.3)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, (kind, errors) in zip(panels, found.items(), strict=True):
        title, label = kinds[kind]
        draw_strengths(axes, run, errors)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel(f"{label} (inputs' own scale)")
        axes.set_ylabel(f"test error (%), {run.samples}")
        axes.set_ylim(bottom=0)
    figure.suptitle(headed(run), fontsize=11)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, loc="outside lower left", ncols=2)
    return style.save(figure, folder / "figures" / "robustness.png")


def draw_strengths(axes: Axes, run: BottleneckRun, errors: dict[float, float]) -> None:
    """Error against strength, with what the number of attacked rows leaves open."""
    shown = [100 * error for error in errors.values()]
    rows = run.metric("attacked_rows")
    bars = [200 * math.sqrt(p * (1 - p) / rows) for p in errors.values()] if rows else None
    line: dict[str, Any] = {"color": run.look.colour, "marker": run.look.marker, "capsize": 3}
    label = f"{rows:,.0f} test rows, ± 2 binomial standard errors" if rows else "test rows"
    axes.errorbar(list(errors), shown, yerr=bars, linewidth=1.5, label=label, **line)
    if (clean := run.metric("error_averaged")) is not None:
        level: dict[str, Any] = {"color": style.GREY, "linestyle": "--", "linewidth": 1.2}
        axes.axhline(100 * clean, label=f"all, untouched: {percent(clean)}", **level)
    style.quiet(axes)


def headed(run: BottleneckRun) -> str:
    """The run's name and its error, of the one or the many samples."""
    error, samples = run.metric("error_averaged"), run.samples
    if error is None:
        error, samples = run.metric("error"), "1 sample"
    said = None if error is None else f"test error {percent(error)} ({samples})"
    return ": ".join(filter(None, [run.name, said]))


def draw_ceiling(draw: Callable[..., Any], run: BottleneckRun, values: Sequence[float]) -> None:
    """A dotted line at what the reference's lower end cannot exceed, where it comes near."""
    if run.ceiling and max(values, default=-math.inf) > run.ceiling - 1:
        label = f"ceiling of the lower end,\nlog {run.test_rows:,} = {run.ceiling:.2f}"
        draw(run.ceiling, color=style.GREY, linestyle=":", linewidth=1.4, label=label)
