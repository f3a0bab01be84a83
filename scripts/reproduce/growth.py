"""How cost grows with dimension and sample, and how error falls with the sample."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from findings import Finding, judged, means
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from pandas import DataFrame, Series
from plan import Tables
from sweeps import results

from mine_cli.figures import style

__all__ = [
    "draw_consistency",
    "draw_scaling",
    "gather_consistency",
    "gather_scaling",
    "judge_consistency",
    "judge_scaling",
]

STEEPEST = 1.1  # of a cost that counts as linear


def slope(x: Series, y: Series) -> tuple[float, float]:
    """Exponent and factor of the power law through all points, by least squares of logarithms."""
    exponent, offset = np.polyfit(np.log(x), np.log(y), 1)
    return float(exponent), float(np.exp(offset))


def draw_law(axes: Axes, x: Series, y: Series, colour: str, what: str) -> None:
    """Points, and the power law through them."""
    exponent, factor = slope(x, y)
    ends = np.array([x.min(), x.max()])
    axes.plot(x, y, "o", color=colour, markersize=5, label=what)
    axes.plot(
        ends, factor * ends**exponent, color=colour, linewidth=1.1, label=f"slope {exponent:.2f}"
    )
    axes.set_xscale("log")
    style.quiet(axes)


# Cost


def gather_scaling(folders: Mapping[str, Path]) -> Tables:
    """Milliseconds a step against the dimension, and seconds an epoch against the rows."""
    by_dim, by_rows = speeds(folders["dim"], "dataset.dim"), speeds(folders["n"], "dataset.n")
    by_dim["milliseconds"] = 1000 / by_dim.pop("steps_per_second")
    steps = by_rows["n"].map(lambda n: steps_per_epoch(n, folders["n"]))
    by_rows["epoch_seconds"] = steps / by_rows.pop("steps_per_second")
    return {"by_dimension": by_dim, "by_rows": by_rows}


def speeds(folder: Path, key: str) -> DataFrame:
    """What was swept, and the speed of the training without its evaluations."""
    columns = [key, "seed", "steps_per_second"]
    found = results(folder, "steps_per_second")[columns]
    return found.rename(columns={key: key.removeprefix("dataset.")})


def steps_per_epoch(n: int, folder: Path) -> float:
    """How many batches the rows make that train."""
    conf: Any = OmegaConf.load(next(folder.glob("*/.hydra/config.yaml")))
    return float(n * conf.task.fractions[0] / conf.trainer.batch_size)


def draw_scaling(tables: Tables) -> Figure:
    """Time against size on logarithmic axes, with the power laws through them."""
    figure = style.paper(9.0, 4.0)
    left, right = figure.subplots(1, 2)
    steps, epochs = tables["by_dimension"], tables["by_rows"]
    draw_law(left, steps["dim"], steps["milliseconds"], style.BLUE, "runs")
    left.set_xlabel("dimension of x and of z")
    left.set_ylabel("a training step (milliseconds)")
    draw_law(right, epochs["n"], epochs["epoch_seconds"], style.BLUE, "runs")
    right.set_xlabel("rows")
    right.set_ylabel("an epoch (seconds)")
    for axes in (left, right):
        style.logarithmic(axes)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(frameon=False, fontsize=9)
    return figure


def judge_scaling(tables: Tables) -> list[Finding]:
    """Whether either cost grows at most linearly, over all sizes and between neighbours."""
    steps, epochs = tables["by_dimension"], tables["by_rows"]
    costs = {
        "time of a step against dimension": (steps["dim"], steps["milliseconds"]),
        "time of an epoch against rows": (epochs["n"], epochs["epoch_seconds"]),
    }
    found = []
    for what, (size, cost) in costs.items():
        exponent, (steepest, where) = slope(size, cost)[0], steepest_part(size, cost)
        ours = f"slope {exponent:.2f}; at most {steepest:.2f}, {where}"
        met = max(exponent, steepest) <= STEEPEST
        found.append(judged(f"{what}, {span(size)}", "linear", ours, f"at most {STEEPEST}", met))
    return found


def steepest_part(size: Series, cost: Series) -> tuple[float, str]:
    """The largest slope between two neighbouring sizes, by their medians; and where it is."""
    middle = cost.groupby(size).median()
    pairs = zip(middle.index[:-1], middle.index[1:], strict=True)
    found = {(a, b): np.log(middle[b] / middle[a]) / np.log(b / a) for a, b in pairs}
    (a, b), steepest = max(found.items(), key=lambda item: item[1])
    return float(steepest), f"from {a:,} to {b:,}"


def span(sizes: Series) -> str:
    return f"{sizes.min():,} to {sizes.max():,}"


# Error


def gather_consistency(folders: Mapping[str, Path]) -> Tables:
    """All estimates, a row for each number of rows and seed."""
    (folder,) = folders.values()
    found = results(folder).rename(columns={"dataset.n": "n"})
    columns = ["n", "seed", "status", "estimate", "standard_error", "true_mi"]
    return {"estimates": found[columns].sort_values(["n", "seed"])}


def spreads(estimates: DataFrame) -> DataFrame:
    """Root mean squared error and standard deviation over seeds for each number of rows."""
    errors = (estimates["estimate"] - estimates["true_mi"]) ** 2
    found = errors.groupby(estimates["n"]).mean().pow(0.5).rename("error").to_frame()
    found["spread"] = estimates.groupby("n")["estimate"].std()
    return found.reset_index()


def draw_consistency(tables: Tables) -> Figure:
    """The estimates of all seeds, and their error and spread with power laws."""
    estimates = tables["estimates"]
    figure = style.paper(9.4, 4.0)
    left, right = figure.subplots(1, 2)
    left.axhline(estimates["true_mi"].iloc[0], color=style.TRUTH, linewidth=1.2, label="truth")
    dots = {"color": style.paler(style.BLUE), "markersize": 4, "label": "one sample"}
    left.plot(estimates["n"], estimates["estimate"], "o", **dots)
    points = means(estimates, ["n"], "estimate")
    left.plot(points["n"], points["mean"], "o-", color=style.BLUE, label="mean", markersize=5)
    left.set_xscale("log")
    left.set_ylabel("estimate (nats)")
    found = spreads(estimates)
    draw_law(right, found["n"], found["error"], style.BLUE, "root mean squared error")
    draw_law(right, found["n"], found["spread"], style.ORANGE, "standard deviation over samples")
    right.set_ylabel("nats")
    style.logarithmic(right)
    for axes in (left, right):
        axes.set_xlabel("rows")
        axes.legend(frameon=False, fontsize=8.5)
        style.quiet(axes)
    return figure


def judge_consistency(tables: Tables) -> list[Finding]:
    """Whether error and spread fall as the sample grows."""
    found = spreads(tables["estimates"])
    lines = []
    for column, what in {"error": "root mean squared error", "spread": "spread"}.items():
        exponent, _ = slope(found["n"], found[column])
        first, last = found[column].iloc[0], found[column].iloc[-1]
        ours = f"from {first:.3f} to {last:.4f} nats; slope {exponent:.2f}"
        label = f"{what} against rows, {span(found['n'])}"
        met = exponent < 0 and last < first
        lines.append(judged(label, "consistent", ours, "falls with the rows", met))
    return lines
