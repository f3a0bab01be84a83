"""Figures 3 and 4 and table 1: generators without and with the information in their code."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from findings import NOT_RUN, Finding, judged, means, plus_minus
from matplotlib.figure import Figure
from pandas import DataFrame
from plan import Tables
from sweeps import results

from mine_cli.figures import style
from mine_cli.figures.gan_run import GanRun, arm_name
from mine_cli.figures.panels import draw_densities, draw_points, square

__all__ = [
    "draw_gaussians",
    "draw_spiral",
    "draw_stacks",
    "gather_points",
    "gather_stacks",
    "judge_gaussians",
    "judge_spiral",
    "judge_stacks",
]

DECIMALS = 3  # of the points in the record: a fiftieth of a mode's width
SHOWN_STEPS = (1000, 3000)  # of the paper's figure 3, beside the last
FULL_STEPS = 100_000  # of table 1, and the samples that are judged
PUBLISHED = {
    "DCGAN": (99.0, 3.40), "ALI": (16.0, 5.40), "Unrolled GAN": (48.7, 4.32),
    "VEEGAN": (150.0, 2.95), "PacGAN": (1000.0, 0.06), "GAN + MINE": (1000.0, 0.05),
}  # fmt: skip
"""Table 1 of the paper: modes and KL, the first five copied there from VEEGAN's and PacGAN's."""


# Points in the plane


def gather_points(folders: Mapping[str, Path]) -> Tables:
    """Scores of all runs, and of each arm's first seed the points it drew."""
    scores = pd.concat([scored(folder, name) for name, folder in folders.items()])
    first = next(iter(folders.values()))
    runs = [GanRun.read(first / str(name)) for name in results(first)["folder"]]
    arms: dict[float, GanRun] = {}
    for run in runs:
        arms.setdefault(run.beta, run)
    found = [
        points(run.at(step)["x"], run.beta, step)
        for run in arms.values()
        for step in dict.fromkeys([*(s for s in SHOWN_STEPS if s in run.steps), run.steps[-1]])
    ]
    data = next(iter(arms.values())).data
    assert data is not None
    return {
        "scores": scores,
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


def points(x: Any, beta: float, step: int) -> DataFrame:
    return pd.DataFrame(x.round(DECIMALS), columns=["x", "y"]).assign(beta=beta, step=step)


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
    """Kernel density estimates of the data and of both arms at the last step."""
    data, drawn = tables["data"].to_numpy(), tables["points"]
    last = drawn[drawn["step"] == drawn["step"].max()]
    arms = sorted(last["beta"].unique())
    pictures = [data, *(last[last["beta"] == beta][["x", "y"]].to_numpy() for beta in arms)]
    figure = style.paper(3.7 * len(pictures) + 0.8, 4.0)
    panels = figure.subplots(1, len(pictures), sharey=True)
    draw_densities(figure, panels, pictures, square(data))
    for axes, title in zip(panels, ["data", *map(arm_name, arms)], strict=True):
        axes.set_title(title, loc="left", fontsize=10)
    return figure


def arms_of(scores: DataFrame, setting: str) -> tuple[DataFrame, DataFrame]:
    """The runs of one setting without and with the information."""
    chosen = scores[scores["setting"] == setting]
    return chosen[chosen["beta"] == 0], chosen[chosen["beta"] > 0]


def mean_of(runs: DataFrame, column: str, digits: int) -> str:
    found = means(runs, ["setting"], column).iloc[0]
    return plus_minus(found["mean"], found["interval"], digits)


def judge_spiral(tables: Tables) -> list[Finding]:
    """Whether the information covers the whole spiral, and more of it than without."""
    without, with_it = arms_of(tables["scores"], "spiral")
    ours = f"{mean_of(with_it, 'modes', 0)} with, {mean_of(without, 'modes', 0)} without"
    kl = f"{mean_of(with_it, 'kl', 3)} with, {mean_of(without, 'kl', 3)} without"
    modes = with_it["modes"].mean()
    return [
        judged(
            "stretches of the spiral that are covered, of 100",
            "GAN + MINE covers it, GAN does not", ours, "at least 95, and more than without",
            modes >= 95 and modes > without["modes"].mean(),
        ),
        judged(
            "KL of the stretches, nats", "", kl, "less than without",
            with_it["kl"].mean() < without["kl"].mean(),
        ),
    ]  # fmt: skip


def judge_gaussians(tables: Tables) -> list[Finding]:
    """Modes, KL and quality in the paper's setting and in the one found best for both arms."""
    found = []
    named = {"paper": "the paper's setting", "tuned": "with a penalty on the slope"}
    for setting in tables["scores"]["setting"].unique():
        without, with_it = arms_of(tables["scores"], setting)
        for key, what, digits in (("modes", "modes of 25", 1), ("kl", "KL, nats", 4)):
            ours = f"{mean_of(with_it, key, digits)} with, {mean_of(without, key, digits)} without"
            mean, twin = with_it[key].mean(), without[key].mean()
            met = mean >= 24.5 if key == "modes" else mean <= 0.05 and mean < twin
            target = "at least 24.5" if key == "modes" else "at most 0.05, and less than without"
            paper = "GAN + MINE finds all, GAN does not" if key == "modes" else ""
            found.append(judged(f"{named[setting]}: {what}", paper, ours, target, met))
        quality = [f"{arm['high_quality'].mean():.0%}" for arm in (with_it, without)]
        met = with_it["high_quality"].mean() >= without["high_quality"].mean()
        what = f"{named[setting]}: samples within 3 sigma of a mode"
        ours = f"{quality[0]} with, {quality[1]} without"
        found.append(judged(what, "", ours, "not less than without", met))
    return found


# Stacked digits


def gather_stacks(folders: Mapping[str, Path]) -> Tables:
    """Scores of all runs."""
    (folder,) = folders.values()
    return {"scores": scored(folder, "stacks")}


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
    full = (scores["steps"] >= FULL_STEPS).all()
    said = f"{scores['steps'].max():,} iterations at a quarter of the channels: "
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
        ours = f"{mean_of(with_it, key, digits)} with, {mean_of(without, key, digits)} without"
        if full:
            found.append(judged(what, paper, ours, targets[key], met))
        else:
            found.append(Finding(what, paper, said + ours, targets[key] + ", on a GPU", NOT_RUN))
    return found
