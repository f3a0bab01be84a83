"""Figures 3 and 4 and table 1: generators without and with the information in their code."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from findings import SHORTENED, Finding, judged, means, plus_minus
from matplotlib.figure import Figure
from pandas import DataFrame
from plan import Tables
from sweeps import results

from mine_cli.figures import style
from mine_cli.figures.gan.panels import draw_densities, draw_points, square
from mine_cli.figures.gan.run import GanRun, arm_name

__all__ = [
    "DECIMALS",
    "both",
    "colour",
    "draw_gaussians",
    "draw_spiral",
    "draw_stacks",
    "gain",
    "gather_gaussians",
    "gather_points",
    "gather_stacks",
    "judge_gaussians",
    "judge_spiral",
    "judge_stacks",
    "points",
]

DECIMALS = 3  # of the points in the record: a fiftieth of a mode's width
SHOWN_STEPS = (1000, 3000)  # of the paper's figure 3, beside the last
SETTINGS = {"paper": "the paper's setting", "tuned": "with a penalty on the slope"}
MORE, LESS = (f"{word} than without by two standard errors" for word in ("more", "less"))
FULL_STEPS, FULL_CHANNELS = 100_000, 512  # of table 1
PUBLISHED = {
    "DCGAN": (99.0, 3.40), "ALI": (16.0, 5.40), "Unrolled GAN": (48.7, 4.32),
    "VEEGAN": (150.0, 2.95), "PacGAN": (1000.0, 0.06), "GAN + MINE": (1000.0, 0.05),
}  # fmt: skip
"""Table 1 of the paper: modes and KL, the first five copied there from VEEGAN's and PacGAN's."""


# Points in the plane


def gather_gaussians(folders: Mapping[str, Path]) -> Tables:
    """As `gather_points`, with the last points alone."""
    return gather_points(folders, ())


def gather_points(folders: Mapping[str, Path], steps: Sequence[int] = SHOWN_STEPS) -> Tables:
    """Scores of all runs, and the points that each arm's first seed drew in each setting.

    Arguments:
        steps: at which, beside the last.
    """
    scores = [scored(folder, name) for name, folder in folders.items()]
    found: list[DataFrame] = []
    for name, folder in folders.items():
        runs = [GanRun.read(folder / str(run)) for run in results(folder)["folder"]]
        for run in {run.beta: run for run in reversed(runs)}.values():
            shown = dict.fromkeys([*(s for s in steps if s in run.steps), run.steps[-1]])
            found += [points(run.at(step)["x"], name, run.beta, step) for step in shown]
    data = runs[0].data
    assert data is not None
    return {
        "scores": pd.concat(scores),
        "points": pd.concat(found, ignore_index=True),
        "data": pd.DataFrame(data.round(DECIMALS), columns=["x", "y"]),
    }


def scored(folder: Path, setting: str) -> DataFrame:
    """Modes, KL and high-quality share of each run of a sweep, and its length."""
    found = results(folder, "steps")
    names = {f"metrics.{key}": key for key in ("modes", "kl", "high_quality", "kl_floor")}
    found = found.rename(columns={"task.beta": "beta", "task.clip": "clip", **names})
    keys = [key for key in ("beta", "clip") if key in found]
    there = [key for key in names.values() if key in found]
    return found[[*keys, "seed", "status", "steps", *there]].assign(setting=setting)


def points(x: Any, setting: str, beta: float, step: int) -> DataFrame:
    found = pd.DataFrame(x.round(DECIMALS), columns=["x", "y"])
    return found.assign(setting=setting, beta=beta, step=step)


def colour(beta: float) -> str:
    return style.BLUE if beta else style.ORANGE


def draw_spiral(tables: Tables) -> Figure:
    """Scatters of both arms over the data, a row for each, at three moments of the training."""
    data, drawn = tables["data"].to_numpy(), tables["points"]
    arms = sorted(drawn["beta"].unique())
    steps = sorted(drawn["step"].unique())
    figure = style.paper(3.1 * len(steps) + 0.3, 3.3 * len(arms) + 0.5)
    grid = figure.subplots(len(arms), len(steps), squeeze=False)
    for row, beta in zip(grid, arms, strict=True):
        for axes, step in zip(row, steps, strict=True):
            x = drawn[(drawn["beta"] == beta) & (drawn["step"] == step)][["x", "y"]].to_numpy()
            draw_points(axes, x, data, square(data), colour(beta), size=3)
            axes.set_title(f"{arm_name(beta)}, step {step:,}", loc="left", fontsize=9)
            axes.collections[0].set_rasterized(True)
            axes.collections[1].set_rasterized(True)
    return figure


def draw_gaussians(tables: Tables) -> Figure:
    """Kernel density estimates of the data and of both arms at the last step, a row a setting."""
    data, drawn = tables["data"].to_numpy(), tables["points"]
    settings = drawn["setting"].unique()
    figure = style.paper(11.9, 4.0 * len(settings))
    figure.set_dpi(78)  # densities are smooth, and large as files
    rows = figure.subfigures(len(settings), 1, squeeze=False)[:, 0]
    for part, setting in zip(rows, settings, strict=True):
        last = drawn[drawn["setting"] == setting]
        arms = sorted(last["beta"].unique())
        pictures = [data, *(last[last["beta"] == beta][["x", "y"]].to_numpy() for beta in arms)]
        panels = part.subplots(1, len(pictures), sharey=True)
        draw_densities(part, panels, pictures, square(data))
        for axes, title in zip(panels, ["data", *map(arm_name, arms)], strict=True):
            axes.set_title(title, loc="left", fontsize=10)
        panels[0].set_ylabel(SETTINGS[setting], fontsize=10)
    return figure


def arms_of(scores: DataFrame, setting: str) -> tuple[DataFrame, DataFrame]:
    """The runs of one setting without and with the information."""
    chosen = scores[scores["setting"] == setting]
    return chosen[chosen["beta"] == 0], chosen[chosen["beta"] > 0]


def mean_of(runs: DataFrame, column: str, digits: int) -> str:
    found = means(runs, ["setting"], column).iloc[0]
    return plus_minus(found["mean"], found["interval"], digits)


def both(with_it: DataFrame, without: DataFrame, column: str, digits: int) -> str:
    """The means of both arms."""
    return f"{mean_of(with_it, column, digits)} with, {mean_of(without, column, digits)} without"


def gain(with_it: DataFrame, without: DataFrame, column: str) -> tuple[float, float]:
    """How much more there is with the information, and two standard errors of that difference
    (0 where one seed tells none)."""
    difference = with_it[column].mean() - without[column].mean()
    variance = with_it[column].sem() ** 2 + without[column].sem() ** 2
    return difference, 0.0 if math.isnan(variance) else 2 * math.sqrt(variance)


def judge_spiral(tables: Tables) -> list[Finding]:
    """Whether the information covers the whole spiral, and more of it than without."""
    without, with_it = arms_of(tables["scores"], "spiral")
    modes, kl = both(with_it, without, "modes", 0), both(with_it, without, "kl", 3)
    (more, error), (kl_more, kl_error) = (gain(with_it, without, key) for key in ("modes", "kl"))
    return [
        judged(
            "stretches of the spiral that are covered, of 100",
            "GAN + MINE covers it, GAN does not", modes, f"at least 95, and {MORE}",
            with_it["modes"].mean() >= 95 and more > error,
        ),
        judged("KL of the stretches, nats", "", kl, LESS, -kl_more > kl_error),
    ]  # fmt: skip


def judge_gaussians(tables: Tables) -> list[Finding]:
    """Modes, KL and quality in the paper's setting and in the one found best for both arms."""
    found = []
    for setting in tables["scores"]["setting"].unique():
        without, with_it = arms_of(tables["scores"], setting)
        name, pair = SETTINGS[setting], (with_it, without)
        fewer, kl_error = gain(without, with_it, "kl")
        sharp = with_it["high_quality"].mean() >= without["high_quality"].mean()
        all_modes = with_it["modes"].mean() >= 24.5
        even = with_it["kl"].mean() <= 0.05 and fewer > kl_error
        found += [
            judged(
                f"{name}: modes of 25", "GAN + MINE finds all, GAN does not",
                both(*pair, "modes", 1), "at least 24.5", all_modes,
            ),
            judged(
                f"{name}: KL, nats", "", both(*pair, "kl", 4), f"at most 0.05, and {LESS}", even
            ),
            judged(
                f"{name}: share of samples within 3 sigma of a mode", "",
                both(*pair, "high_quality", 2), "not less than without", sharp,
            ),
        ]  # fmt: skip
    return found


