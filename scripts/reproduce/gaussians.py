"""Figure 1: the information of Gaussian vectors, over correlations and over training steps."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from findings import BEYOND, Finding, judged, means, plus_minus
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pandas import DataFrame
from plan import Tables
from sweeps import curves, read_table, results, write_table

from mine_cli.baselines import ksg
from mine_cli.data.gaussian import Gaussian
from mine_cli.figures import style

__all__ = ["draw", "draw_steps", "gather", "gather_steps", "judge", "judge_steps"]

NAMES = {"mine": "MINE", "mine_f": "MINE-f", "ksg": "KSG, k = 3"}
MARKERS = {"mine": "o", "mine_f": "s", "ksg": "D"}
ROWS, SEEDS, NEIGHBOURS = 5000, range(3), 3  # of KSG
BELOW = 0.15  # of the largest truth: how far below zero the axes reach


# Over correlations


def gather(folders: Mapping[str, Path]) -> Tables:
    """All estimates, KSG's among them, a row for each dimension, correlation, bound and seed."""
    found = pd.concat([results(folder) for folder in folders.values()])
    found = found.rename(columns={"dataset.dim": "dim", "dataset.rho": "rho"})
    columns = ["dim", "rho", "bound", "seed", "status", "estimate", "standard_error", "true_mi"]
    (place,) = {folder.parent for folder in folders.values()}
    neighbours = kraskov(found[["dim", "rho"]].drop_duplicates(), place / "ksg.csv")
    return {"estimates": pd.concat([found[columns], neighbours], ignore_index=True)}


def kraskov(cells: DataFrame, kept: Path) -> DataFrame:
    """KSG's estimates for these dimensions and correlations; those at hand are not made anew."""
    rows = read_table(kept).to_dict("records") if kept.exists() else []
    there = {(row["dim"], row["rho"], row["seed"]) for row in rows}
    for dim, rho in cells.itertuples(index=False):
        for seed in SEEDS:
            if (dim, rho, seed) not in there:
                rows.append(neighbour_estimate(int(dim), float(rho), seed))
                write_table(kept, pd.DataFrame(rows))
    return pd.DataFrame(rows)


def neighbour_estimate(dim: int, rho: float, seed: int) -> dict[str, object]:
    law = Gaussian(dim, rho)
    x, z = law.sample(ROWS, torch.Generator().manual_seed(seed))
    estimate = ksg(x.double().numpy(), z.double().numpy(), NEIGHBOURS)
    names = {"dim": dim, "rho": rho, "bound": "ksg", "seed": seed, "status": "ok"}
    return {**names, "estimate": estimate, "true_mi": law.true_mi}


