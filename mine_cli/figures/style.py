"""What all pictures share: colours, quiet axes, lines of a legend, a whole PNG."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_rgb
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from mine_cli.results.files import write_atomically

__all__ = [
    "BLACK", "BLUE", "ESTIMATORS", "GREEN", "GREY", "ORANGE", "PINK", "SKY", "TRUTH", "YELLOW",
    "Looks", "every_letter", "explain", "handle", "literal", "logarithmic", "paler", "panel",
    "paper", "quiet", "save", "whole",
]  # fmt: skip

# Okabe and Ito's colours, told apart by every kind of colour vision.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, YELLOW, GREY, BLACK = "#56B4E9", "#E69F00", "#6E6E6E", "#000000"

# What stands in several figures of the paper has one colour in all of them.
ESTIMATORS = {"mine": BLUE, "mine_f": ORANGE, "ksg": GREEN}
TRUTH = BLACK

Looks = dict[str, Any]
"""How a line is drawn, in matplotlib's own words."""

# Fonts that have the letters which DejaVu lacks, of which a machine has some or none.
FALLBACK = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans", "Noto Sans Devanagari", "Noto Sans Thai",
    "WenQuanYi Zen Hei", "Hiragino Sans", "PingFang SC", "Yu Gothic", "Microsoft YaHei",
    "Malgun Gothic", "Arial Unicode MS", "Noto Emoji",
)  # fmt: skip


@contextmanager
def every_letter() -> Iterator[None]:
    """Lets text of every alphabet be drawn for which this machine has a font; boxes elsewhere."""
    there = {font.name for font in fontManager.ttflist}
    fonts = ["DejaVu Sans", *(name for name in FALLBACK if name in there)]
    with rc_context({"font.family": fonts}), catch_warnings():
        filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def literal(text: str) -> str:
    """Returns text that matplotlib shows as it stands: no dollar sign begins a formula."""
    return text.replace("$", r"\$")


def paper(
    width: float, height: float, apart: tuple[float | None, float | None] = (None, None)
) -> Figure:
    """Returns an empty figure, in inches, that keeps its parts apart.

    Arguments:
        apart: Room about its panels, to the sides and above, in inches; None for the usual.
    """
    layout = ConstrainedLayoutEngine(w_pad=apart[0], h_pad=apart[1])
    return Figure(figsize=(width, height), dpi=150, layout=layout)


def panel(width: float, height: float) -> tuple[Figure, Axes]:
    """Returns a figure of one panel, in inches, for pictures that are made by the hundred.

    Its margins are fixed: to find them by measuring every label takes longer than to draw.
    """
    figure = Figure(figsize=(width, height), dpi=150)
    left, bottom, right, top = 0.8 / width, 0.55 / height, 0.12 / width, 0.32 / height
    return figure, figure.add_axes((left, bottom, 1 - left - right, 1 - bottom - top))


def explain(figure: Figure, handles: Sequence[Artist | Container], columns: int = 2) -> None:
    """Puts a legend below the axes."""
    figure.legend(
        handles=handles, frameon=False, fontsize=8.5, loc="outside lower left", ncols=columns
    )


def quiet(axes: Axes) -> None:
    """Draws a faint grid, and no frame at the top and on the right."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def paler(colour: str) -> tuple[float, ...]:
    """Returns the same colour on two thirds of white, opaque."""
    return tuple(1 - 0.35 * (1 - part) for part in to_rgb(colour))


def whole(axis: Axis) -> None:
    """Puts whole numbers alone on an axis that counts something."""
    places = MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    axis.set_major_locator(places)


def logarithmic(axes: Axes, horizontal: bool = False, close: float = 50.0) -> None:
    """Makes an axis logarithmic, with plain numbers on it; after all is drawn.

    What is not above 0 is a gap in a line, and the end of a bar at the edge.

    Arguments:
        horizontal: Whether it is the horizontal axis.
        close: Ends in a smaller ratio have 2 and 5 named between the powers of ten.
    """
    axis = axes.xaxis if horizontal else axes.yaxis
    set_scale, set_limits = (
        (axes.set_xscale, axes.set_xlim) if horizontal else (axes.set_yscale, axes.set_ylim)
    )
    set_scale("log", nonpositive="clip" if axes.containers else "mask")
    low, high = axis.get_view_interval()
    if high < 4 * low:
        low, high = low / 2, high * 2
        set_limits(low, high)
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < close * low else (1.0,)))
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axis.set_minor_formatter(NullFormatter())


def handle(label: str, **looks: object) -> Line2D:
    """Returns a line of a legend: with the looks of a line of matplotlib, most often a marker."""
    every: Looks = {"linestyle": "None", "markersize": 5.5, **looks}
    return Line2D([], [], label=literal(label), **every)


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
