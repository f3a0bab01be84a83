"""The pictures of a screen: a ranking about one outcome, or a map of all pairs."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from mine_cli.figures import style
from mine_cli.results.numbers import per_nat

__all__ = ["heat_map", "ranking"]

MOST_BARS, MOST_COLUMNS = 40, 60
NUMBERS_UP_TO = 12  # columns: more leave no room for numbers in a map
LONGEST = 32  # letters of a name
FOUND = 0.05  # q-value

Row = dict[str, str]


def ranking(folder: Path, units: str = "nats", given: str | None = None) -> Path | None:
    """Draws the largest estimates of screen.csv with their intervals; None without a number.

    Arguments:
        units: "nats" or "bits": the unit of display.
        given: the column given which they are.
    """
    rows = numbered(folder)[:MOST_BARS][::-1]
    if not rows:
        return None
    figure = style.paper(5.6, 1.2 + 0.22 * len(rows))
    axes, factor = figure.subplots(), per_nat(units)
    for place, row in enumerate(rows):
        value, low, high = (factor * float(row[key]) for key in ("estimate", "low", "high"))
        colour = style.BLUE if is_found(row) else style.GREY
        axes.barh(place, value, color=style.paler(colour), height=0.7)
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
        axes.plot(value, place, "o" if row["status"] == "ok" else "x", color=colour, markersize=4)
    several = len({row["z"] for row in rows}) > 1
    labels = [shortened(f"{r['x']}, {r['z']}" if several else r["x"]) for r in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=8)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.axvline(0, color=style.BLACK, linewidth=0.8)
    about = "" if several else f" about {shortened(rows[0]['z'])}"
    axes.set_xlabel(f"information{about}{beyond(given)} ({units})")
    style.quiet(axes)
    by_q = any(row["q_value"] for row in rows)
    found, chance = ("q at most 0.05", "above") if by_q else ("interval above 0", "not above")
    handles = [
        style.handle(found, marker="o", color=style.BLUE),
        style.handle(chance, marker="o", color=style.GREY),
        style.handle("status not ok", marker="x", color=style.BLACK),
    ]
    style.explain(figure, handles, 3)
    with style.every_letter():
        return style.save(figure, folder / "figures" / "screen.png")


def is_found(row: Row) -> bool:
    """Whether a pair shows something: by its q-value or, where it has none, by its interval."""
    return float(row["q_value"]) <= FOUND if row["q_value"] else float(row["low"]) > 0


def beyond(given: str | None) -> str:
    return f" beyond {shortened(given)}" if given else ""


def heat_map(folder: Path, units: str = "nats", given: str | None = None) -> Path | None:
    """Draws the estimates of all pairs in screen.csv, alike columns beside one another.

    Of more than sixty columns those with the largest estimates; None without a number. Arguments
    as of `ranking`.
    """
    rows = numbered(folder)
    names = [name for row in rows for name in (row["x"], row["z"])]
    names = [*dict.fromkeys(names)][:MOST_COLUMNS]
    if len(names) < 2:
        return None
    values = matrix(rows, names)
    order = arranged(values)
    names, values = [names[i] for i in order], values[np.ix_(order, order)] * per_nat(units)
    side = 2.6 + 0.19 * len(names)
    figure = style.paper(side + 0.8, side)
    figure.set_layout_engine("compressed")  # else long names are cut beside a square
    axes = figure.subplots()
    np.fill_diagonal(values, np.nan)
    image = axes.imshow(values, cmap="viridis", vmin=0.0)
    figure.colorbar(image, ax=axes, shrink=0.7, label=f"information{beyond(given)} ({units})")
    labels = [shortened(name) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), labels, fontsize=7)
    axes.spines[:].set_visible(False)
    if len(names) <= NUMBERS_UP_TO:
        write_numbers(axes, values)
    with style.every_letter():
        return style.save(figure, folder / "figures" / "screen.png")


def write_numbers(axes: Axes, values: np.ndarray) -> None:
    """Writes each number into its square."""
    bright = 0.6 * np.nanmax(values)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = style.BLACK if value > bright else "white"
            axes.text(j, i, f"{value:z.2f}", ha="center", va="center", fontsize=6.5, color=colour)


def matrix(rows: list[Row], names: list[str]) -> np.ndarray:
    """Returns the estimates of pairs of these columns in nats, symmetric; NaN for none."""
    place = {name: i for i, name in enumerate(names)}
    found = np.full((len(names), len(names)), np.nan)
    for row in rows:
        if row["x"] in place and row["z"] in place:
            i, j = place[row["x"]], place[row["z"]]
            found[i, j] = found[j, i] = float(row["estimate"])
    return found


def arranged(values: np.ndarray) -> list[int]:
    """Returns an order in which columns that tell of one another are neighbours.

    They are as near as 1 less the correlation of two normal variables that share as much.
    """
    nats = np.nan_to_num(values).clip(min=0)
    apart = 1 - np.sqrt(-np.expm1(-2 * nats))
    np.fill_diagonal(apart, 0)
    return leaves_list(linkage(squareform(apart), "average", optimal_ordering=True)).tolist()


def numbered(folder: Path) -> list[Row]:
    """Returns the rows of screen.csv that have a number, the largest first."""
    with (folder / "screen.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["estimate"]]


def shortened(name: str) -> str:
    half = LONGEST // 2
    return style.literal(
        name if len(name) <= LONGEST else f"{name[: half - 1]}...{name[-half + 2 :]}"
    )
