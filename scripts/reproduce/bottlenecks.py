"""Table 3: errors of classifiers with a bottleneck."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from findings import SHORTENED, Finding, judged, means, plus_minus
from matplotlib.figure import Figure
from pandas import DataFrame
from plan import Tables
from sweeps import results

from mine_cli.figures import style

__all__ = ["draw", "gather", "judge"]

PUBLISHED = {
    "none": ("baseline", 1.38), "dropout": ("dropout", 1.34),
    "confidence_penalty": ("confidence penalty", 1.36),
    "label_smoothing": ("label smoothing", 1.40),
    "vib": ("DVB", 1.13), "vib_additive": ("DVB, additive noise", 1.06),
    "mine_gaussian": ("MINE, Gaussian", 1.11), "mine_propagated": ("MINE, propagated", 1.10),
    "mine_additive": ("MINE, additive", 1.01),
}  # fmt: skip
"""Table 3 of the paper: method -> its name there and its error in per cent."""

FULL_STEPS = 120_000  # 200 epochs of 60,000 images in batches of 100
NEAR = 0.10  # percentage points, the spread of published runs of the same recipe
BEST = "mine_additive"
EPOCH = 600  # steps of all 60,000 images


def gather(folders: Mapping[str, Path]) -> Tables:
    """Test errors in per cent, a row for each method and seed, with the length of the training."""
    (folder,) = folders.values()
    found = results(folder, "steps")
    for key, name in {"error": "error_1", "error_averaged": "error_12"}.items():
        found[name] = 100 * found[f"metrics.{key}"]
    columns = ["method", "seed", "status", "steps", "error_1", "error_12"]
    return {"errors": found[columns].round(4)}


def longest(tables: Tables) -> DataFrame:
    """The runs of each method at the greatest length that it was run at.

    Beside `errors`, which a run of this row makes anew, `full_length` holds those of 200 epochs,
    which are added as they come.
    """
    errors = pd.concat([tables[name] for name in ("errors", "full_length") if name in tables])
    most = errors.groupby("method")["steps"].transform("max")
    return errors[errors["steps"] == most]


def draw(tables: Tables) -> Figure:
    """A line for each method: the published error, and ours with two standard errors."""
    errors = longest(tables)
    methods = [method for method in PUBLISHED if method in set(errors["method"])]
    figure = style.paper(8.0, 1.9 + 0.36 * len(methods))
    axes = figure.add_subplot()
    published = [PUBLISHED[method][1] for method in methods]
    axes.plot(
        published, range(len(methods)), "D", color=style.BLACK, markersize=5,
        label="published, 200 epochs",
    )  # fmt: skip
    looks = {
        "error_12": ("o", style.BLUE, -0.12, "probabilities of 12 samples averaged"),
        "error_1": ("s", style.ORANGE, 0.12, "one sample"),
    }
    for steps, of_length in sorted(errors.groupby("steps"), reverse=True):
        for column, (marker, colour, aside, label) in looks.items():
            points = means(of_length, ["method"], column)
            axes.errorbar(
                points["mean"], [methods.index(name) + aside for name in points["method"]],
                xerr=points["interval"].fillna(0.0), fmt=marker, color=colour, capsize=2.5,
                markersize=5, markerfacecolor=colour if steps >= FULL_STEPS else "white",
                label=f"ours, {length(of_length)}, {label}",
            )  # fmt: skip
    axes.set_yticks(range(len(methods)), [PUBLISHED[method][0] for method in methods])
    axes.invert_yaxis()
    axes.set_xlabel("test error (%)")
    style.quiet(axes)
    figure.legend(loc="outside lower center", ncols=1, frameon=False, fontsize=8.5)
    return figure


def length(errors: DataFrame) -> str:
    epochs = errors["steps"].max() / EPOCH
    return f"{epochs:.0f} epochs" if epochs >= 1 else f"{errors['steps'].max()} steps"


def judge(tables: Tables) -> list[Finding]:
    """Each method against the published error, where the training has the paper's length."""
    errors = longest(tables)
    found = []
    for method, (name, published) in PUBLISHED.items():
        own = errors[errors["method"] == method]
        if own.empty:
            continue
        mean, interval = means(own, ["method"], "error_12").loc[0, ["mean", "interval"]]
        what, paper = f"{name}: error", f"{published:.2f} %"
        ours = f"{length(own)}, {seeds(own)}: {plus_minus(mean, interval, 2)} %"
        target = f"within {NEAR:.1f} points"
        if (own["steps"] >= FULL_STEPS).all():
            found.append(judged(what, paper, ours, target, abs(mean - published) <= NEAR))
        else:
            found.append(Finding(what, paper, ours, f"{target}, 200 epochs", SHORTENED))
    return found + compared(errors)


def compared(errors: DataFrame) -> list[Finding]:
    """The best of the paper against each of its rivals, seed by seed, at full length alone."""
    full = errors[errors["steps"] >= FULL_STEPS].pivot(
        index="seed", columns="method", values="error_12"
    )
    found = []
    for rival in ("none", "vib"):
        if not {rival, BEST} <= set(full.columns):
            continue
        gain = (full[rival] - full[BEST]).dropna()
        if len(gain) < 2:  # of which nobody knows the error
            continue
        mean, interval = gain.mean(), 2 * gain.sem()
        paper = PUBLISHED[rival][1] - PUBLISHED[BEST][1]
        what = f"{PUBLISHED[BEST][0]}: points below {PUBLISHED[rival][0]}"
        ours = f"{plus_minus(mean, interval, 2)}, {len(gain)} pairs of runs"
        target = "above 0 by two standard errors"
        found.append(judged(what, f"{paper:.2f}", ours, target, bool(mean > interval)))
    return found


def seeds(errors: DataFrame) -> str:
    number = errors["seed"].nunique()
    return f"{number} seeds" if number > 1 else "one seed"
