"""Forty laws of known information: the default, one network, KSG and the Gaussian beside peers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from findings import BEYOND, Finding, judged
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame
from plan import Tables
from sweeps import results

from mine_cli.figures import style

__all__ = ["draw", "gather", "judge"]

ESTIMATORS = {
    "default": ("default", style.BLUE, "o"),
    "one network": ("one network (`portfolio=none`)", style.ORANGE, "s"),
    "ksg": ("KSG", style.GREY, "^"),
    "gaussian": ("Gaussian", style.GREY, "x"),
    "copula": ("copula", style.GREEN, "v"),
}
PEERS = {
    1000: "ALICE Base 0.092, CCA 0.195, MINE 0.248, KSG 0.288, MINDE-C 0.353, InfoNCE 0.887",
    10_000: "ALICE Base 0.060, MINDE-C 0.065, InfoNCE 0.083, MINE 0.108, CCA 0.181, KSG 0.219",
}
"""Mean absolute errors over the forty laws as the paper on ALICE (arXiv 2609.34962) gives them."""

TARGETS = {1000: 0.085, 10_000: 0.040}  # nats, mean absolute error of the default
FAR, SHARE = 0.1, 0.05  # nats that an `ok` may be off by, and the share that may be
COVERED = (0.90, 0.99)  # share of the intervals that hold the truth


def gather(folders: Mapping[str, Path]) -> Tables:
    """A row for each estimate: of which law, by what, how far off, and what was said of it."""
    rows = [
        row
        for name, folder in folders.items()
        for row in estimates(name.removesuffix("_large"), folder)
    ]
    order = ["n", "half", "law", "seed", "estimator"]
    return {"estimates": DataFrame(rows).sort_values(order, ignore_index=True)}


def estimates(half: str, folder: Path) -> Iterator[dict[str, Any]]:
    """The estimates of one sweep; KSG and the Gaussian stand beside the default's."""
    jobs = results(folder, "references", "seconds", "dataset", "portfolio", "interval")
    for job in jobs.to_dict("records"):
        own = {"half": half, "law": job["dataset"]["law"], "n": job["dataset"]["n"]}
        own |= {"seed": job["seed"], "true_mi": job["true_mi"]}
        alone = not job["portfolio"]
        ends = dict(zip(("interval_low", "interval_high"), job["interval"] or (), strict=False))
        yield own | {
            "estimator": "one network" if alone else "default",
            **{key: job[key] for key in ("estimate", "standard_error", "status", "seconds")},
            **ends,
        }
        for name, found in {} if alone else job["references"].items():
            if found["estimate"] is not None:
                yield own | {"estimator": name, "estimate": found["estimate"]}


def errors(table: DataFrame, name: str, n: int) -> "pd.Series[float]":
    """The error of an estimator on each law, the mean over seeds."""
    own = table[(table["estimator"] == name) & (table["n"] == n)]
    return (own["estimate"] - own["true_mi"]).groupby(own["law"]).mean()


def draw(tables: Tables) -> Figure:
    """The error on each law, of all that estimated it; a panel for each number of rows."""
    table = tables["estimates"]
    sizes = sorted(table["n"].unique())
    figure = style.paper(4.6 + 3.4 * (len(sizes) - 1), 8.4)
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    laws = errors(table, "default", sizes[0]).sort_values().index
    for axes, n in zip(panels, sizes, strict=True):
        draw_errors(axes, table, n, list(laws))
    panels[0].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, 1.06), ncol=3)
    return figure


def draw_errors(axes: Axes, table: DataFrame, n: int, laws: list[str]) -> None:
    """One panel: laws from top to bottom, errors from left to right; few lie beyond its ends."""
    axes.axvline(0, color=style.TRUTH, linewidth=1)
    for name, (label, colour, mark) in ESTIMATORS.items():
        found = errors(table, name, n).reindex(laws)
        size, above = (4.5, 3) if name == "default" else (3.5, 2)
        axes.plot(
            found,
            range(len(laws)),
            mark,
            color=colour,
            markersize=size,
            zorder=above,
            label=label.split(" (")[0],
        )
    axes.set_yticks(range(len(laws)), [law.replace("_", " ") for law in laws], fontsize=7.5)
    axes.set_xlim(-0.8, 0.4)
    axes.set_xlabel(f"estimate - truth (nats), {n:,} rows")
    style.quiet(axes)


def judge(tables: Tables) -> list[Finding]:
    """Mean errors beside those of peers, and whether `ok` was said in vain."""
    table = tables["estimates"]
    found = []
    for n in sorted(table["n"].unique()):
        found += [of_default(table, n), *of_others(table, n)]
        found += [*of_status(table[table["n"] == n], f"{n:,} rows")]
        found += [of_interval(table[table["n"] == n], f"{n:,} rows")]
    return found


def of_default(table: DataFrame, n: int) -> Finding:
    """The default over all laws, and over each half of them."""
    found = errors(table, "default", n).abs()
    halves = table.groupby("law")["half"].first().reindex(found.index)
    parts = ", ".join(f"{half} {mean:.3f}" for half, mean in found.groupby(halves).mean().items())
    seeds = table.loc[table["n"] == n, "seed"].nunique()
    told = f"{found.mean():.3f} over {len(found)} laws, {seeds} seed{'s' * (seeds > 1)} ({parts})"
    what, target = f"mean absolute error, {n:,} rows: default", TARGETS[n]
    return judged(what, PEERS[n], told, f"at most {target} nats", found.mean() <= target)


def of_others(table: DataFrame, n: int) -> Iterator[Finding]:
    """What stands beside the default, each over the laws on which it gave a number."""
    for name, (label, _, _) in ESTIMATORS.items():
        found = errors(table, name, n).abs()
        if name != "default" and len(found):
            what = f"mean absolute error, {n:,} rows: {label}"
            yield Finding(what, "", f"{found.mean():.3f} over {len(found)} laws", "", BEYOND)


def of_status(table: DataFrame, rows: str) -> Iterator[Finding]:
    """How often `ok` stood beside a number too large, or far off."""
    said = table[(table["estimator"] == "default") & (table["status"] == "ok")]
    gap = said["estimate"] - said["true_mi"]
    counts = {
        "above the truth by more than two standard errors": gap > 2 * said["standard_error"],
        f"off by more than {FAR} nats": gap.abs() > FAR,
    }
    for what, wrong in counts.items():
        told = f"{int(wrong.sum())} of {len(said)}"
        met = wrong.sum() <= SHARE * len(said)
        yield judged(f"`ok`, {rows}, {what}", "", told, f"at most {SHARE:.0%}", met)


def of_interval(table: DataFrame, rows: str) -> Finding:
    """How often the interval held the truth, and how wide it was."""
    own = table[table["interval_high"].notna()]
    low, high, truth = (own[key] for key in ("interval_low", "interval_high", "true_mi"))
    held, width = (low <= truth) & (truth <= high), float((high - low).median())
    halves = [f"{half} {mean:.0%}" for half, mean in held.groupby(own["half"]).mean().items()]
    told = f"{int(held.sum())} of {len(own)} ({', '.join(halves)}); median width {width:.3f} nats"
    met = COVERED[0] <= held.mean() <= COVERED[1]
    wanted = f"{COVERED[0]:.0%} to {COVERED[1]:.0%}"
    return judged(f"`interval`, {rows}, holds the truth", "", told, wanted, met)
