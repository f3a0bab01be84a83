"""The table of many `task=infobottleneck` runs: what each method's errors and information are."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from mine_cli.figures import style
from mine_cli.figures.infobottleneck.run import MEASURES, BottleneckRun, order_of
from mine_cli.figures.run import MISHAPS, Arm, arms_of
from mine_cli.results.files import write_csv
from mine_cli.results.ledger import counted
from mine_cli.results.metrics import METRICS, Metric
from mine_cli.results.numbers import is_loose

__all__ = ["Method", "compare_methods", "measure_of", "methods_of"]

Method = Arm[BottleneckRun]
"""The runs of one method and beta."""

ERRORS = {"error": ("s", "white", -0.17), "error_averaged": ("o", None, 0.17)}
"""Key -> marker, its face where it is not the method's colour, and where it stands in a row."""
FAR = 2.5  # an arm with a mishap, so many times above the worst of the others, is off the axis
LOGARITHMIC = 8.0  # from this ratio of the largest to the smallest
WIDTHS = (0.17, 0.17, 0.29, 0.37)  # of the columns of text


def compare_methods(sweep: Path) -> Path | None:
    """Writes and draws the errors of all methods and betas below a sweep's folder.

    A line for each: errors with one and with several posterior samples, two standard errors over
    the seeds to each side (of one seed alone: the test set's binomial error, dashed), I(X; Z) in
    nats beside it. Runs that diverged count in no mean, those that were outrun do; both are named.

    Returns:
        The path of `table.png` in that folder, with `table.csv` beside it; None where no run of
        the task has ended.
    """
    methods = methods_of(sweep)
    if not methods:
        return None
    write_csv(sweep / "table.csv", [row_of(method) for method in methods], shared=True)
    figure = style.paper(12.6, 1.9 + 0.42 * len(methods))
    axes, beside = figure.subplots(1, 2, width_ratios=(1, 1.7))
    edge = far_edge(methods)
    for place, method in enumerate(methods):
        for key in ERRORS:
            draw_error(axes, method, key, place, edge)
    finish(axes, methods, edge)
    write_numbers(beside, methods)
    style.explain(figure, explained(methods, edge))
    return style.save(figure, sweep / "table.png", shared=True)


def methods_of(sweep: Path) -> list[Method]:
    """Returns the ended runs by method and beta: methods as in the paper, beta rising."""
    found = arms_of(sweep, "infobottleneck", BottleneckRun, lambda run: (run.method, run.beta))
    return sorted(found, key=lambda m: (order_of(m.runs[0].method), m.runs[0].beta))


def measure_of(methods: Sequence[Method]) -> Metric | None:
    """Returns the best measure of I(X; Z) that all of these know, so that they are compared."""
    shared = (m for m in MEASURES if methods and all(method.known(m.key) for method in methods))
    return next(shared, None)


def row_of(method: Method) -> dict[str, object]:
    """One line of table.csv; errors are shares, entropies and information in nats."""
    first = method.runs[0]
    row: dict[str, object] = {
        "method": first.method,
        "beta": first.beta,
        "information": first.information,
        "encoder": first.encoder,
        "seeds": len(method.runs),
        "counted": len(method.jobs.numbered),
        "statuses": counted(method.jobs.rows),
        "samples": first.metric("samples"),
        "test_rows": test_rows(method),
    }
    for key in METRICS["infobottleneck"]:
        row |= {key: method.mean(key), f"{key}_se": method.standard_error(key)}
    return row | {f"{key}_binomial_se": binomial(method, key) for key in ERRORS}


def test_rows(method: Method) -> int | None:
    """How many rows the errors are of."""
    return next((int(rows) for run in method.runs if (rows := run.metric("test_rows"))), None)


def binomial(method: Method, key: str) -> float | None:
    """An error's own standard error by the number of test rows, for one run."""
    share, rows = method.mean(key), test_rows(method)
    return None if share is None or rows is None else math.sqrt(share * (1 - share) / rows)


def errors_of(methods: Sequence[Method]) -> list[float]:
    """The known errors of all runs, in per cent, of one sample and of several."""
    return [100 * share for method in methods for key in ERRORS for share in method.known(key)]


def far_edge(methods: Sequence[Method]) -> float:
    """The largest error, in per cent, that the axis shows: runs with a mishap may lie beyond."""
    limit = FAR * max(errors_of([method.sound for method in methods]), default=math.inf)
    return max((value for value in errors_of(methods) if value <= limit), default=1.0)


def draw_error(axes: Axes, method: Method, key: str, place: float, edge: float) -> None:
    """The mean error in per cent and its interval, each seed as a dot behind them."""
    mean, spread, colour = method.mean(key), method.standard_error(key), method.runs[0].look.colour
    if mean is None:
        return
    marker, face, offset = ERRORS[key]
    beyond, width = 100 * mean > edge, binomial(method, key) if spread is None else spread
    if spread is not None:
        dots = [100 * share for share in method.known(key) if 100 * share <= edge]
        pale = style.paler(colour)
        axes.scatter(dots, [place + offset] * len(dots), 14, color=pale, linewidths=0, zorder=2)
    bar = axes.errorbar(
        [edge if beyond else 100 * mean], [place + offset],
        xerr=None if beyond or width is None else [200 * width], color=colour,
        marker=">" if beyond else marker, markersize=6, markerfacecolor=face or colour, capsize=3,
        linewidth=1.5, zorder=3,
    )  # fmt: skip
    if spread is None and bar.lines[2]:
        bar.lines[2][0].set_linestyle("--")