# Stacked digits


def gather_stacks(folders: Mapping[str, Path]) -> Tables:
    """Scores of all runs."""
    (folder,) = folders.values()
    generators = results(folder, "generator")["generator"]
    widest = [generator["channels"][0] for generator in generators]
    return {"scores": scored(folder, "stacks").assign(channels=widest)}


def draw_stacks(tables: Tables) -> Figure:
    """Modes and KL, the published rows above ours."""
    scores = tables["scores"]
    figure = style.paper(9.6, 4.0)
    panels = figure.subplots(1, 2, sharey=True)
    arms = sorted(scores["beta"].unique())
    length = f"ours, {scores['steps'].max():,} steps"
    names = [*PUBLISHED, *(f"{length}, {arm_name(beta)}" for beta in arms)]
    for axes, key, which in zip(panels, ("modes", "kl"), (0, 1), strict=True):
        published = [row[which] for row in PUBLISHED.values()]
        axes.plot(published, range(len(published)), "D", color=style.BLACK, label="published")
        for place, beta in enumerate(arms, len(published)):
            draw_arm(axes, scores[scores["beta"] == beta], key, place, colour(beta))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axes.set_yticks(range(len(names)), names)
        style.quiet(axes)
    panels[0].invert_yaxis()
    panels[0].set_xlabel("modes of 1,000")
    panels[1].set_xlabel("KL to the uniform law (nats)")
    return figure


