"""The robustness of one `task=infobottleneck` run: its error under noise and under attack."""

import math
from pathlib import Path

from matplotlib.axes import Axes

from mine_cli.figures import style
from mine_cli.figures.infobottleneck.run import BottleneckRun, percent

__all__ = ["robustness"]


def robustness(folder: Path) -> Path | None:
    """Draws the error under noise on the inputs and under the fast gradient sign method.

    Bars are two binomial standard errors of the rows that were attacked.

    Returns:
        The path of the PNG, `figures/robustness.png` in that folder; None where neither was
        measured.
    """
    run = BottleneckRun.read(folder)
    kinds = {
        "noise_errors": ("Gaussian noise on the inputs", "standard deviation of the noise"),
        "fgsm_errors": ("fast gradient sign method", "largest change of an input"),
    }
    found = {kind: errors for kind in kinds if (errors := run.strengths(kind))}
    if not found:
        return None
    figure = style.paper(0.8 + 4.3 * max(len(found), 1.5), 4.3)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, (kind, errors) in zip(panels, found.items(), strict=True):
        title, label = kinds[kind]
        draw_strengths(axes, run, errors)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel(f"{label} (inputs' own scale)")
        axes.set_ylabel(f"test error (%), {run.samples}")
        axes.set_ylim(bottom=0)
    figure.suptitle(run.headed, fontsize=11)
    style.explain(figure, panels[0].get_legend_handles_labels()[0])
    return style.save(figure, folder / "figures" / "robustness.png")


def draw_strengths(axes: Axes, run: BottleneckRun, errors: dict[float, float]) -> None:
    """Error against strength, with what the number of attacked rows leaves open."""
    shown = [100 * error for error in errors.values()]
    rows = run.metric("attacked_rows")
    bars = [200 * math.sqrt(p * (1 - p) / rows) for p in errors.values()] if rows else None
    label = f"{rows:,.0f} test rows, ± 2 binomial standard errors" if rows else "test rows"
    axes.errorbar(
        list(errors), shown, yerr=bars, linewidth=1.5, label=label, color=run.look.colour,
        marker=run.look.marker, capsize=3,
    )  # fmt: skip
    if (clean := run.metric("error_averaged")) is not None:
        axes.axhline(
            100 * clean, label=f"all, untouched: {percent(clean)}", color=style.GREY,
            linestyle="--", linewidth=1.2,
        )  # fmt: skip
    style.quiet(axes)
