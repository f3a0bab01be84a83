"""One picture of many `task=gan` runs: the arms' samples side by side, all scores together."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from mine_cli.errors import BadInput
from mine_cli.figures import style
from mine_cli.figures.gan.panels import bandwidth, draw_densities, draw_images, square
from mine_cli.figures.gan.progress import draw_floor, draw_whole
from mine_cli.figures.gan.run import GanRun, arm_name, score

__all__ = ["compare"]

# Settings of a data set that say where it lies or which draw of it was seen, not what it is.
PLACES = ("data_dir", "classifier", "seed")
OTHER_COLOURS = (style.GREEN, style.PINK, style.SKY, style.YELLOW, style.BLACK)

Arms = dict[float, list[GanRun]]


def compare(folders: Sequence[Path], path: Path) -> Path:
    """Draws the arms of a sweep in the same axes: samples of the first seeds, scores of all.

    Above: the data and the last samples of each beta's first seed, as densities or as grids of
    images. Below: KL and modes over the steps, a thin line for each seed and a thick one for the
    mean of those that ended well.

    Arguments:
        folders: Runs of `task=gan` on one data set; those that have not ended are left out.
        path: Where the PNG goes, such as compare.png in a sweep's folder.

    Raises:
        BadInput: no run with samples has ended, or not all were made on the same data.
    """
    runs = [GanRun.read(Path(folder)) for folder in folders]
    ended = [run for run in runs if run.result.get("status") not in (None, "running")]
    if not any(run.steps for run in ended):
        raise BadInput(f"compare: of {len(runs)} runs none has ended and kept samples; want one")
    refuse_strangers(ended)
    arms = arms_of(ended)
    panels = len(arms) + 1
    width = max(3.9 * panels + 0.6, 10.0)
    panel = width / panels - (0.0 if ended[0].images() else 0.4)  # less the ticks and the scale
    heights = [panel + 0.9, 3.6 + 0.2 * len(arms)]  # room for titles, for a legend
    figure = style.paper(width, sum(heights))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    draw_pictures(above, arms)
    draw_scores(below, arms)
    return style.save(figure, path, shared=True)


def refuse_strangers(runs: Sequence[GanRun]) -> None:
    """All runs are of this task and on the data of the first."""
    first, *others = runs
    for run in runs:
        if (task := run.result.get("task")) != "gan":
            raise BadInput(f"compare: {run.folder} is a run of task={task}; want task=gan")
    for run in others:
        ours, theirs = data_of(first), data_of(run)
        for key in ours | theirs:
            if ours.get(key) != theirs.get(key):
                raise BadInput(
                    f"compare: dataset.{key} is {theirs.get(key)} in {run.folder} and "
                    f"{ours.get(key)} in {first.folder}; want runs on the same data"
                )


def data_of(run: GanRun) -> dict[str, Any]:
    """The settings that decide what the data is."""
    settings = run.result.get("dataset") or {}
    return {key: value for key, value in settings.items() if key not in PLACES}


def arms_of(runs: Sequence[GanRun]) -> Arms:
    """The runs of each beta, ascending; in each the seeds, ascending."""
    ordered = sorted(runs, key=lambda run: (run.beta, run.result.get("seed") or 0))
    arms: Arms = {}
    for run in ordered:
        arms.setdefault(run.beta, []).append(run)
    return arms


def colours_of(arms: Arms) -> dict[float, str]:
    """The baseline's orange, blue for beta = 1 or else the first above 0, other colours on."""
    above = sorted(beta for beta in arms if beta)
    blue = 1.0 if 1.0 in above else next(iter(above), None)
    fixed, others = {0.0: style.ORANGE, blue: style.BLUE}, cycle(OTHER_COLOURS)
    return {beta: fixed[beta] if beta in fixed else next(others) for beta in arms}


