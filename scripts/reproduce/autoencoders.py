"""Figure 5 and table 2: what four ways to train an encoder beside a generator reconstruct."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from findings import BEYOND, SHORTENED, Finding, judged, means, plus_minus
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame
from plan import Tables
from sweeps import results

from mine_cli.figures import style
from mine_cli.figures.ali.pictures import colours_of
from mine_cli.figures.ali.run import COLOURS, NAMES, ALIRun
from mine_cli.figures.gan.panels import DATA_GREY, frame, square

__all__ = ["draw_digits", "draw_points", "gather", "judge_digits", "judge_points"]

SHOWN = 1000  # points of each method
DECIMALS = 3
SEEDS = 10  # of figure 5
DIGITS_STEPS, DIGITS_SEEDS = 3000, 3  # of ali/mnist_cpu; for its target
KEYS = (
    "own_mode", "reconstruction_error", "ms_ssim", "neighbour", "modes", "kl", "high_quality",
)  # fmt: skip
LABELS = {
    "reconstruction_error": "error (Euclidean)",
    "own_mode": "reconstructed as\nwhat they are (%)",
    "ms_ssim": "MS-SSIM",
    "neighbour": "nearest code of\nthe same class (%)",
}
PUBLISHED = {
    "ali": (14.24, 45.95, 0.97), "alice_l2": (3.20, 99.03, 0.97),
    "alice_adversarial": (5.20, 98.17, 0.98), "ali_mine": (9.73, 96.10, 0.99),
}  # fmt: skip
"""Table 2 of the paper on MNIST: error, accuracy in per cent, MS-SSIM."""


def gather(folders: Mapping[str, Path]) -> Tables:
    """Scores of all runs, and the points and codes of each method's first seed."""
    (folder,) = folders.values()
    found = results(folder)
    runs = [ALIRun.read(folder / str(name)) for name in found["folder"]]
    scores = pd.DataFrame(
        {
            "method": run.method,
            "seed": run.result["seed"],
            "status": run.status,
            "steps": run.result["steps"],
            "i_xz": run.result["estimate"],
            **{key: run.metric(key) for key in KEYS},
        }
        for run in runs
    ).dropna(axis=1, how="all")
    over_steps = pd.concat([course(run) for run in runs], ignore_index=True)
    shown = [run for run in runs if run.steps and not run.images]
    first = {run.method: run for run in sorted(shown, key=lambda run: -run.result["seed"])}
    if not first:
        return {"scores": scores, "over_steps": over_steps}
    parts = [points(run) for run in first.values()]
    return {
        "scores": scores,
        "over_steps": over_steps,
        "points": pd.concat(parts, ignore_index=True),
    }


def course(run: ALIRun) -> DataFrame:
    """Every score of a run, a row for each evaluation."""
    columns = {key: dict(zip(*run.curve(f"ali/{key}"), strict=True)) for key in KEYS}
    found = pd.DataFrame({key: column for key, column in columns.items() if column})
    found = found.rename_axis("step").reset_index()
    return found.assign(method=run.method, seed=run.result["seed"])


def points(run: ALIRun) -> DataFrame:
    """Held-out points, where they are reconstructed, their codes, and samples of a run."""
    kept = run.last
    names = {"rows": "x", "rebuilt": "rebuilt", "code": "code", "x": "sample"}
    columns: dict[str, Any] = {
        f"{name}_{axis}": kept[key][:SHOWN, place].round(DECIMALS)
        for key, name in names.items()
        for place, axis in enumerate("xy")
    }
    return pd.DataFrame(columns).assign(label=kept["label"][:SHOWN], method=run.method)


def in_order(found: DataFrame) -> list[str]:
    """The methods that there are, as in the paper."""
    there = set(found["method"])
    return [method for method in NAMES if method in there]


def draw_points(tables: Tables) -> Figure:
    """A column a method: reconstructions, samples and codes, as figure 5 of the paper."""
    drawn = tables["points"]
    methods = in_order(drawn)
    figure = style.paper(3.4 * len(methods), 10.2)
    figure.set_dpi(78)
    grid = figure.subplots(3, len(methods), squeeze=False)
    for column, method in zip(grid.T, methods, strict=True):
        one = drawn[drawn["method"] == method]
        colours = colours_of(one["label"].to_numpy(), len(one), COLOURS[method])
        data = one[["x_x", "x_y"]].to_numpy()
        for axes, name, what in zip(
            column, ("rebuilt", "sample", "code"), ("reconstructions", "samples", "codes"),
            strict=True,
        ):  # fmt: skip
            x = one[[f"{name}_x", f"{name}_y"]].to_numpy()
            scatter(axes, x, None if name == "code" else data, colours, name == "sample", method)
            axes.set_title(f"{NAMES[method]}: {what}", loc="left", fontsize=9)
    return figure


def scatter(
    axes: Axes, x: Any, data: Any, colours: Any, plain: bool, method: str
) -> None:  # fmt: skip
    """Points in the colours of their modes, over the data where they are of its space."""
    if data is not None:
        axes.scatter(data[:, 0], data[:, 1], 10, linewidths=0, color=DATA_GREY, rasterized=True)
    looks = {"color": COLOURS[method]} if plain else {"c": colours}
    axes.scatter(x[:, 0], x[:, 1], 4, linewidths=0, alpha=0.8, rasterized=True, **looks)
    frame(axes, square(x if data is None else data))


