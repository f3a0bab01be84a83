"""Generators over the steps of their training, without and with the information, seed by seed.

What is compared is the last evaluation that all runs of a sweep have, so that a training which was
cut short is one of that length.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from findings import SHORTENED, Finding, judged
from generators import DECIMALS, both, colour, gain, points
from matplotlib.figure import Figure
from pandas import DataFrame
from plan import Tables

from mine_cli.figures import style
from mine_cli.figures.gan.panels import draw_densities, square
from mine_cli.figures.gan.run import GanRun, arm_name
from mine_cli.results.ledger import Ledger

__all__ = ["draw", "gather", "judge_digits", "judge_gaussians"]

TAGS = {
    "modes": "gan/modes", "kl": "gan/kl", "high_quality": "gan/high_quality",
    "estimate": "mi/estimate",
}  # fmt: skip
LABELS = {
    "modes": "modes captured", "kl": "KL (nats)", "high_quality": "samples at a mode",
    "estimate": "estimate (nats)",
}  # fmt: skip
GAUSSIANS_STEPS = 24_000  # of gan/25gaussians


def gather(folders: Mapping[str, Path]) -> Tables:
    """Scores of all runs at every evaluation, and the points each arm's first seed drew last."""
    scores, drawn, data = [], [], None
    for setting, folder in folders.items():
        runs = [GanRun.read(row.folder) for row in Ledger(folder).rows]
        runs.sort(key=lambda run: (run.beta, run.result["seed"]))
        last = min(run.curve(TAGS["modes"])[0][-1] for run in runs)
        found = pd.concat([curves(run) for run in runs])
        scores.append(found[found["step"] <= last].assign(setting=setting, of=steps_of(runs)))
        if runs[0].images():
            continue
        for run in {run.beta: run for run in reversed(runs)}.values():
            drawn.append(points(run.at(last)["x"], setting, run.beta, last))
            data = run.data
    tables = {"over_steps": pd.concat(scores, ignore_index=True)}
    if data is not None:
        tables["points"] = pd.concat(drawn, ignore_index=True)
        tables["data"] = pd.DataFrame(data.round(DECIMALS), columns=["x", "y"])
    return tables


def steps_of(runs: Sequence[GanRun]) -> int:
    """How many steps were planned."""
    return max(run.result["trainer"]["steps"] for run in runs)


def curves(run: GanRun) -> DataFrame:
    """Every score of a run, a row for each evaluation."""
    columns = {name: dict(zip(*run.curve(tag), strict=True)) for name, tag in TAGS.items()}
    found = pd.DataFrame({name: column for name, column in columns.items() if column})
    found = found.rename_axis("step").reset_index()
    return found.assign(beta=run.beta, seed=run.result["seed"])


def draw(tables: Tables) -> Figure:
    """Densities of the data and of both arms where there are points; the scores over the steps."""
    scores = tables["over_steps"]
    settings = scores["setting"].unique()
    names = [name for name in TAGS if name in scores and scores[name].notna().any()]
    dense = "points" in tables
    figure = style.paper(11.9, 4.0 * dense + 3.1 * len(settings))
    figure.set_dpi(78)
    heights = [4.0] * dense + [3.1] * len(settings)
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    if dense:
        draw_last(parts[0], tables)
    for part, setting in zip(parts[dense:], settings, strict=True):
        panels = part.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            draw_score(axes, scores[scores["setting"] == setting], name)
        panels[0].legend(frameon=False, fontsize=8.5)
        if len(settings) > 1:
            part.suptitle(setting, fontsize=10)
    return figure


def draw_last(part: Any, tables: Tables) -> None:
    """The densities of the data and of each arm's points."""
    data, drawn = tables["data"].to_numpy(), tables["points"]
    arms = sorted(drawn["beta"].unique())
    pictures = [data, *(drawn[drawn["beta"] == beta][["x", "y"]].to_numpy() for beta in arms)]
    panels = part.subplots(1, len(pictures), sharey=True)
    draw_densities(part, panels, pictures, square(data))
    titles = ["data", *(f"{arm_name(beta)}, step {drawn['step'].max():,}" for beta in arms)]
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, loc="left", fontsize=10)


