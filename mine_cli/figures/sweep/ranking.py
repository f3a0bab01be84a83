"""A sweep over names, such as columns or files: a row for each, the largest value on top."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from mine_cli.figures import style
from mine_cli.figures.sweep.series import Series, sign_of, values_of
from mine_cli.results.ledger import WITHOUT_NUMBERS, Setting
from mine_cli.results.metrics import Metric
from mine_cli.results.names import brief

__all__ = ["ranked"]

FOOT = 0.015  # of the width of the axes
LONGEST = 56  # letters of a label
APART = 12.0  # points of print that the series share in a row


def ranked(
    axes: Axes, series: Series, points: Sequence[Setting], swept: str, by: Metric, metric: Metric,
    units: str,
) -> None:  # fmt: skip
    """Draws one number of all series, with two standard errors to each side.

    Arguments:
        swept: The key whose values are the rows.
        by: The number that they are sorted by: the mean over all series.
    """
    values = sorted(values_of(points, swept), key=lambda value: mean_of(points, swept, value, by))
    rows, factor, looks = {v: i for i, v in enumerate(values)}, metric.factor(units), series.looks
    for number, (name, look) in enumerate(looks.items()):
        down = APART / max(4, len(looks)) * ((len(looks) - 1) / 2 - number)
        aside = ScaledTranslation(0, down / 72, axes.figure.dpi_scale_trans)
        inside, edge = axes.transData + aside, axes.get_yaxis_transform() + aside
        for point in (point for point in points if series.name(point) == name):
            row, mean = rows[point.values[swept] or ""], point.mean(metric.column)
            spread = 2 * factor * (point.standard_error(metric.column) or 0.0)
            if mean is not None:
                axes.errorbar(
                    [factor * mean], [row], xerr=[spread] if spread else None, fmt=look.marker,
                    color=look.colour, markersize=4.5, linewidth=1.4, transform=inside,
                )  # fmt: skip
            for status in set(point.statuses) - {"ok"}:
                if status in WITHOUT_NUMBERS:
                    axes.plot(FOOT, row, transform=edge, **sign_of(status))
                elif mean is not None:
                    axes.plot(factor * mean, row, transform=inside, zorder=4, **sign_of(status))
    lows, highs = zip(*(span_of(p, metric, factor) for p in points), strict=True)
    axes.update_datalim([(min(lows), 0), (max(highs), len(values) - 1)])
    axes.autoscale_view()
    axes.set_ylim(-0.7, len(values) - 0.3)
    names = brief(values)
    labels = [style.literal(shortened(names[value] or "none")) for value in values]
    axes.set_yticks(range(len(values)), labels)
    axes.set_xlabel(metric.headed(units))
    axes.set_ylabel(style.literal(swept))
    style.quiet(axes)


def shortened(name: str) -> str:
    """A name without its middle, where that is too long for a label."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half]} ... {name[-half:]}"


def mean_of(points: Sequence[Setting], swept: str, value: str, by: Metric) -> float:
    """The mean of a number over the settings of a row; below all others where there is none."""
    found = [
        mean
        for point in points
        if (point.values[swept] or "") == value and (mean := point.mean(by.column)) is not None
    ]
    return sum(found) / len(found) if found else float("-inf")


def span_of(point: Setting, metric: Metric, factor: float) -> tuple[float, float]:
    """The ends of a setting's interval; nothing about 0 where it has no number."""
    mean = point.mean(metric.column)
    if mean is None:
        return 0.0, 0.0
    spread = 2 * (point.standard_error(metric.column) or 0.0)
    return factor * (mean - spread), factor * (mean + spread)