def draw_digits(tables: Tables) -> Figure:
    """Each measure of table 2: a dot for each seed, and a cross for the paper's number."""
    scores = tables["scores"]
    methods, names = in_order(scores), [name for name in LABELS if name in scores]
    figure = style.paper(3.1 * len(names), 3.6)
    figure.set_dpi(78)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        factor = 100 if name in ("own_mode", "neighbour") else 1
        for place, method in enumerate(methods):
            ours = scores[scores["method"] == method][name] * factor
            axes.plot([place] * len(ours), ours, "o", color=COLOURS[method], alpha=0.8)
            if name != "neighbour":
                paper = PUBLISHED[method][list(LABELS).index(name)]
                axes.plot([place], [paper], "x", color=style.BLACK, markersize=8)
        axes.set_xticks(range(len(methods)), [NAMES[m].replace(" (", "\n(") for m in methods])
        axes.set_xlim(-0.6, len(methods) - 0.4)
        axes.tick_params(axis="x", labelsize=7.5)
        axes.set_title(LABELS[name], loc="left", fontsize=9.5)
        style.quiet(axes)
    style.explain(
        figure,
        [
            style.handle("a seed", marker="o", color=style.GREY),
            style.handle("the paper", marker="x", color=style.BLACK),
        ],
    )
    return figure


# What is found


def of(scores: DataFrame, method: str) -> DataFrame:
    return scores[scores["method"] == method]


def mean(scores: DataFrame, key: str, factor: float = 1, digits: int = 1) -> str:
    """Every method's mean over seeds with its interval."""
    found = means(scores.assign(**{key: scores[key] * factor}), ["method"], key).set_index(
        "method"
    )
    return "; ".join(
        f"{NAMES[m]} {plus_minus(found.loc[m, 'mean'], found.loc[m, 'interval'], digits)}"
        for m in in_order(scores)
    )


def say(
    scores: DataFrame, whole: bool, what: str, paper: str, ours: str, target: str, met: bool
) -> Finding:
    """A finding with a target; of fewer seeds or steps than it is meant for, no verdict."""
    if whole:
        return judged(what, paper, ours, target, met)
    seeds = scores["seed"].nunique()
    told = f"{scores['steps'].max():,} iterations, {seeds} seed{'s' * (seeds > 1)}: {ours}"
    return Finding(what, paper, told, f"{target}, at full size", SHORTENED)


def judge_points(tables: Tables) -> list[Finding]:
    """Whether points come back as their own mode, and every mode is sampled."""
    scores = tables["scores"]
    with_it, without = of(scores, "ali_mine"), of(scores, "ali")
    pair = with_it.set_index("seed")["own_mode"], without.set_index("seed")["own_mode"]
    above = (pair[0] > pair[1]).sum()
    whole = scores.groupby("method")["seed"].nunique().min() >= SEEDS
    kl = with_it["kl"].mean()
    return [
        say(scores, whole, "reconstructed into the own mode, %", "pictures alone",
            mean(scores, "own_mode", 100), "at least 97 with MINE",
            with_it["own_mode"].mean() >= 0.97),
        say(scores, whole, "more than the twin of the same seed without information", "",
            f"{above} of {len(pair[0])} seeds", "in every seed", above == len(pair[0])),
        say(scores, whole, "modes of 25 sampled", "", mean(scores, "modes"), "25 with MINE",
            with_it["modes"].min() >= 25),
        say(scores, whole, "KL of the samples' modes, nats", "", mean(scores, "kl", digits=3),
            "at most 0.03 with MINE", kl <= 0.03),
        Finding("error of the reconstruction", "", mean(scores, "reconstruction_error", digits=3),
                "", BEYOND),
    ]  # fmt: skip


def judge_digits(tables: Tables) -> list[Finding]:
    """The measures of table 2 on MNIST, against the targets."""
    scores = tables["scores"]
    with_it = of(scores, "ali_mine")
    whole = (
        scores.groupby("method")["seed"].nunique().min() >= DIGITS_SEEDS
        and scores["steps"].min() >= DIGITS_STEPS
        and len(in_order(scores)) == len(NAMES)
    )
    error, own = with_it["reconstruction_error"].mean(), with_it["own_mode"].mean()
    similar, near = with_it["ms_ssim"].mean(), with_it["neighbour"].mean()
    published = [
        "; ".join(f"{NAMES[m]} {PUBLISHED[m][place]:g}" for m in in_order(scores))
        for place in range(3)
    ]
    return [
        say(scores, whole, "error of the reconstruction", published[0],
            mean(scores, "reconstruction_error", digits=2), "below 9.7 with MINE", error < 9.7),
        say(scores, whole, "accuracy of the reconstruction, %", published[1],
            mean(scores, "own_mode", 100), "above 96.1 with MINE", own > 0.961),
        say(scores, whole, "MS-SSIM, on three scales", published[2],
            mean(scores, "ms_ssim", digits=3), "at least 0.99 with MINE", similar >= 0.99),
        say(scores, whole, "nearest code of the same class, %", "BiGAN 97.35",
            mean(scores, "neighbour", 100), "above 97.35 with MINE", near > 0.9735),
    ]  # fmt: skip