def draw(tables: Tables) -> Figure:
    """Estimates against the correlation, a panel for each dimension, as in the paper."""
    estimates = tables["estimates"]
    figure = style.paper(10.4, 4.6)
    dims = sorted(estimates["dim"].unique())
    for axes, dim in zip(figure.subplots(1, len(dims), squeeze=False)[0], dims, strict=True):
        cells = estimates[estimates["dim"] == dim]
        truth = cells.groupby("rho")["true_mi"].first()
        rho = np.linspace(truth.index.min(), truth.index.max(), 401)
        axes.plot(rho, -dim / 2 * np.log1p(-(rho**2)), color=style.TRUTH, label="truth")
        low, high = -BELOW * truth.max(), 1.12 * truth.max()
        for bound, looks in style.ESTIMATORS.items():
            chosen = cells[cells["bound"] == bound]
            points = means(chosen, ["rho"], "estimate").sort_values("rho")
            sound = (chosen["status"] == "ok").groupby(chosen["rho"]).mean()
            points["sound"] = points["rho"].map(sound) >= 0.5
            draw_series(axes, points, low, high, NAMES[bound], looks, MARKERS[bound])
        axes.set_ylim(low, high)
        axes.set_title(f"{dim} dimensions", loc="left", fontsize=10)
        axes.set_xlabel("correlation of the components")
        axes.set_ylabel("mutual information (nats)")
        style.quiet(axes)
    handles, labels = axes.get_legend_handles_labels()
    hollow = {"marker": "o", "color": style.GREY, "markerfacecolor": "white", "linestyle": "none"}
    handles.append(Line2D([], [], **hollow))
    labels.append("hollow: most runs did not end `ok`")
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def draw_series(
    axes: Axes, points: DataFrame, low: float, high: float, label: str, colour: str, marker: str
) -> None:
    """Means with two standard errors over seeds; an arrow and a number for what is far away."""
    inside = points["mean"].between(low, high)
    shown = points[inside]
    spread = shown["interval"].fillna(0.0)
    axes.errorbar(
        shown["rho"], shown["mean"], yerr=spread, color=colour, marker=marker, markersize=4.5,
        linewidth=1.1, capsize=2, label=label,
    )  # fmt: skip
    unsound = shown[~shown["sound"]]
    looks = {"color": colour, "markerfacecolor": "white", "markersize": 5, "zorder": 4}
    axes.plot(unsound["rho"], unsound["mean"], marker, **looks)
    for _, point in points[~inside].iterrows():
        up = point["mean"] > high
        edge, sign = (high, "^") if up else (low, "v")
        axes.plot(point["rho"], edge, sign, color=colour, markersize=7, clip_on=False)
        axes.annotate(
            f"{point['mean']:.3g}", (point["rho"], edge), (4, 6 if not up else -6),
            textcoords="offset points", fontsize=7.5, color=colour,
        )  # fmt: skip


def judge(tables: Tables) -> list[Finding]:
    """The targets: MINE against the truth and KSG in either number of dimensions."""
    found = means(tables["estimates"], ["dim", "bound", "rho", "true_mi"], "estimate")
    found["error"] = found["mean"] - found["true_mi"]
    found["relative"] = found["error"] / found["true_mi"].where(found["true_mi"] > 0)
    by = {key: cells for key, cells in found.groupby(["dim", "bound"])}
    plane, high, nearest = by[2, "mine"], by[20, "mine"], by[20, "ksg"]
    on_top = "MINE on top of the truth"
    return [
        largest("2 dimensions, up to 2 nats", on_top, plane[plane["true_mi"] <= 2], 0.03),
        largest("2 dimensions, at 3.9 nats", on_top, plane[plane["true_mi"] > 2], 0.10),
        largest("20 dimensions, up to 3 nats", "", high[high["true_mi"] <= 3], 0.05, True),
        largest("20 dimensions, at 6.7 nats", "", at(high, 6.7), 0.10, True),
        closer(high[high["true_mi"] > 7], nearest[nearest["true_mi"] > 7]),
        tighter(by),
    ]


def at(cells: DataFrame, truth: float) -> DataFrame:
    return cells[(cells["true_mi"] - truth).abs() < 0.1]


def largest(
    what: str, paper: str, cells: DataFrame, limit: float, relative: bool = False
) -> Finding:
    """The largest error of MINE's mean over seeds in these cells against a limit."""
    errors = cells["relative" if relative else "error"].abs()
    worst = cells.loc[errors.idxmax()]
    reached = f"{plus_minus(worst['mean'], worst['interval'])} for {worst['true_mi']:.3f} nats"
    size = f"{errors.max():.1%}" if relative else f"{errors.max():.3f} nats"
    wanted = f"at most {limit:.0%}" if relative else f"at most {limit:.2f} nats"
    return judged(
        f"{what}: largest error of MINE",
        paper,
        f"{size} ({reached})",
        wanted,
        errors.max() <= limit,
    )


