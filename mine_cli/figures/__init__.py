"""Every picture, drawn from the files of a run and never from live objects; imports no torch."""

from mine_cli.figures.curve import curve
from mine_cli.figures.gan.compare import compare
from mine_cli.figures.gan.progress import progress
from mine_cli.figures.gan.samples import density, histogram, samples, training
from mine_cli.figures.infobottleneck.beta_sweep import plane_of_sweep
from mine_cli.figures.infobottleneck.learning import learning
from mine_cli.figures.infobottleneck.methods import table
from mine_cli.figures.infobottleneck.plane import plane, robustness
from mine_cli.figures.sweep.estimates import sweep

__all__ = [
    "compare", "curve", "density", "histogram", "learning", "plane", "plane_of_sweep",
    "progress", "robustness", "samples", "sweep", "table", "training",
]  # fmt: skip