def draw_arm(axes: Any, runs: DataFrame, key: str, place: int, paint: str) -> None:
    """The mean of an arm with two standard errors over seeds."""
    point = means(runs, ["setting"], key).iloc[0]
    spread = 0.0 if pd.isna(point["interval"]) else point["interval"]
    axes.errorbar([point["mean"]], [place], xerr=[spread], color=paint, marker="o", capsize=3)


def judge_stacks(tables: Tables) -> list[Finding]:
    """Against table 1 where the protocol is the paper's; else what a small one gave."""
    scores = tables["scores"]
    without, with_it = arms_of(scores, "stacks")
    steps, channels = scores["steps"].min(), scores["channels"].min()
    full = steps >= FULL_STEPS and channels >= FULL_CHANNELS
    said = f"{steps:,} of {FULL_STEPS:,} iterations"
    if channels < FULL_CHANNELS:
        said += f" at {channels} of {FULL_CHANNELS} channels"
    rows: Sequence[tuple[str, str, str, int, bool]] = (
        ("modes", "modes of 1,000", "1000 (DCGAN: 99)", 0, with_it["modes"].mean() >= 999.5),
        (
            "kl",
            "KL to the uniform law, nats",
            "0.05 (DCGAN: 3.40)",
            3,
            with_it["kl"].mean() <= 0.05,
        ),
    )
    targets = {"modes": "1000", "kl": "at most 0.05"}
    found = []
    for key, what, paper, digits, met in rows:
        ours = both(with_it, without, key, digits)
        if full:
            found.append(judged(what, paper, ours, targets[key], met))
        else:
            found.append(
                Finding(what, paper, f"{said}: {ours}", targets[key] + ", at full size", SHORTENED)
            )
    return found
