"""Figure 1: the information of Gaussian vectors, over correlations and over training steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from findings import BEYOND, Finding, judged, means, plus_minus
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame
from plan import Tables
from sweeps import curves, read_table, results, write_table

from mine_cli.data.gaussian import Gaussian
from mine_cli.figures import style
from mine_cli.figures.sweep.series import Look, draw_points, status_handles
from mine_cli.results.ledger import Row, Setting
from mine_cli.results.metrics import METRICS
from mine_cli.tasks.mi_estimate.baselines import ksg

__all__ = ["draw", "draw_steps", "gather", "gather_steps", "judge", "judge_steps"]

NAMES = {"mine": "MINE", "mine_f": "MINE-f", "ksg": "KSG, k = 3"}
MARKERS = {"mine": "o", "mine_f": "s", "ksg": "D"}
ROWS, SEEDS, NEIGHBOURS = 5000, range(3), 3  # of KSG
BELOW = 0.05  # of the largest truth: how far below zero the axes reach


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
    """Estimates against the correlation, a panel for each dimension, as in the paper.

    With two standard errors over seeds, a sign for each status but `ok`, and an arrow to what is
    far away, as in the picture of a sweep.
    """
    points = points_of(tables["estimates"])
    dims = sorted({int(point.values["dim"]) for point in points})
    figure = style.paper(10.4, 4.9)
    for axes, dim in zip(figure.subplots(1, len(dims), squeeze=False)[0], dims, strict=True):
        draw_panel(axes, [point for point in points if point.values["dim"] == str(dim)], dim)
    bounds = [
        style.handle(NAMES[bound], color=colour, marker=MARKERS[bound], linestyle="-")
        for bound, colour in style.ESTIMATORS.items()
    ]
    truth = style.handle("truth", color=style.TRUTH, linestyle="-")
    runs = [point for point in points if point.values["bound"] != "ksg"]
    handles = [truth, *bounds, *status_handles(runs)]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def points_of(estimates: DataFrame) -> list[Setting]:
    """The jobs that differ in nothing but their seed, as the picture of a sweep wants them.

    Without the estimates' own standard errors: all intervals of the record are over seeds.
    """
    estimates = estimates.drop(columns="standard_error")
    keys = ["dim", "rho", "bound"]
    known = estimates.astype(object).where(estimates.notna(), None)
    return [
        Setting(
            dict(zip(keys, map(str, values), strict=True)),
            [Row(0, "", Path(), {}, job, {}) for job in jobs.to_dict("records")],
        )
        for values, jobs in known.groupby(keys, sort=False)
    ]


def draw_panel(axes: Axes, points: Sequence[Setting], dim: int) -> None:
    """One number of dimensions: the truth as a curve, and the estimates."""
    ends = [correlation(point) for point in points]
    rho = np.linspace(min(ends), max(ends), 401)
    truth = -dim / 2 * np.log1p(-(rho**2))
    axes.plot(rho, truth, color=style.TRUTH)
    shown = (-BELOW * truth.max(), 1.12 * truth.max())
    for bound, colour in reversed(style.ESTIMATORS.items()):  # MINE above the others
        own = [point for point in points if point.values["bound"] == bound]
        look = Look(colour, MARKERS[bound], "-", 0.0)
        estimate = METRICS["mi-estimate"]["estimate"]
        draw_points(axes, own, look, correlation, estimate, "nats", shown)
    axes.set_ylim(shown)
    axes.set_title(f"{dim} dimensions", loc="left", fontsize=10)
    axes.set_xlabel("correlation of the components")
    axes.set_ylabel("mutual information (nats)")
    style.quiet(axes)


def correlation(point: Setting) -> float:
    return float(point.values["rho"] or 0)


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