def draw_pictures(figure: SubFigure, arms: Arms) -> None:
    """The data, then the first seed of each arm that kept samples, each under its scores."""
    shown = [run for runs in arms.values() if (run := next((r for r in runs if r.steps), None))]
    data = next((run.data for run in shown if run.data is not None), None)
    panels = figure.subplots(1, len(shown) + (data is not None), squeeze=False)[0]
    last = [run.at(run.steps[-1])["x"] for run in shown]
    pictures = last if data is None else [data, *last]
    if shown[0].images():
        for axes, images in zip(panels, pictures, strict=True):
            draw_images(axes, images, rows=8)
        style.apart(figure, 0.1)
        figure.suptitle("Samples at the last step, first seed of each arm", fontsize=12)
    else:
        limits = square(pictures[0])
        draw_densities(figure, panels, pictures, limits)
        kernel = f"Gaussian kernel of standard deviation {bandwidth(limits):g}"
        head = "Density of the points at the last step, first seed of each arm"
        figure.suptitle(f"{head} ({kernel})", fontsize=12)
    if data is not None:
        panels[0].set_title("data", loc="left", fontsize=10)
    for axes, run in zip(panels[data is not None :], shown, strict=True):
        title = f"{run.name}\n{run.scored(run.steps[-1])}"
        axes.set_title(title, loc="left", fontsize=9.5)


def draw_scores(figure: SubFigure, arms: Arms) -> None:
    """KL and modes over the steps, all runs in shared axes."""
    kl, modes = figure.subplots(1, 2)
    draw_arms(kl, arms, "kl")
    runs = [run for arm in arms.values() for run in arm]
    floors = [floor for run in runs if (floor := run.metric("kl_floor")) is not None]
    draw_floor(kl, max(floors, default=None))
    style.logarithmic(kl)
    kl.set_ylabel("KL of the mode histogram (nats)")
    kl.set_title("KL: lower is better", loc="left", fontsize=11)
    draw_arms(modes, arms, "modes")
    draw_whole(modes, max((run.modes for run in runs if run.modes), default=None))
    modes.set_ylabel("modes captured")
    modes.set_title("Modes: more is better", loc="left", fontsize=11)
    for axes in (kl, modes):
        style.quiet(axes)
        axes.set_xlabel("training step")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(
            frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1
        )


def draw_arms(axes: Axes, arms: Arms, key: str) -> None:
    """One score of all runs: thin lines for the seeds, a thick one for the mean of an arm."""
    for beta, colour in colours_of(arms).items():
        runs = arms[beta]
        for run in runs:
            axes.plot(*run.curve(f"gan/{key}"), color=colour, linewidth=0.8, alpha=0.5)
        steps, values = mean_curve([run for run in runs if end(run, key) is not None], key)
        label = f"{arm_name(beta)}: {mean_in_words(runs, key)}"
        axes.plot(steps, values, color=colour, linewidth=2.4, label=label)


def mean_curve(runs: Sequence[GanRun], key: str) -> tuple[list[int], list[float]]:
    """The mean over runs, at the steps that all of them logged."""
    curves = [dict(zip(*run.curve(f"gan/{key}"), strict=True)) for run in runs]
    steps = sorted(set.intersection(*map(set, curves))) if curves else []
    return steps, [fmean(curve[step] for curve in curves) for step in steps]


def end(run: GanRun, key: str) -> float | None:
    """The score that a run ended with; of one that diverged, none, whatever it had before."""
    return None if run.result.get("status") == "diverged" else run.metric(key)


def mean_in_words(runs: Sequence[GanRun], key: str) -> str:
    """How an arm ended, such as "mean 21.3 modes (20 to 23), 3 seeds, 1 more diverged"."""
    found = [value for run in runs if (value := end(run, key)) is not None]
    lost = [str(run.result.get("status")) for run in runs if end(run, key) is None]
    parts = []
    if found:
        low, high = in_words(min(found), key), in_words(max(found), key)
        unit = "KL {}" if key == "kl" else "{} modes"
        mean = unit.format(in_words(fmean(found), key))
        parts.append(mean if len(found) == 1 else f"mean {mean}")
        parts[0] += "" if low == high else f" ({low} to {high})"
        parts.append(f"{len(found)} seeds" if len(found) > 1 else "one seed")
    if lost:
        parts.append(f"{len(lost)}{' more' if found else ''} {' or '.join(sorted(set(lost)))}")
    return ", ".join(parts)


def in_words(value: float, key: str) -> str:
    """A KL in nats, or a number of modes with a decimal where it is a mean that has one."""
    return score(value) if key == "kl" else f"{round(value, 1):,.10g}"
