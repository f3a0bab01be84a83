"""What all pictures share: colours, quiet axes, the columns of metrics.csv, a whole PNG."""

import csv
import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from mine_cli.results.files import write_atomically

__all__ = [
    "BLACK", "BLUE", "ESTIMATORS", "GREEN", "GREY", "ORANGE", "PINK", "SKY", "TRUTH", "YELLOW",
    "apart", "column", "logarithmic", "paler", "panel", "paper", "quiet", "save", "whole",
]  # fmt: skip

# Okabe and Ito's colours, told apart by every kind of colour vision.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, YELLOW, GREY, BLACK = "#56B4E9", "#E69F00", "#6E6E6E", "#000000"

# What stands in several figures of the paper has one colour in all of them.
ESTIMATORS = {"mine": BLUE, "mine_f": ORANGE, "ksg": GREEN}
TRUTH = BLACK


def paper(width: float, height: float) -> Figure:
    """An empty figure, in inches, that keeps its parts apart."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def panel(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one panel, in inches, for pictures that are made by the hundred.

    Its margins are fixed: to find them by measuring every label takes longer than to draw.
    """
    figure = Figure(figsize=(width, height), dpi=150)
    left, bottom, right, top = 0.8 / width, 0.55 / height, 0.12 / width, 0.32 / height
    return figure, figure.add_axes((left, bottom, 1 - left - right, 1 - bottom - top))


def apart(figure: Figure | SubFigure, width: float, height: float | None = None) -> None:
    """More room about the panels of a figure, in inches."""
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(w_pad=width, h_pad=height)


def quiet(axes: Axes) -> None:
    """A faint grid and no frame at the top and on the right."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def paler(colour: str) -> tuple[float, ...]:
    """The same colour on two thirds of white, opaque."""
    return tuple(1 - 0.35 * (1 - part) for part in to_rgb(colour))


def whole(axes: Axes) -> None:
    """Whole numbers alone on the vertical axis, which counts something."""
    places = MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    axes.yaxis.set_major_locator(places)


def logarithmic(axes: Axes) -> None:
    """Makes the vertical axis logarithmic, with plain numbers on it; after all is drawn."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 4 * low:
        low, high = low / 2, high * 2
        axes.set_ylim(low, high)
    steps = (1.0, 2.0, 5.0) if high < 50 * low else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def column(metrics_csv: Path, tag: str) -> tuple[list[int], list[float]]:
    """The steps at which a metric was logged, and its values; none before the first row."""
    if not metrics_csv.exists():
        return [], []
    with metrics_csv.open(encoding="utf-8", newline="") as file:
        rows = [line for line in csv.DictReader(file) if line.get(tag)]
    return [int(line["step"]) for line in rows], [float(line[tag]) for line in rows]


def save(figure: Figure, path: Path, shared: bool = False) -> Path:
    """Writes a PNG, or an SVG that is the same at every writing; whole or not at all.

    Arguments:
        shared: as in `write_atomically`: of a sweep's picture, which each of its jobs draws.
    """
    buffer = io.BytesIO()
    if path.suffix == ".svg":
        with rc_context({"svg.hashsalt": "mine-run"}):
            FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    else:
        FigureCanvasAgg(figure).print_png(buffer)
    write_atomically(path, buffer.getvalue(), shared)
    return path
