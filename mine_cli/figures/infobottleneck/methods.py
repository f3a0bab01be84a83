"""The table of many `task=infobottleneck` runs: what each method's errors and information are."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from mine_cli.figures import style
from mine_cli.figures.infobottleneck.method_groups import Group, groups_of, measure_of
from mine_cli.figures.infobottleneck.run import BottleneckRun
from mine_cli.results.files import write_csv
from mine_cli.results.numbers import is_loose

__all__ = ["table"]

# Of the table: mean and standard error over the seeds of each.
SCORES = (
    "error", "error_averaged", "cross_entropy", "cross_entropy_averaged", "calibration",
    "calibration_averaged", "i_xz_term", "i_xz_reference", "i_xz_reference_upper", "kl", "i_zy",
)  # fmt: skip
ERRORS = {"error": -0.17, "error_averaged": 0.17}  # and where they stand in a row
FAR = 2.5  # an arm with a mishap, so many times above the worst of the others, is off the axis
LOGARITHMIC = 8.0  # from this ratio of the largest to the smallest
COLUMNS = (0.2, 1.35, 2.6, 4.7)  # of text, in inches from the axis


def table(sweep: Path) -> Path | None:
    """Writes and draws the errors of all methods and betas below a sweep's folder.

    A line for each: errors with one and with several posterior samples, two standard errors over
    the seeds to each side (of one seed alone: the test set's binomial error, dashed), I(X; Z) in
    nats beside it. Runs that diverged count in no mean, those that were outrun do; both are named.

    Returns:
        The path of `table.png` in that folder, with `table.csv` beside it; None where no run of
        the task has ended.
    """
    groups = groups_of(sweep)
    if not groups:
        return None
    write_csv(sweep / "table.csv", [row_of(group) for group in groups], shared=True)
    figure = style.paper(12.6, 1.9 + 0.42 * len(groups))
    axes = figure.add_subplot()
    edge = far_edge(groups)
    for place, group in enumerate(groups):
        for key, offset in ERRORS.items():
            draw_error(axes, group, key, place + offset, edge)
        write_beside(axes, group, place)
    finish_table(axes, groups, edge)
    handles = explained(groups, edge)
    figure.legend(handles=handles, frameon=False, fontsize=8.5, loc="outside lower left", ncols=2)
    return style.save(figure, sweep / "table.png", shared=True)


def row_of(group: Group) -> dict[str, Any]:
    """One line of table.csv; errors are shares, entropies and information in nats."""
    first = group.runs[0]
    row: dict[str, Any] = {
        "method": group.method,
        "beta": group.beta,
        "information": first.information,
        "encoder": first.encoder,
        "seeds": len(group.runs),
        "counted": len(group.counted),
        "statuses": group.statuses,
        "samples": first.metric("samples"),
        "test_rows": group.test_rows,
    }
    for key in SCORES:
        row |= {key: group.mean(key), f"{key}_se": group.standard_error(key)}
    return row | {f"{key}_binomial_se": group.binomial(key) for key in ERRORS}


def far_edge(groups: Sequence[Group]) -> float:
    """The largest error, in per cent, that the axis shows: runs with a mishap may lie beyond."""
    sound = errors_of([run for group in groups for run in group.sound])
    every = errors_of([run for group in groups for run in group.counted])
    limit = FAR * max(sound) if sound else math.inf
    return max((value for value in every if value <= limit), default=1.0)


def errors_of(runs: Sequence[BottleneckRun]) -> list[float]:
    """The known errors of runs, in per cent, of one sample and of several."""
    found = (run.metric(key) for run in runs for key in ERRORS)
    return [100 * value for value in found if value is not None]


def draw_error(axes: Axes, group: Group, key: str, place: float, edge: float) -> None:
    """The mean error in per cent and its interval, each seed as a dot behind them."""
    mean = group.mean(key)
    if mean is None:
        return
    colour, filled = group.look.colour, key == "error_averaged"
    face = colour if filled else "white"
    values = [value for share in group.values(key) if (value := 100 * share) <= edge]
    if len(group.counted) > 1:
        dots: dict[str, Any] = {"color": style.paler(colour), "linewidths": 0, "zorder": 2}
        axes.scatter(values, [place] * len(values), 14, **dots)
    if 100 * mean > edge:
        beyond: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "clip_on": False}
        axes.plot(1.0, place, ">", color=colour, markerfacecolor=face, markersize=7, **beyond)
        return
    spread = group.standard_error(key)
    width = spread if spread is not None else group.binomial(key)
    bar = axes.errorbar(
        [100 * mean], [place], xerr=None if width is None else [200 * width], color=colour,
        marker="o" if filled else "s", markersize=6, markerfacecolor=face, capsize=3,
        linewidth=1.5, zorder=3,
    )  # fmt: skip
    if spread is None and width is not None:
        bar.lines[2][0].set_linestyle("--")


def write_beside(axes: Axes, group: Group, place: float) -> None:
    """Errors, information and seeds as numbers, to the right of a row."""
    columns = [error_in_words(group, "error"), error_in_words(group, "error_averaged")]
    for text, inches in zip([*columns, information_in_words(group)], COLUMNS, strict=False):
        write(axes, text, inches, place)
    weight = "bold" if group.marked else "normal"
    write(axes, group.seeds, COLUMNS[3], place, weight=weight)


def write(axes: Axes, text: str, inches: float, place: float, **looks: Any) -> None:
    """Text at so many inches to the right of the axes, at the height of a row."""
    axes.annotate(
        text, (1.0, place), (72 * inches, 0), axes.get_yaxis_transform(), "offset points",
        va="center", fontsize=8.5, annotation_clip=False, **looks,
    )  # fmt: skip


def error_in_words(group: Group, key: str) -> str:
    """An error in per cent, over seeds with two standard errors, as long as its bar."""
    mean, spread = group.mean(key), group.standard_error(key)
    if mean is None:
        return "–"
    return f"{100 * mean:.2f}" if spread is None else f"{100 * mean:.2f} ± {200 * spread:.2f}"


def information_in_words(group: Group) -> str:
    """I(X; Z) in nats by the best measure there is, and which; of outrun runs only if all are."""
    if group.infinite:
        return "infinite (deterministic)"
    group = replace(group, runs=group.sound or group.runs)
    measure = measure_of([group])
    if measure is None:
        return "unknown"
    value = nats(group.mean(measure.key) or 0.0)
    if measure.key == "kl":
        return f"at most {value} (KL)"
    if measure.key == "i_xz_term":
        return f"{value} (MI term)"
    upper = group.mean("i_xz_reference_upper")
    found = f"≥ {value}" if is_loose(upper) else f"{value} to {nats(upper or 0.0)}"
    return f"{found} (reference)"


def nats(value: float) -> str:
    """With two decimals, of large values none."""
    return (f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}").replace("-", "−")


def finish_table(axes: Axes, groups: Sequence[Group], edge: float) -> None:
    """Names of the rows, heads of the columns, and the axis of errors."""
    axes.set_ylim(len(groups) - 0.45, -0.55)
    axes.set_yticks(range(len(groups)), [group.name for group in groups], fontsize=9.5)
    every = errors_of([run for group in groups for run in group.counted])
    if every and min(every) > 0 and edge > LOGARITHMIC * min(every):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    several = most_samples(groups)
    heads = ("1 sample (%)", f"{several} (%)", "I(X;Z) (nats)", "runs")
    for text, inches in zip(heads, COLUMNS, strict=True):
        axes.annotate(
            text, (1.0, 1.0), (72 * inches, 6), "axes fraction", "offset points", fontsize=8.5,
            weight="bold",
        )  # fmt: skip
    axes.set_xlabel("test error (%)")
    style.quiet(axes)
    axes.grid(axis="y", alpha=0.0)
    axes.tick_params(axis="y", length=0)
    for place in range(1, len(groups)):
        axes.axhline(place - 0.5, color=style.GREY, linewidth=0.4, alpha=0.4)


def explained(groups: Sequence[Group], edge: float) -> list[Line2D]:
    """What the marks of the table mean, those that it has."""
    grey: dict[str, Any] = {"color": style.GREY, "linestyle": "", "markersize": 6}
    several = f"{most_samples(groups)}, probabilities averaged"
    handles = [
        Line2D([], [], marker="s", markerfacecolor="white", label="1 posterior sample", **grey),
        Line2D([], [], marker="o", label=several, **grey),
    ]
    line: dict[str, Any] = {"color": style.GREY, "linewidth": 1.5}
    if any(len(group.counted) > 1 for group in groups):
        label = "mean ± 2 standard errors over seeds; small dots: the seeds"
        handles.append(Line2D([], [], label=label, **line))
    if any(len(group.counted) == 1 for group in groups):
        rows = next((group.test_rows for group in groups if group.test_rows), 0)
        label = f"one seed: ± 2 binomial standard errors of {rows:,} test rows"
        handles.append(Line2D([], [], linestyle="--", label=label, **line))
    if any(100 * (g.mean(key) or 0.0) > edge for g in groups for key in ERRORS):
        handles.append(Line2D([], [], marker=">", label="mean beyond the axis", **grey))
    return handles


def most_samples(groups: Sequence[Group]) -> str:
    """How many posterior samples were averaged, in words; one where nothing is random."""
    runs = [group.runs[0] for group in groups]
    return max(runs, key=lambda run: run.metric("samples") or 0).samples
