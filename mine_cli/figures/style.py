"""What all pictures share: colours, quiet axes, the columns of metrics.csv, a whole PNG."""

import csv
import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mine_cli.files import write_atomically

__all__ = [
    "BLACK", "BLUE", "GREEN", "GREY", "ORANGE", "PINK", "SKY", "YELLOW",
    "column", "paper", "quiet", "save",
]  # fmt: skip

# Okabe and Ito's colours, told apart by every kind of colour vision.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, YELLOW, GREY, BLACK = "#56B4E9", "#E69F00", "#6E6E6E", "#000000"


def paper(width: float, height: float) -> Figure:
    """An empty figure, in inches, that keeps its parts apart."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def quiet(axes: Axes) -> None:
    """A faint grid and no frame at the top and on the right."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def column(metrics_csv: Path, tag: str) -> tuple[list[int], list[float]]:
    """The steps at which a metric was logged, and its values; none before the first row."""
    if not metrics_csv.exists():
        return [], []
    with metrics_csv.open(encoding="utf-8", newline="") as file:
        rows = [line for line in csv.DictReader(file) if line.get(tag)]
    return [int(line["step"]) for line in rows], [float(line[tag]) for line in rows]


def save(figure: Figure, path: Path) -> Path:
    """Writes a PNG, whole or not at all."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    write_atomically(path, buffer.getvalue())
    return path
