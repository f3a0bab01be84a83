"""Table 3: errors of classifiers with a bottleneck."""

from collections.abc import Mapping
from pathlib import Path

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
EPOCH = 600  # steps of all 60,000 images


def gather(folders: Mapping[str, Path]) -> Tables:
    """Test errors in per cent, a row for each method and seed, with the length of the training."""
    (folder,) = folders.values()
    found = results(folder, "steps")
    for key, name in {"error": "error_1", "error_averaged": "error_12"}.items():
        found[name] = 100 * found[f"metrics.{key}"]
    columns = ["method", "seed", "status", "steps", "error_1", "error_12"]
    return {"errors": found[columns].round(4)}


def draw(tables: Tables) -> Figure:
    """A line for each method: the published error, and ours with two standard errors."""
    errors = tables["errors"]
    methods = [method for method in PUBLISHED if method in set(errors["method"])]
    figure = style.paper(8.0, 1.6 + 0.36 * len(methods))
    axes = figure.add_subplot()
    places = range(len(methods))
    published = [PUBLISHED[method][1] for method in methods]
    axes.plot(
        published, places, "D", color=style.BLACK, markersize=5, label="published, 200 epochs"
    )
    looks = {
        "error_12": ("o", style.BLUE, -0.12, "probabilities of 12 samples averaged"),
        "error_1": ("s", style.ORANGE, 0.12, "one sample"),
    }
    for column, (marker, colour, aside, label) in looks.items():
        points = means(errors, ["method"], column).set_index("method").loc[methods]
        axes.errorbar(
            points["mean"], [place + aside for place in places],
            xerr=points["interval"].fillna(0.0), fmt=marker, color=colour, capsize=2.5,
            markersize=5, label=f"ours, {length(errors)}, {label}",
        )  # fmt: skip
    axes.set_yticks(places, [PUBLISHED[method][0] for method in methods])
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
    errors = tables["errors"]
    full = (errors["steps"] >= FULL_STEPS).all()
    points = means(errors, ["method"], "error_12").set_index("method")
    found = []
    for method, (name, published) in PUBLISHED.items():
        if method not in points.index:
            continue
        mean, interval = points.loc[method, "mean"], points.loc[method, "interval"]
        what, paper = f"{name}: error", f"{published:.2f} %"
        ours, target = f"{plus_minus(mean, interval, 2)} %", f"within {NEAR:.1f} points"
        if full:
            found.append(judged(what, paper, ours, target, abs(mean - published) <= NEAR))
        else:
            said = f"{length(errors)}: {ours}"
            found.append(Finding(what, paper, said, f"{target}, 200 epochs", SHORTENED))
    return found
