"""Figure 2: whether the information of Y = f(X) + noise depends on the noise alone."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from findings import MISSED, Finding, judged, means
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pandas import DataFrame
from plan import Tables
from sweeps import results

from mine_cli.figures import style

__all__ = ["draw", "gather", "judge"]

FUNCTIONS = {"x": "x", "cube": "x³", "sin": "sin x"}
DIM = 2
LEAST_NOISE = 0.1


def gather(folders: Mapping[str, Path]) -> Tables:
    """All estimates, a row for each function, noise level and seed."""
    (folder,) = folders.values()
    found = results(folder).rename(columns={"dataset.f": "f", "dataset.sigma": "sigma"})
    columns = ["f", "sigma", "seed", "status", "estimate", "standard_error", "true_mi"]
    return {"estimates": found[columns]}


def draw(tables: Tables) -> Figure:
    """Two heat maps, per dimension, one row for each function: MINE, and the exact values,
    infinite at 0."""
    found = means(tables["estimates"], ["f", "sigma", "true_mi"], "estimate")
    found[["mean", "true_mi"]] /= DIM
    sigmas = sorted(found["sigma"].unique())
    figure = style.paper(9.6, 4.8)
    top = max(found["mean"].max(), found["true_mi"].max())
    for axes, (column, title) in zip(
        figure.subplots(2, 1), {"mean": "MINE", "true_mi": "exact"}.items(), strict=True
    ):
        cells = found.pivot(index="f", columns="sigma", values=column).reindex(list(FUNCTIONS))
        image = draw_heat(axes, cells, top)
        axes.set_xticks(range(len(sigmas) + 1), ["0", *(f"{sigma:g}" for sigma in sigmas)])
        axes.set_yticks(range(len(FUNCTIONS)), list(FUNCTIONS.values()))
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    axes.set_xlabel("standard deviation of the noise")
    figure.colorbar(image, ax=figure.axes, label="nats per dimension", pad=0.01, aspect=30)
    return figure


def draw_heat(axes: Axes, cells: DataFrame, top: float) -> object:
    """One heat map with its numbers; the first column, without noise, is infinite."""
    padded = pd.concat([pd.DataFrame({0.0: math.nan}, index=cells.index), cells], axis=1)
    image = axes.imshow(padded.to_numpy(), cmap="Blues", vmin=0, vmax=top, aspect="auto")
    for row, values in enumerate(padded.to_numpy()):
        axes.add_patch(
            Rectangle(
                (-0.5, row - 0.5), 1, 1, fill=False, hatch="////", edgecolor=style.GREY, lw=0
            )
        )
        for column, value in enumerate(values):
            text = "∞" if column == 0 else f"{value:.2f}"
            dark = column > 0 and value > 0.55 * top
            size = 13 if column == 0 else 8.5
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5} if column == 0 else None
            axes.text(
                column, row, text, ha="center", va="center", fontsize=size, bbox=box,
                color="white" if dark else "black",
            )  # fmt: skip
    return image


def of_the_hardest(found: DataFrame) -> list[Finding]:
    """What is read of x³ at the least noise, whose flat middle hides steep edges."""
    cell = found[(found["f"] == "cube") & (found["sigma"] == LEAST_NOISE)]
    if cell.empty:  # a smoke run
        return []
    mine, exact = (float(cell[column].iloc[0]) / DIM for column in ("mean", "true_mi"))
    return [
        judged(
            f"x³ at noise {LEAST_NOISE}, nats a dimension",
            "",
            f"{mine:.3f} of {exact:.3f}",
            "at least 1.20",
            mine >= 1.20,
        )
    ]


def judge(tables: Tables) -> list[Finding]:
    """MINE against the exact values; and the claim itself."""
    found = means(tables["estimates"], ["f", "sigma", "true_mi"], "estimate")
    errors = (found["mean"] - found["true_mi"]).abs() / DIM
    spread = found.groupby("sigma").agg({"mean": ["min", "max"], "true_mi": ["min", "max"]})
    worst = ((spread["true_mi"]["max"] - spread["true_mi"]["min"]) / DIM).idxmax()
    ours, exact = (
        (spread.loc[worst, (column, "max")] - spread.loc[worst, (column, "min")]) / DIM
        for column in ("mean", "true_mi")
    )
    return [
        judged(
            "mean absolute error of MINE over all cells with noise, per dimension",
            "",
            f"{errors.mean():.4f} nats; the largest {errors.max():.4f}",
            "at most 0.01 nats",
            errors.mean() <= 0.01,
        ),
        *of_the_hardest(found),
        Finding(
            "information depends on the noise, not on f (equitability)",
            "yes",
            f"only roughly: at noise {worst:g} the functions differ by {ours:.3f} nats a "
            f"dimension (exact: {exact:.3f})",
            "",
            MISSED,
        ),
    ]