def closer(mine: DataFrame, nearest: DataFrame) -> Finding:
    """Whether MINE is nearer to a large truth than KSG, everywhere."""
    pair = mine.merge(nearest, on="rho", suffixes=("", "_ksg")).sort_values("true_mi")
    some = pair.groupby(pair["true_mi"].round(1)).mean(numeric_only=True)
    said = [f"{r['mean']:.1f} against {r['mean_ksg']:.1f} at {t} nats" for t, r in some.iterrows()]
    met = (pair["error"].abs() < pair["error_ksg"].abs()).all()
    paper = "MINE far above KSG"
    return judged("20 dimensions, above: MINE against KSG", paper, "; ".join(said), "closer", met)


def tighter(by: Mapping[tuple[int, str], DataFrame]) -> Finding:
    """Whether MINE is the tighter of the two bounds wherever there is something to find."""
    pairs = [by[dim, "mine"].merge(by[dim, "mine_f"], on="rho") for dim in (2, 20)]
    both = pd.concat(pairs)
    both = both[both["true_mi_x"] > 0.5]
    gaps = both["mean_x"] - both["mean_y"]
    said = f"in {int((gaps > 0).sum())} of {len(gaps)} cells; by {gaps.median():.3f} nats (median)"
    return judged(
        "MINE above MINE-f, from 0.5 nats", "MINE tighter than MINE-f", said, "in all",
        bool((gaps > 0).all()),
    )  # fmt: skip


# Over training steps


def gather_steps(folders: Mapping[str, Path]) -> Tables:
    """The held-out estimate at each evaluation, and the final one on fresh rows."""
    (folder,) = folders.values()
    names = {"dataset.dim": "dim"}
    curve = curves(folder, {"mi/estimate": "estimate"}).rename(columns=names)
    final = results(folder).rename(columns=names)
    columns = ["dim", "bound", "seed", "status", "estimate", "standard_error", "true_mi"]
    return {"curves": curve, "estimates": final[columns]}


def draw_steps(tables: Tables) -> Figure:
    """Mean over seeds and the range of the seeds, a panel for each number of dimensions."""
    curve, truths = tables["curves"], tables["estimates"].groupby("dim")["true_mi"].first()
    figure = style.paper(2.9 * len(truths) + 0.6, 3.7)
    for axes, (dim, truth) in zip(
        figure.subplots(1, len(truths), squeeze=False)[0], truths.items(), strict=True
    ):
        axes.axhline(truth, color=style.TRUTH, linewidth=1.2, label="truth")
        for bound in ("mine", "mine_f"):
            chosen = curve[(curve["dim"] == dim) & (curve["bound"] == bound)]
            steps = chosen.groupby("step")["estimate"]
            middle, colour = steps.mean(), style.ESTIMATORS[bound]
            axes.fill_between(middle.index, steps.min(), steps.max(), color=style.paler(colour))
            axes.plot(middle.index, middle, color=colour, linewidth=1.4, label=NAMES[bound])
        axes.set_ylim(-BELOW * truth, 1.15 * truth)
        axes.set_title(f"{dim} dimensions: {truth:.2f} nats", loc="left", fontsize=10)
        axes.set_xlabel("training step")
        style.quiet(axes)
    figure.axes[0].set_ylabel("estimate (nats)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def judge_steps(tables: Tables) -> list[Finding]:
    """Whether MINE ends where figure 1 wants it to be, in each number of dimensions."""
    found = means(tables["estimates"], ["dim", "bound", "true_mi"], "estimate")
    lines = []
    for dim, bound, truth, mean, interval, _ in found.itertuples(index=False):
        error = abs(mean - truth)
        ours = f"{plus_minus(mean, interval)} of {truth:.3f} nats"
        what = f"{dim} dimensions: {NAMES[bound]} at the last step"
        paper = "converges to the truth" if dim in (2, 50) else ""
        if bound == "mine_f":
            lines.append(Finding(what, "", ours, "", BEYOND))
        elif dim == 2:
            lines.append(judged(what, paper, ours, "within 0.03 nats", error <= 0.03))
        else:
            limit = 0.05 if truth <= 3 else 0.10
            lines.append(judged(what, paper, ours, f"within {limit:.0%}", error <= limit * truth))
    return lines
