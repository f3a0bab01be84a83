"""Which of the paper's choices matter: moving average, marginals, clipping."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from findings import BEYOND, Finding, means, plus_minus
from generators import scored
from matplotlib.figure import Figure
from pandas import DataFrame
from plan import Tables
from sweeps import results

from mine_cli.figures import style

__all__ = ["draw", "gather", "judge"]

STARTS = {"null": "from the first batch", "1": "from 1"}
CLIPPING = {"global": "one norm", "tensor": "each tensor", "none": "none"}


def gather(folders: Mapping[str, Path]) -> Tables:
    """All estimates of the first two, all scores of the third."""
    renamed = {"bound.rate": "rate", "bound.start": "start"}
    columns = ["seed", "status", "estimate", "standard_error", "true_mi"]
    average = results(folders["ema"]).rename(columns=renamed)
    marginals = results(folders["marginals"])
    return {
        "moving_average": average[["rate", "start", *columns]],
        "marginals": marginals[["marginals", *columns]],
        "clipping": scored(folders["clipping"], "clipping").drop(columns="setting"),
    }


def draw(tables: Tables) -> Figure:
    """A panel for each choice, with two standard errors over seeds."""
    figure = style.paper(13.0, 4.0)
    average, marginals, clipping = figure.subplots(1, 3, width_ratios=[1, 1.3, 1])
    draw_average(average, tables["moving_average"])
    draw_options(marginals, tables["marginals"], "marginals", "estimate", style.BLUE)
    marginals.set_title("pairs of the marginals", loc="left", fontsize=10)
    for axes, table in ((average, "moving_average"), (marginals, "marginals")):
        truth = tables[table]["true_mi"].iloc[0]
        axes.axhline(truth, color=style.TRUTH, linewidth=1.2, label="truth")
        axes.set_ylabel("estimate (nats)")
        axes.legend(frameon=False, fontsize=8.5)
    named = tables["clipping"].assign(clip=tables["clipping"]["clip"].map(CLIPPING))
    draw_options(clipping, named, "clip", "kl", style.BLUE)
    clipping.set_ylabel("KL of the modes (nats)")
    clipping.set_title("clipping of the information's gradient", loc="left", fontsize=10)
    return figure


def draw_average(axes: Any, estimates: DataFrame) -> None:
    """Estimates against the rate of the moving average, for either start."""
    points = means(estimates.astype({"start": str}), ["rate", "start"], "estimate")
    for (start, label), colour in zip(STARTS.items(), (style.BLUE, style.SKY), strict=True):
        shown = points[points["start"] == start].sort_values("rate")
        axes.errorbar(
            shown["rate"], shown["mean"], yerr=shown["interval"].fillna(0.0), color=colour,
            marker="o", capsize=2.5, markersize=5, label=label,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("rate (1: no correction)")
    axes.set_title("moving average", loc="left", fontsize=10)
    style.quiet(axes)


def draw_options(axes: Any, frame: DataFrame, key: str, value: str, colour: str) -> None:
    """A point for each option."""
    points = means(frame, [key], value)
    axes.errorbar(
        range(len(points)), points["mean"], yerr=points["interval"].fillna(0.0), fmt="o",
        color=colour, capsize=3, markersize=6,
    )  # fmt: skip
    axes.set_xticks(range(len(points)), [str(name).replace("_", " ") for name in points[key]])
    axes.tick_params(axis="x", labelsize=9)
    axes.set_xlim(-0.5, len(points) - 0.5)
    style.quiet(axes)


def judge(tables: Tables) -> list[Finding]:
    """A sentence for each choice; the paper has no such numbers."""
    average = means(tables["moving_average"].astype({"start": str}), ["rate", "start"], "estimate")
    first = average[average["start"] == "null"].sort_values("rate")
    gap = average.pivot(index="rate", columns="start", values="mean")
    starts = (gap["1"] - gap["null"]).abs().max()
    clipping = tables["clipping"]
    return [
        said("rate of the moving average: estimate", listed(first, "rate")),
        said("its start, from 1 or the first batch", f"at most {starts:.3f} nats apart"),
        said(
            "pairs of the marginals: estimate",
            listed(means(tables["marginals"], ["marginals"], "estimate"), "marginals"),
        ),
        said("clipping, KL of the 25 modes", listed(means(clipping, ["clip"], "kl"), "clip")),
        said(
            "clipping, modes of 25", listed(means(clipping, ["clip"], "modes"), "clip", digits=1)
        ),
    ]


def said(what: str, ours: str) -> Finding:
    return Finding(what, "", ours, "", BEYOND)


def listed(points: DataFrame, key: str, digits: int = 3) -> str:
    """Option and mean, one after another."""
    rows: Sequence[Any] = points.to_dict("records")
    return "; ".join(f"{r[key]}: {plus_minus(r['mean'], r['interval'], digits)}" for r in rows)
