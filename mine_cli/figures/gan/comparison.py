"""One picture of many `task=gan` runs: the arms' samples side by side, all scores together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, zip_longest
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from mine_cli.figures import style
from mine_cli.figures.gan.panels import draw_densities, draw_images, draw_points, square
from mine_cli.figures.gan.progress import draw_floor, draw_whole
from mine_cli.figures.gan.run import GanRun, arm_name, percent, score
from mine_cli.figures.gan.samples import spread
from mine_cli.figures.run import Arm, arms_of

__all__ = ["compare_generators"]

MOMENTS = 6  # of a strip of samples
OTHER_COLOURS = (style.GREEN, style.PINK, style.SKY, style.YELLOW, style.BLACK)

Arms = Mapping[float, Arm[GanRun]]  # by beta


def compare_generators(sweep: Path) -> Path | None:
    """Draws the arms of a sweep in the same axes: samples of the first seeds, scores of all.

    Above: the data and the last samples of each beta's first seed, as densities or as grids of
    images; below these a strip of its samples during the training. Then modes, KL, high quality
    and the estimate over the steps, a thin line for each seed and a thick one for the mean of
    those that ended well.

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
    images = shown[0].images()
    panels = len(arms) + 1
    width = max(3.9 * panels + 0.6, 10.0)
    panel = width / panels - (0.0 if images else 0.4)  # less the ticks and the scale
    logged = [part for part in PANELS if any(part.logged_by(arm) for arm in arms.values())]
    rows = -(-len(logged) // 2)
    heights = [  # room for titles, for legends
        panel + 0.9, (width / MOMENTS + 0.35) * len(shown), rows * (3.2 + 0.2 * len(arms))
    ]  # fmt: skip
    if not logged:
        heights.pop()
    figure = style.paper(width, sum(heights), (0.1 if images else None, None))
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    draw_pictures(parts[0], shown)
    draw_strip(parts[1], shown)
    if logged:
        draw_scores(parts[2], arms, logged)
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


def draw_strip(figure: SubFigure, shown: Sequence[GanRun]) -> None:
    """A row of samples for each run, at moments from the start of its training to its end."""
    rows = figure.subplots(len(shown), MOMENTS, squeeze=False)
    for row, run in zip(rows, shown, strict=True):
        framed = run.at(run.steps[-1])["x"] if run.data is None else run.data
        for axes, step in zip_longest(row, spread(run.steps, MOMENTS)):
            axes.set_axis_off()
            if step is None:
                continue
            x = run.at(step)["x"]
            if run.images():
                draw_images(axes, x, rows=4)
            else:
                draw_points(axes, x, run.data, square(framed), colour_of(run, shown), size=1)
            head = f"{run.name}\n" if axes is row[0] else ""
            axes.set_title(f"{head}step {step:,}", loc="left", fontsize=8.5)


def colour_of(run: GanRun, shown: Sequence[GanRun]) -> str:
    return colours_of([other.beta for other in shown])[run.beta]


def draw_scores(figure: SubFigure, arms: Arms, panels: Sequence["Score"]) -> None:
    """Each score over the steps, all runs in shared axes."""
    grid = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).flatten()
    for axes, panel in zip_longest(grid, panels):
        if panel is None:
            axes.set_axis_off()
            continue
        draw_arms(axes, arms, panel)
        panel.finish(axes, arms)
        axes.set_title(panel.title, loc="left", fontsize=11)
        style.quiet(axes)
        axes.set_xlabel("training step")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def finish_modes(axes: Axes, arms: Arms) -> None:
    there = [run.modes for arm in arms.values() for run in arm.runs if run.modes]
    draw_whole(axes, max(there, default=None))
    axes.set_ylabel("modes captured")


def finish_kl(axes: Axes, arms: Arms) -> None:
    floors = [floor for arm in arms.values() for floor in arm.known("kl_floor")]
    draw_floor(axes, max(floors, default=None))
    style.logarithmic(axes)
    axes.set_ylabel("KL of the mode histogram (nats)")


def finish_quality(axes: Axes, arms: Arms) -> None:
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes.set_ylabel("samples at a mode")


def finish_estimate(axes: Axes, arms: Arms) -> None:
    axes.set_ylabel("bound (nats)")


@dataclass(frozen=True)
class Score:
    """One panel of scores.

    Arguments:
        tag: of metrics.csv.
        title: of the panel.
        finish: scales and levels, once the curves are drawn.
        said: a value in words.
    """

    tag: str
    title: str
    finish: Callable[[Axes, Arms], None]
    said: Callable[[float], str] | None = None

    @property
    def key(self) -> str:
        """Its name in the metrics of a result."""
        return self.tag.rpartition("/")[2]

    def logged_by(self, arm: Arm[GanRun]) -> bool:
        return any(run.curve(self.tag)[0] for run in arm.runs)


PANELS = (
    Score(
        "gan/modes", "Modes: more is better", finish_modes,
        lambda value: f"{round(value, 1):,.10g} modes",
    ),
    Score("gan/kl", "KL: lower is better", finish_kl, lambda value: f"KL {score(value)}"),
    Score("gan/high_quality", "High quality: more is better", finish_quality, percent),
    Score("mi/estimate", "Estimate of I(samples; code): a diagnostic", finish_estimate),
)  # fmt: skip


def draw_arms(axes: Axes, arms: Arms, panel: Score) -> None:
    """One score of all runs: thin lines for the seeds, a thick one for the mean of an arm."""
    for beta, colour in colours_of([*arms]).items():
        arm = arms[beta]
        if not panel.logged_by(arm):
            continue
        for run in arm.runs:
            axes.plot(*run.curve(panel.tag), color=colour, linewidth=0.8, alpha=0.5)
        # The mean of those that ended well, at the steps that all of them logged.
        well = ended(arm, panel.key) if panel.said else arm.runs
        curves = [dict(zip(*run.curve(panel.tag), strict=True)) for run in well]
        steps = sorted(set.intersection(*map(set, curves))) if curves else []
        means = [fmean(curve[step] for curve in curves) for step in steps]
        label = ": ".join(filter(None, [arm_name(beta), mean_in_words(arm, panel)]))
        axes.plot(steps, means, color=colour, linewidth=2.4, label=label)


def ended(arm: Arm[GanRun], key: str) -> list[GanRun]:
    """The runs that ended with a score; one that diverged did not, whatever it had before."""
    return [run for run in arm.runs if run.status != "diverged" and run.metric(key) is not None]


def mean_in_words(arm: Arm[GanRun], panel: Score) -> str:
    """How an arm ended, such as "mean 21.3 modes (20 to 23), 3 seeds, 1 more diverged"."""
    if panel.said is None:
        return ""
    found, mean = arm.known(panel.key), arm.mean(panel.key)
    lost = [str(run.status) for run in arm.runs if run not in ended(arm, panel.key)]
    parts = []
    if mean is not None:
        low, high = (bare(panel.said(end)) for end in (min(found), max(found)))
        said = panel.said(mean)
        parts.append(said if len(found) == 1 else f"mean {said}")
        parts[0] += "" if low == high else f" ({low} to {high})"
        parts.append(f"{len(found)} seeds" if len(found) > 1 else "one seed")
    if lost:
        parts.append(f"{len(lost)}{' more' if found else ''} {' or '.join(sorted(set(lost)))}")
    return ", ".join(parts)


def bare(said: str) -> str:
    """A value in words without what it is a value of."""
    return said.removeprefix("KL ").removesuffix(" modes")
