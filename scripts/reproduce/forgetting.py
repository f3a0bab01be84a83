"""Error against what an encoder keeps of its input: does forgetting help?"""

import math
from collections.abc import Mapping
from pathlib import Path

from findings import BEYOND, SHORTENED, Finding, means, plus_minus
from matplotlib.figure import Figure
from pandas import DataFrame
from plan import Tables
from sweeps import results

from mine_cli.figures import style

__all__ = ["draw", "gather", "judge"]

METHODS = {
    "vib": ("DVB", style.BLUE),
    "mine_gaussian": ("MINE, Gaussian", style.ORANGE),
    "mine_additive": ("MINE, additive (the term: at least)", style.GREEN),
}
FULL_STEPS = 10_800  # 20 epochs of 54,000 images in batches of 100
FURTHEST = 12.0  # nats: an upper end beyond says nothing, and is not drawn


def gather(folders: Mapping[str, Path]) -> Tables:
    """Test errors in per cent and what I(X; Z) lies between, a row for each weight and seed.

    The lower end is of the encoder's own law, or the term where no law is known; the upper end is
    empty there.
    """
    (folder,) = folders.values()
    found = results(folder, "steps", "encoder").rename(columns={"method.beta": "beta"})
    known = found["encoder"].map(lambda conf: conf["_target_"].endswith(".Gaussian"))
    found["i_xz"] = found["metrics.i_xz_reference"].where(known, found["metrics.i_xz_term"])
    found["i_xz_at_most"] = found["metrics.i_xz_reference_upper"].where(known)
    found["error_12"] = 100 * found["metrics.error_averaged"]
    columns = ["method", "beta", "seed", "status", "steps", "error_12", "i_xz", "i_xz_at_most"]
    return {"forgetting": found[columns].round(5)}


def draw(tables: Tables) -> Figure:
    """A line for each method from weight to weight; what lies between two ends is a bar."""
    figure = style.paper(7.0, 4.2)
    axes = figure.add_subplot()
    for method, (name, colour) in METHODS.items():
        rows = tables["forgetting"][tables["forgetting"]["method"] == method]
        if rows.empty:
            continue
        error, low, high = (
            means(rows, ["beta"], column).sort_values("beta")
            for column in ("error_12", "i_xz", "i_xz_at_most")
        )
        beyond = (high["mean"].clip(upper=FURTHEST) - low["mean"]).fillna(0.0).clip(lower=0.0)
        axes.errorbar(
            low["mean"], error["mean"], yerr=error["interval"].fillna(0.0),
            xerr=[0.0 * beyond, beyond], fmt="o-", color=colour, markersize=4, capsize=2,
            linewidth=1.0, label=name,
        )  # fmt: skip
        for beta, x, y in zip(error["beta"], low["mean"], error["mean"], strict=True):
            axes.annotate(
                f"{beta:g}", (x, y), (3, 4), textcoords="offset points", fontsize=7, color=colour
            )
    axes.set_xlabel("I(X; Z) (nats); at each point its weight beta")
    axes.set_ylabel("test error, 12 samples (%)")
    style.quiet(axes)
    style.logarithmic(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def judge(tables: Tables) -> list[Finding]:
    """Of each method the weight at which it errs least, and what that gains on none, by seeds."""
    rows = tables["forgetting"]
    verdict = BEYOND if (rows["steps"] >= FULL_STEPS).all() else SHORTENED
    found = []
    for method, (name, _) in METHODS.items():
        own = rows[rows["method"] == method]
        if own.empty:
            continue
        points = means(own, ["beta"], "error_12").set_index("beta")
        best = points["mean"].idxmin()
        gained = gains(own, best)
        kept = own[own["beta"] == best]["i_xz"].mean()
        error = plus_minus(points.loc[best, "mean"], points.loc[best, "interval"], 2)
        ours = f"{error} % at beta {best:g}, at least {kept:.1f} nats kept; {gained}"
        found.append(Finding(f"{name.split(' (')[0]}: least error", "", ours, "", verdict))
    return found


def gains(rows: DataFrame, best: float) -> str:
    """What a weight gains on none, paired by seeds, in percentage points."""
    errors = rows.pivot_table(index="seed", columns="beta", values="error_12")
    if best == 0 or 0 not in errors:
        return "no weight errs less than none" if best == 0 else "none was not run"
    difference = (errors[0] - errors[best]).dropna()
    interval = 2 * difference.sem() if len(difference) > 1 else math.nan
    return f"{plus_minus(difference.mean(), interval, 2)} points less than without"
