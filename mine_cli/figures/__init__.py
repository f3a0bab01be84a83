"""Every picture, drawn from the files of a run and never from live objects; imports no torch."""

from mine_cli.figures.ali.comparison import compare_autoencoders
from mine_cli.figures.ali.faithfulness import faithfulness
from mine_cli.figures.ali.pictures import embeddings, generated, reconstructions
from mine_cli.figures.curve import curve, scatter
from mine_cli.figures.gan.comparison import compare_generators
from mine_cli.figures.gan.histogram import histogram
from mine_cli.figures.gan.progress import progress
from mine_cli.figures.gan.samples import density, samples, training
from mine_cli.figures.infobottleneck.comparison import compare_methods
from mine_cli.figures.infobottleneck.information_plane import plane, plane_of_sweep
from mine_cli.figures.infobottleneck.learning import learning
from mine_cli.figures.infobottleneck.robustness import robustness
from mine_cli.figures.report.run import report_of_run
from mine_cli.figures.report.sweep import report_of_sweep
from mine_cli.figures.screen import heat_map, ranking
from mine_cli.figures.sweep.estimates import compare_jobs

__all__ = [
    "compare_autoencoders", "compare_generators", "compare_jobs", "compare_methods", "curve",
    "density", "embeddings", "faithfulness", "generated", "heat_map", "histogram", "learning",
    "plane", "plane_of_sweep", "progress", "ranking", "reconstructions", "report_of_run",
    "report_of_sweep",
    "robustness", "samples", "scatter", "training",
]  # fmt: skip
