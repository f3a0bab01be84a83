"""Every picture, drawn from the files of a run and never from live objects; imports no torch."""

from mine_cli.figures.beta_sweep import plane_of_sweep
from mine_cli.figures.bottleneck import plane, robustness
from mine_cli.figures.bottleneck_learning import learning
from mine_cli.figures.compare import compare
from mine_cli.figures.curve import curve
from mine_cli.figures.gan import density, histogram, samples, training
from mine_cli.figures.methods import table
from mine_cli.figures.progress import progress
from mine_cli.figures.sweep import sweep

__all__ = [
    "compare", "curve", "density", "histogram", "learning", "plane", "plane_of_sweep",
    "progress", "robustness", "samples", "sweep", "table", "training",
]  # fmt: skip
