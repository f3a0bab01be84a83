"""The mi-estimate picture: the held-out estimate over the training."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.results.files import read_json
from mine_cli.results.numbers import per_nat
from mine_cli.results.summary import name_of

__all__ = ["curve"]


def curve(folder: Path, units: str = "nats") -> Path:
    """Draws the held-out estimate against the step, with the truth and the final interval.

    Arguments:
        folder: A run, with metrics.csv (the column "mi/estimate") and result.json.
        units: "nats" or "bits".

    Returns:
        The path of the PNG, `figures/curve.png` in that folder.
    """
    result = read_json(folder / "result.json")
    factor = per_nat(units)
    figure, axes = style.panel(7.0, 4.2)
    steps, nats = style.column(folder / "metrics.csv", "mi/estimate")
    values = [value * factor for value in nats]
    axes.plot(
        steps,
        values,
        color=style.BLUE,
        marker="o",
        markersize=3.5,
        linewidth=1.4,
        label="during training (held-out rows)",
    )
    draw_truth(axes, result, factor)
    draw_final(axes, result, factor, max([*steps, result.get("steps") or 0]))
    axes.set_xlabel("optimisation step")
    axes.set_ylabel(f"mutual information ({units})")
    axes.set_title(title(result), loc="left", fontsize=11)
    style.quiet(axes)
    axes.margins(x=0.03)
    # An untrained critic may start far below zero; the curve's end is what has to be read.
    highest = max([*values, (result.get("true_mi") or 0.0) * factor])
    if highest > 0 and min([*values, 0.0]) < -highest:
        axes.set_ylim(bottom=-0.5 * highest, top=1.2 * highest)
    axes.legend(frameon=False, fontsize=9, loc="best")
    return style.save(figure, folder / "figures" / "curve.png")


def draw_truth(axes: Axes, result: dict[str, Any], factor: float) -> None:
    """A dashed line at the true value, where it is known."""
    truth = result.get("true_mi")
    if truth is not None:
        label = f"truth {truth * factor:.3f}"
        axes.axhline(truth * factor, color=style.GREY, linestyle="--", linewidth=1.4, label=label)


def draw_final(axes: Axes, result: dict[str, Any], factor: float, step: float) -> None:
    """The reported estimate with two standard errors to each side, at the last step."""
    estimate, error = result.get("estimate"), result.get("standard_error")
    if estimate is None:
        return
    shown = f"{estimate * factor:.3f}"
    label = f"reported {shown}" if error is None else f"reported {shown} ± {error * factor:.3f}"
    axes.errorbar(
        [step],
        [estimate * factor],
        yerr=None if error is None else [2 * error * factor],
        color=style.ORANGE,
        marker="D",
        markersize=4.5,
        capsize=6,
        linewidth=1.6,
        zorder=5,
        label=f"{label} (bar: 2 SE)" if error is not None else label,
    )


def title(result: dict[str, Any]) -> str:
    """What was estimated with what, and the status word."""
    parts = [name_of(result.get(key)) for key in ("dataset", "network", "bound")]
    return f"{', '.join(part for part in parts if part)}: {result.get('status')}"