def finish(axes: Axes, methods: Sequence[Method], edge: float) -> None:
    """The names of the rows, below room for the heads of the columns, and the axis of errors."""
    axes.set_ylim(len(methods) - 0.5, -1.5)
    names = [method.runs[0].arm for method in methods]
    axes.set_yticks(range(len(methods)), names, fontsize=9.5)
    every = errors_of(methods)
    if every and min(every) > 0 and edge > LOGARITHMIC * min(every):
        style.logarithmic(axes, horizontal=True, close=500.0)
    axes.set_xlabel("test error (%)")
    style.quiet(axes)
    axes.grid(axis="y", alpha=0.0)
    axes.tick_params(axis="y", length=0)


def write_numbers(axes: Axes, methods: Sequence[Method]) -> None:
    """Errors, information and seeds as numbers, each row beside its bars."""
    heads = ("1 sample (%)", f"{most_samples(methods)} (%)", "I(X;Z) (nats)", "runs")
    cells = [
        [*(error_in_words(m, key) for key in ERRORS), information_in_words(m), runs(m)]
        for m in methods
    ]
    axes.set_axis_off()
    table = axes.table(
        cells, colLabels=heads, colWidths=WIDTHS, cellLoc="left", colLoc="left",
        edges="horizontal", bbox=Bbox.unit(),
    )  # fmt: skip
    table.auto_set_font_size(False)
    for (row, column), cell in table.get_celld().items():
        marked = row == 0 or (column == 3 and methods[row - 1].jobs.statuses.keys() & MISHAPS)
        cell.set(linewidth=0.4, edgecolor=style.GREY)
        cell.set_text_props(fontsize=8.5, weight="bold" if marked else "normal")


def runs(method: Method) -> str:
    """The runs in words, with those that ended in another way than well."""
    count = len(method.runs)
    said = "1 seed" if count == 1 else f"{count} seeds"
    odd = [f"{n} {status}" for status, n in method.jobs.statuses.items() if status != "ok"]
    return ", ".join([said, *odd])


def error_in_words(method: Method, key: str) -> str:
    """An error in per cent, over seeds with two standard errors, as long as its bar."""
    mean, spread = method.mean(key), method.standard_error(key)
    if mean is None:
        return "–"
    return f"{100 * mean:.2f}" if spread is None else f"{100 * mean:.2f} ± {200 * spread:.2f}"


def information_in_words(method: Method) -> str:
    """I(X; Z) in nats by the best measure there is, and which; of outrun runs only if all are."""
    if all(run.encoder == "Deterministic" for run in method.runs):
        return "infinite (deterministic)"  # z is a function of x with a density of its own
    method = method.sound if method.sound.runs else method
    measure = measure_of([method])
    if measure is None:
        return "unknown"
    value = nats(method.mean(measure.key) or 0.0)
    if measure.key == "kl":
        return f"at most {value} (KL)"
    if measure.key == "i_xz_term":
        return f"{value} (MI term)"
    upper = method.mean("i_xz_reference_upper")
    found = f"≥ {value}" if is_loose(upper) else f"{value} to {nats(upper or 0.0)}"
    return f"{found} (reference)"


def nats(value: float) -> str:
    """With two decimals, of large values none."""
    return (f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}").replace("-", "−")


def explained(methods: Sequence[Method], edge: float) -> list[Line2D]:
    """What the marks mean, those that there are."""
    several = f"{most_samples(methods)}, probabilities averaged"
    handles = [
        style.handle("1 posterior sample", color=style.GREY, marker="s", markerfacecolor="white"),
        style.handle(several, color=style.GREY, marker="o"),
    ]
    if any(len(method.jobs.averaged) > 1 for method in methods):
        label = "mean ± 2 standard errors over seeds; small dots: the seeds"
        handles.append(style.handle(label, color=style.GREY, linestyle="-"))
    if any(len(method.jobs.averaged) == 1 for method in methods):
        rows = next((rows for method in methods if (rows := test_rows(method))), 0)
        label = f"one seed: ± 2 binomial standard errors of {rows:,} test rows"
        handles.append(style.handle(label, color=style.GREY, linestyle="--"))
    if any(100 * (method.mean(key) or 0.0) > edge for method in methods for key in ERRORS):
        handles.append(style.handle("mean beyond the axis", color=style.GREY, marker=">"))
    return handles


def most_samples(methods: Sequence[Method]) -> str:
    """How many posterior samples were averaged, in words; one where nothing is random."""
    firsts = [method.runs[0] for method in methods]
    return max(firsts, key=lambda run: run.metric("samples") or 0).samples