def draw_score(axes: Any, scores: DataFrame, name: str) -> None:
    """A thin line for each seed, and a thick one for the mean of each arm."""
    for beta, arm in scores[["beta", "seed", "step", name]].dropna().groupby("beta"):
        for _, run in arm.groupby("seed"):
            axes.plot(run["step"], run[name], color=colour(beta), linewidth=0.8, alpha=0.5)
        mean = arm.groupby("step")[name].mean()
        axes.plot(mean.index, mean, color=colour(beta), linewidth=2.2, label=arm_name(beta))
    if name == "kl":
        style.logarithmic(axes)
    axes.set_title(LABELS[name], loc="left", fontsize=10)
    axes.set_xlabel("iteration")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k")
    style.quiet(axes)


# What is found


def last_arms(scores: DataFrame) -> tuple[DataFrame, DataFrame]:
    """The scores at the last step, with the information and without."""
    last = scores[scores["step"] == scores["step"].max()]
    return last[last["beta"] > 0], last[last["beta"] == 0]


def judge_gaussians(tables: Tables) -> list[Finding]:
    """Whether the information finds all modes, evenly and sharply, in every seed."""
    scores = tables["over_steps"]
    pair = with_it, without = last_arms(scores)
    say = teller(scores, GAUSSIANS_STEPS)
    ahead = with_it.set_index("seed"), without.set_index("seed")
    more, fewer = (ahead[0]["modes"] > ahead[1]["modes"], ahead[0]["kl"] < ahead[1]["kl"])
    quality, other = with_it["high_quality"].mean(), without["high_quality"].mean()
    claim = "GAN + MINE finds all, GAN does not"
    return [
        say("modes of 25", claim, both(*pair, "modes", 1), "at least 24.9",
            with_it["modes"].mean() >= 24.9),
        say("KL, nats", "", both(*pair, "kl", 3), "at most 0.02", with_it["kl"].mean() <= 0.02),
        say("share of samples within 3 sigma of a mode", "", both(*pair, "high_quality", 2),
            "at least 0.85, and not below without", quality >= max(0.85, other)),
        judged(f"more modes, and a smaller KL, than the twin of the same seed ({length(scores)})",
               "", f"{more.sum()} and {fewer.sum()} of {len(more)} seeds", "in every seed",
               bool(more.all() and fewer.all())),
    ]  # fmt: skip


def judge_digits(tables: Tables) -> list[Finding]:
    """Modes and KL of stacked digits in each size, against the twin's by two standard errors."""
    found: list[Finding] = []
    for setting, scores in tables["over_steps"].groupby("setting", sort=False):
        pair = with_it, without = last_arms(scores)
        say = teller(scores, scores["of"].max())
        cpu = setting == "cpu"
        (more, error), (fewer, kl_error) = (
            gain(with_it, without, "modes"), gain(without, with_it, "kl"),
        )  # fmt: skip
        modes, kl = with_it["modes"].mean(), with_it["kl"].mean()
        found += [
            say(f"{setting}: modes of 1,000", "1000", both(*pair, "modes", 0),
                "at least 990, and more than without by two standard errors" if cpu else "1,000",
                modes >= 990 and more > error if cpu else modes >= 999.5),
            say(f"{setting}: KL, nats", "0.05", both(*pair, "kl", 3),
                "at most 0.25, and less than without by two standard errors" if cpu
                else "at most 0.05, and less than without by 0.2",
                kl <= 0.25 and fewer > kl_error if cpu else kl <= 0.05 and fewer >= 0.2),
        ]  # fmt: skip
    return found


def length(scores: DataFrame) -> str:
    return f"{scores['step'].max():,} iterations"


def teller(scores: DataFrame, full: int) -> Callable[..., Finding]:
    """What judges a finding at the full length, and tells the length of a shorter training."""

    def say(what: str, paper: str, ours: str, target: str, met: bool) -> Finding:
        if scores["step"].max() >= full:
            return judged(what, paper, ours, target, met)
        said = f"{scores['step'].max():,} of {full:,} iterations: {ours}"
        return Finding(what, paper, said, f"{target}, at full length", SHORTENED)

    return say
