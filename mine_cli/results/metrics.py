"""The numbers that runs report: what each is called, in which unit it is shown, and where."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from mine_cli.results.numbers import is_loose, per_nat

__all__ = ["METRICS", "NUMBERS", "Metric", "compared"]

NUMBERS = ("estimate", "standard_error", "p_value", "true_mi", "error")
"""The numbers at the top of a result, in nats; all others are among its metrics."""

ENDLESS = 1e6  # from here on nobody reads digits


@dataclass(frozen=True)
class Metric:
    """Describes a number of a result, and how it is shown.

    Arguments:
        key: In result.json.
        title: What it is called in a sweep's table and at an axis; empty where jobs are not
            compared by it.
        kind: nats, shown in the unit of display; a share, in per cent; a count; a number as it is.
        label: What it is called in a run's summary; empty where it does not stand there.
        note: What explains it there; what is in braces differs from run to run.
        decimals: Of a share in a run's summary.
        tag: Of a measure of I(X; Z), its column in metrics.csv.
        measure: How such a measure knows it, in words.
        upper: The column of its upper end, where it is the lower end of an interval.
        sign: "+" where a number above 0 is shown with it, as that of a difference is.
        within: What stands before the key in the columns of results.csv: nothing for a number at
            the top of the result.
    """

    key: str
    title: str = ""
    kind: Literal["nats", "share", "count", "number"] = "nats"
    label: str = ""
    note: str = ""
    decimals: int = 2
    tag: str = ""
    measure: str = ""
    upper: str | None = None
    sign: Literal["", "+"] = ""
    within: Literal["", "metrics."] = "metrics."

    @property
    def column(self) -> str:
        """Its column in results.csv."""
        return self.within + self.key

    def factor(self, units: str) -> float:
        """Returns what a number of results.csv is multiplied by to be shown."""
        return {"nats": per_nat(units), "share": 100.0}.get(self.kind, 1.0)

    def digits(self, alone: bool = False) -> int:
        """Returns the number of digits behind the point; of a count that is no mean none."""
        return {"nats": 4, "share": 2, "count": 0 if alone else 1, "number": 4}[self.kind]

    def headed(self, units: str) -> str:
        """Returns the title with the unit of what stands below it."""
        return self.title + {"nats": f" ({units})", "share": " (%)"}.get(self.kind, "")

    def shown(self, value: float | None, units: str, alone: bool = False) -> str:
        """Returns a number with as many digits as its kind has; nothing for what is not known.

        Arguments:
            alone: Of one job, and no mean.
        """
        if value is None:
            return ""
        scaled = value * self.factor(units)
        form = f"z.{self.digits(alone)}f" if abs(scaled) < ENDLESS else ".3g"
        return f"{scaled:{self.sign}{form}}"

    def shown_spread(self, spread: float, units: str) -> str:
        """Returns a spread as the number itself; 0 for none alone: less than the last digit is
        that digit."""
        least = 10.0 ** -self.digits() / self.factor(units)
        return self.shown(max(spread, least), units) if spread else "0"

    def or_more(self, find: Callable[[str], float | None]) -> str:
        """Returns "≥ " before a number that is only known to be exceeded, most often nothing.

        Arguments:
            find: The numbers beside it, by column.
        """
        return "≥ " if self.upper is not None and is_loose(find(self.upper)) else ""


AT_LEAST, AT_MOST = (f"{'I(X; Z)':<15}{sign}" for sign in "≥≤")
EVERY: dict[str, tuple[Metric, ...]] = {
    "mi-estimate": (
        Metric("estimate", "estimate", within=""),
        Metric("true_mi", "true MI", within=""),
        Metric("error", "error", within="", sign="+"),
    ),
    "gan": (
        Metric("kl", "KL", "nats", "KL", "from the data's shares of the modes, all samples"),
        Metric("modes", "modes", "count"),
        Metric("high_quality", "high quality", "share", "high quality",
               "of the samples, within 3 sigma of a mode", decimals=1),
        Metric("confidence", "", "share", "confidence", "of the classifier, on average",
               decimals=1),
        Metric("kl_floor", "", "nats", "  its floor",
               "what as many draws from the data would score"),
        Metric("kl_high_quality", "", "nats", "  high quality",
               "from the high-quality samples alone"),
        Metric("js", "JS", "nats", "JS", "the same as Jensen-Shannon divergence"),
    ),
    "infobottleneck": (
        Metric("error", "", "share", "error", "{on}one posterior sample"),
        Metric("error_averaged", "error, samples averaged", "share", "  averaged",
               "over the probabilities of {samples:.0f} posterior samples"),
        Metric("cross_entropy"),
        Metric("cross_entropy_averaged", "", "nats", "cross-entropy",
               "of the averaged probabilities"),
        Metric("calibration", "", "share"),
        Metric("calibration_averaged", "", "share", "calibration",
               "expected error of the averaged confidence"),
        Metric("outliers_by_confidence", "outliers by confidence", "share", "outliers",
               "by a low confidence: area under the ROC curve", decimals=1),
        Metric("outliers_by_information", "outliers by information", "share", "  by I(x; z)",
               "by a high information: the same", decimals=1),
        Metric("i_xz_term", "I(X;Z) by the term", "nats", "I(X; Z)", "by the MI term ({status})",
               tag="mi/estimate", measure="held-out MI term"),
        Metric("i_xz_reference", "I(X;Z) by the law", "nats", AT_LEAST,
               "by the encoder's own law; cannot say more than log n", tag="mi/reference",
               measure="critic-free reference, lower end", upper="metrics.i_xz_reference_upper"),
        Metric("i_xz_reference_upper", "", "nats", AT_MOST, "by the same law"),
        Metric("kl", "", "nats", AT_MOST, "by the divergence from N(0, 1)", tag="mi/kl",
               measure="KL, an upper bound"),
        Metric("i_zy", "I(Z;Y)", "nats", "I(Z; Y)", "at least; H(Y) is {h_y}"),
    ),
    "ali": (
        Metric("own_mode", "own mode", "share", "own mode",
               "of held-out rows are reconstructed as what they are", decimals=1),
        Metric("reconstruction_error", "error", "number",
               note="mean distance of a reconstruction"),
        Metric("ms_ssim", "MS-SSIM", "number", note="of reconstructions, on three scales"),
        Metric("neighbour", "nearest code", "share", "nearest code",
               "of a training row has the same mode or class", decimals=1),
        Metric("kl", "KL", "nats", "KL", "from the data's shares of the modes, all samples"),
        Metric("modes", "modes", "count"),
        Metric("high_quality", "high quality", "share", "high quality",
               "of the samples, within 3 sigma of a mode", decimals=1),
        Metric("confidence", "", "share", "confidence", "of the classifier, on average",
               decimals=1),
        Metric("kl_floor", "", "nats", "  its floor",
               "what as many draws from the data would score"),
    ),
    "classifier": (Metric("accuracy", "accuracy", "share"),),
    "screen": (
        Metric("found", "pairs found", "count"),
        Metric("largest", "largest", "nats"),
    ),
}  # fmt: skip
METRICS = {task: {metric.key: metric for metric in found} for task, found in EVERY.items()}
"""Task -> key -> metric: in the order in which jobs are compared by them, the first of those is
what they are judged by."""


def compared(tasks: Iterable[str], columns: Iterable[str]) -> list[Metric]:
    """Returns the metrics by which jobs of these tasks are compared, those with a column."""
    there = set(columns)
    every = [metric for task in tasks for metric in METRICS.get(task, {}).values()]
    return [m for m in dict.fromkeys(every) if m.title and m.column in there]
