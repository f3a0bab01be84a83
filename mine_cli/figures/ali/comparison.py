"""One picture of many `task=ali` runs: the methods' reconstructions, samples and codes."""

from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.ali.pictures import draw_codes, draw_reconstructions
from mine_cli.figures.ali.run import NAMES, ALIRun
from mine_cli.figures.gan.panels import draw_images, draw_points, square
from mine_cli.figures.gan.run import percent, score
from mine_cli.figures.run import Arm, arms_of

__all__ = ["compare_autoencoders"]

ROWS = ("Reconstructions", "Samples", "Codes")
SIDE = 3.4  # of a panel, in inches


def compare_autoencoders(sweep: Path) -> Path | None:
    """Draws the methods of a sweep side by side, the first seed of each.

    A column a method; below one another reconstructions, samples and codes, the layout of figure 5
    of Mutual Information Neural Estimation (Belghazi et al., 2018). Above each column stand the
    means of its scores over all seeds.

    Arguments:
        sweep: Its folder; its runs of `task=ali` are all on one data set, and those that have not
            ended are left out.

    Returns:
        The path of `compare.png` in that folder; None where no run with samples has ended.
    """
    found = arms_of(sweep, "ali", ALIRun, lambda run: run.method)
    order = {name: place for place, name in enumerate(NAMES)}
    arms = [arm for arm in found if arm.runs[0].steps]
    arms.sort(key=lambda arm: order.get(arm.runs[0].method, len(order)))
    if not arms:
        return None
    figure = style.paper(SIDE * len(arms), SIDE * len(ROWS) + 0.9)
    panels = figure.subplots(len(ROWS), len(arms), squeeze=False)
    for column, arm in enumerate(arms):
        run = arm.runs[0]
        draw_reconstructions(panels[0, column], run)
        draw_samples(panels[1, column], run)
        draw_codes(panels[2, column], run)
        if legend := panels[2, column].get_legend():
            legend.remove()
        panels[0, column].set_title(in_words(arm), loc="left", fontsize=8.5)
        for row in (1, 2):
            panels[row, column].set_title(ROWS[row], loc="left", fontsize=8.5)
    figure.suptitle("Reconstructions, samples and codes, first seed of each method", fontsize=11)
    return style.save(figure, sweep / "compare.png", shared=True)


def draw_samples(axes: Axes, run: ALIRun) -> None:
    """The last samples."""
    x = run.last["x"]
    if run.images:
        draw_images(axes, x, rows=8)
    else:
        limits = square(x if run.data is None else run.data)
        draw_points(axes, x, run.data, limits, run.colour, size=3)


def in_words(arm: Arm[ALIRun]) -> str:
    """The method, and below it the means of its scores over seeds."""
    run, seeds = arm.runs[0], len(arm.runs)
    parts = []
    for key, said in (
        ("own_mode", lambda value: f"its own {percent(value)}"),
        ("reconstruction_error", lambda value: f"error {score(value)}"),
        ("modes", lambda value: f"{value:.3g} modes"),
        ("kl", lambda value: f"KL {score(value)}"),
    ):
        if values := arm.known(key):
            parts.append(said(fmean(values)))
    name = NAMES.get(run.method, run.method)
    many = "one seed" if seeds == 1 else f"means of {seeds} seeds"
    halves = [", ".join(parts[:2]), ", ".join(parts[2:])]
    return "\n".join([f"{name}, {many}", *filter(None, halves), ROWS[0]])
