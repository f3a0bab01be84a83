"""The pictures of a `task=mi-estimate` run: the held-out estimate over the training, the data."""

from pathlib import Path

import numpy
from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.run import Run
from mine_cli.results.files import Result
from mine_cli.results.names import swept_of
from mine_cli.results.numbers import per_nat
from mine_cli.results.summary import name_of

__all__ = ["curve", "scatter"]


DASHES = ("-", "--", ":", "-.")  # of single critics, in their order


@style.every_letter()
def curve(folder: Path, units: str = "nats") -> Path:
    """Draws the held-out estimate against the step, with the truth and the final interval.

    Arguments:
        folder: A run, with metrics.csv (the column "mi/estimate") and result.json.
        units: "nats" or "bits".

    Returns:
        The path of the PNG, `figures/curve.png` in that folder.
    """
    run, factor = Run.read(folder), per_nat(units)
    truth = run.result.get("true_mi")
    figure, axes = style.panel(7.0, 4.2)
    steps, nats = run.curve("mi/estimate")
    values = [value * factor for value in nats]
    axes.plot(
        steps, values, color=style.BLUE, marker="o", markersize=3.5, linewidth=1.4,
        label="during training (select rows)",
    )  # fmt: skip
    for tag, dashes in zip(critics_of(run), DASHES, strict=False):
        at, alone = run.curve(tag)
        axes.plot(
            at, [value * factor for value in alone], color=style.GREY, linestyle=dashes,
            linewidth=1.0, alpha=0.7, label=tag.removeprefix("critic/").replace("_", ", "),
        )  # fmt: skip
    if truth is not None:
        draw_truth(axes, run, truth, factor)
    draw_final(axes, run.result, factor, max([*steps, run.result.get("steps") or 0]))
    axes.set_xlabel("optimisation step")
    axes.set_ylabel(f"mutual information ({units})")
    parts = filter(None, (name_of(run.result.get(key)) for key in ("dataset", "network", "bound")))
    swept = [f"{key}={value}" for key, value in swept_of(folder).items()]
    title = style.literal(f"{', '.join(swept or parts)}: {run.status}")
    axes.set_title(title, loc="left", fontsize=11)
    style.quiet(axes)
    axes.margins(x=0.03)
    # An untrained critic may start far below zero; the curve's end is what has to be read.
    highest = max([*values, (truth or 0.0) * factor])
    if highest > 0 and min([*values, 0.0]) < -highest:
        axes.set_ylim(bottom=-0.5 * highest, top=1.2 * highest)
    axes.legend(frameon=False, fontsize=9, loc="best")
    return style.save(figure, folder / "figures" / "curve.png")


def critics_of(run: Run) -> list[str]:
    """Returns the columns of metrics.csv that hold a single critic's value, where there are."""
    return [tag for tag in (run.rows[0] if run.rows else {}) if tag.startswith("critic/")]


def draw_truth(axes: Axes, run: Run, truth: float, factor: float) -> None:
    """The truth as a line; as stairs where the law changes during the training."""
    steps, nats = run.curve("mi/true")
    if len(set(nats)) > 1:
        heights = [value * factor for value in nats]
        (line,) = axes.plot(steps, heights, drawstyle="steps-pre", label="truth")
    else:
        line = axes.axhline(truth * factor, label=f"truth {truth * factor:.3f}")
    line.set(color=style.GREY, linestyle="--", linewidth=1.4)


def draw_final(axes: Axes, result: Result, factor: float, step: float) -> None:
    """The reported estimate with two standard errors to each side, at the last step."""
    estimate, error = result.get("estimate"), result.get("standard_error")
    if estimate is None:
        return
    label = f"reported {estimate * factor:.3f}"
    spread = "" if error is None else f" ± {error * factor:.3f} (report rows; bar: 2 SE)"
    axes.errorbar(
        [step], [estimate * factor], yerr=None if error is None else [2 * error * factor],
        color=style.ORANGE, marker="D", markersize=4.5, capsize=6, linewidth=1.6, zorder=5,
        label=f"{label}{spread}",
    )  # fmt: skip


@style.every_letter()
def scatter(folder: Path) -> Path | None:
    """Draws each column of x against each of z; classes as columns of points.

    Arguments:
        folder: A run, with `samples/rows.npz`: x and z, [n, columns], with their names, and the
            names of the classes of a side that is a class, [n, 1].

    Returns:
        The path of the PNG, `figures/scatter.png` in that folder; None without such rows.
    """
    path = folder / "samples" / "rows.npz"
    if not path.exists():
        return None
    with numpy.load(path, allow_pickle=False) as rows:
        found = {name: rows[name] for name in rows}
    x, z = found["x"], found["z"]
    figure = style.paper(1.2 + 3.6 * x.shape[1], 0.6 + 3.2 * z.shape[1])
    panels = figure.subplots(z.shape[1], x.shape[1], squeeze=False)
    spread = numpy.random.default_rng(0).uniform(-0.3, 0.3, (2, len(x)))
    for (row, column), axes in numpy.ndenumerate(panels):
        across = x[:, column] + (spread[0] if "x_classes" in found else 0)
        upward = z[:, row] + (spread[1] if "z_classes" in found else 0)
        axes.plot(across, upward, ".", color=style.BLUE, markersize=3, alpha=0.5)
        axes.set_xlabel(style.literal(str(found["x_names"][column])))
        axes.set_ylabel(style.literal(str(found["z_names"][row])))
        for side, axis in (("x", axes.xaxis), ("z", axes.yaxis)):
            if (classes := found.get(f"{side}_classes")) is not None:
                axis.set_ticks(range(len(classes)), [style.literal(str(c)) for c in classes])
        style.quiet(axes)
    return style.save(figure, folder / "figures" / "scatter.png")
