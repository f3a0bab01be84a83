"""One picture of many `task=gan` runs: the arms' samples side by side, all scores together."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from mine_cli.figures import style
from mine_cli.figures.gan.panels import draw_densities, draw_images, square
from mine_cli.figures.gan.progress import draw_floor, draw_whole
from mine_cli.figures.gan.run import GanRun, arm_name, score
from mine_cli.figures.run import Arm, arms_of

__all__ = ["compare_generators"]

OTHER_COLOURS = (style.GREEN, style.PINK, style.SKY, style.YELLOW, style.BLACK)

Arms = Mapping[float, Arm[GanRun]]  # by beta


def compare_generators(sweep: Path) -> Path | None:
    """Draws the arms of a sweep in the same axes: samples of the first seeds, scores of all.

    Above: the data and the last samples of each beta's first seed, as densities or as grids of
    images. Below: KL and modes over the steps, a thin line for each seed and a thick one for the
    mean of those that ended well.

    Arguments:
        sweep: Its folder; its runs of `task=gan` are all on one data set, and those that have not
            ended are left out.

    Returns:
        The path of `compare.png` in that folder; None where no run with samples has ended.
    """
    found = arms_of(sweep, "gan", GanRun, lambda run: run.beta)
    arms = {arm.runs[0].beta: arm for arm in sorted(found, key=lambda arm: arm.runs[0].beta)}
    sampled = [[run for run in arm.runs if run.steps] for arm in arms.values()]
    shown = [runs[0] for runs in sampled if runs]
    if not shown:
        return None
    panels = len(arms) + 1
    width = max(3.9 * panels + 0.6, 10.0)
    panel = width / panels - (0.0 if shown[0].images() else 0.4)  # less the ticks and the scale
    heights = [panel + 0.9, 3.6 + 0.2 * len(arms)]  # room for titles, for a legend
    figure = style.paper(width, sum(heights), (0.1 if shown[0].images() else None, None))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    draw_pictures(above, shown)
    draw_scores(below, arms)
    return style.save(figure, sweep / "compare.png", shared=True)


def colours_of(betas: Sequence[float]) -> dict[float, str]:
    """The baseline's orange, blue for beta = 1 or else the first above 0, other colours on."""
    above = sorted(beta for beta in betas if beta)
    blue = 1.0 if 1.0 in above else next(iter(above), None)
    fixed, others = {0.0: style.ORANGE, blue: style.BLUE}, cycle(OTHER_COLOURS)
    return {beta: fixed[beta] if beta in fixed else next(others) for beta in betas}


def draw_pictures(figure: SubFigure, shown: Sequence[GanRun]) -> None:
    """The data, then the last samples of these runs, each under its scores."""
    data = next((run.data for run in shown if run.data is not None), None)
    panels = figure.subplots(1, len(shown) + (data is not None), squeeze=False)[0]
    pictures = [run.at(run.steps[-1])["x"] for run in shown]
    if data is not None:
        pictures = [data, *pictures]
        panels[0].set_title("data", loc="left", fontsize=10)
    if shown[0].images():
        head = "Samples at the last step, first seed of each arm"
        for axes, images in zip(panels, pictures, strict=True):
            draw_images(axes, images, rows=8)
    else:
        kernel = draw_densities(figure, panels, pictures, square(pictures[0]))
        head = f"Density of the points at the last step, first seed of each arm ({kernel})"
    figure.suptitle(head, fontsize=12)
    for axes, run in zip(panels[data is not None :], shown, strict=True):
        axes.set_title(f"{run.name}\n{run.scored(run.steps[-1])}", loc="left", fontsize=9.5)


def draw_scores(figure: SubFigure, arms: Arms) -> None:
    """KL and modes over the steps, all runs in shared axes."""
    kl, modes = figure.subplots(1, 2)
    draw_arms(kl, arms, "kl")
    floors = [floor for arm in arms.values() for floor in arm.known("kl_floor")]
    draw_floor(kl, max(floors, default=None))
    style.logarithmic(kl)
    kl.set_ylabel("KL of the mode histogram (nats)")
    kl.set_title("KL: lower is better", loc="left", fontsize=11)
    draw_arms(modes, arms, "modes")
    there = [run.modes for arm in arms.values() for run in arm.runs if run.modes]
    draw_whole(modes, max(there, default=None))
    modes.set_ylabel("modes captured")
    modes.set_title("Modes: more is better", loc="left", fontsize=11)
    for axes in (kl, modes):
        style.quiet(axes)
        axes.set_xlabel("training step")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def draw_arms(axes: Axes, arms: Arms, key: str) -> None:
    """One score of all runs: thin lines for the seeds, a thick one for the mean of an arm."""
    for beta, colour in colours_of([*arms]).items():
        arm, tag = arms[beta], f"gan/{key}"
        for run in arm.runs:
            axes.plot(*run.curve(tag), color=colour, linewidth=0.8, alpha=0.5)
        # The mean of those that ended well, at the steps that all of them logged.
        curves = [dict(zip(*run.curve(tag), strict=True)) for run in ended(arm, key)]
        steps = sorted(set.intersection(*map(set, curves))) if curves else []
        means = [fmean(curve[step] for curve in curves) for step in steps]
        label = f"{arm_name(beta)}: {mean_in_words(arm, key)}"
        axes.plot(steps, means, color=colour, linewidth=2.4, label=label)


def ended(arm: Arm[GanRun], key: str) -> list[GanRun]:
    """The runs that ended with a score; one that diverged did not, whatever it had before."""
    return [run for run in arm.runs if run.status != "diverged" and run.metric(key) is not None]


def mean_in_words(arm: Arm[GanRun], key: str) -> str:
    """How an arm ended, such as "mean 21.3 modes (20 to 23), 3 seeds, 1 more diverged"."""
    found, mean = arm.known(key), arm.mean(key)
    lost = [str(run.status) for run in arm.runs if run not in ended(arm, key)]
    parts = []
    if mean is not None:
        low, high = in_words(min(found), key), in_words(max(found), key)
        unit = "KL {}" if key == "kl" else "{} modes"
        said = unit.format(in_words(mean, key))
        parts.append(said if len(found) == 1 else f"mean {said}")
        parts[0] += "" if low == high else f" ({low} to {high})"
        parts.append(f"{len(found)} seeds" if len(found) > 1 else "one seed")
    if lost:
        parts.append(f"{len(lost)}{' more' if found else ''} {' or '.join(sorted(set(lost)))}")
    return ", ".join(parts)


def in_words(value: float, key: str) -> str:
    """A KL in nats, or a number of modes with a decimal where it is a mean that has one."""
    return score(value) if key == "kl" else f"{round(value, 1):,.10g}"
