"""Every picture, drawn from the files of a run and never from live objects; imports no torch."""

from mine_cli.figures.compare import compare
from mine_cli.figures.curve import curve
from mine_cli.figures.gan import density, histogram, samples, training
from mine_cli.figures.progress import progress

__all__ = ["compare", "curve", "density", "histogram", "progress", "samples", "training"]
