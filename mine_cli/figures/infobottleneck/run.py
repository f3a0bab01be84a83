"""A run of `task=infobottleneck` as its folder tells it: method, scores, measures of I(X; Z)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mine_cli.figures import style
from mine_cli.results.files import read_json
from mine_cli.results.numbers import known

__all__ = [
    "MEASURES", "BottleneckRun", "Look", "Measure", "arm_name", "look_of", "order_of", "percent",
]  # fmt: skip

UNFINISHED = (None, "running")
UNREMARKABLE = (*UNFINISHED, "ok")


@dataclass(frozen=True)
class Look:
    """How a method is drawn: colour, and for grey print a marker and a line of its own."""

    colour: str
    marker: str
    line: str = "-"


# In the order of the paper's table.
LOOKS = {
    "none": Look(style.BLACK, "X"),
    "dropout": Look(style.GREY, "s", "--"),
    "confidence_penalty": Look(style.PINK, "v", "-."),
    "label_smoothing": Look(style.PINK, "^", ":"),
    "vib": Look(style.ORANGE, "o"),
    "vib_additive": Look(style.YELLOW, "s", ":"),
    "mine_gaussian": Look(style.GREEN, "^", "-."),
    "mine_propagated": Look(style.SKY, "v", ":"),
    "mine_additive": Look(style.BLUE, "D"),
}
ANY_OTHER = Look(style.GREY, "P", "--")


def look_of(method: str) -> Look:
    """The look of a method; one that the package does not have is grey."""
    return LOOKS.get(method, ANY_OTHER)


def order_of(method: str) -> tuple[int, str]:
    """The paper's order, then all others by name."""
    return (list(LOOKS).index(method) if method in LOOKS else len(LOOKS), method)


@dataclass(frozen=True)
class Measure:
    """A way to know I(X; Z), in nats.

    Arguments:
        column: In metrics.csv.
        key: Among the metrics of result.json.
        words: What it is, briefly.
    """

    column: str
    key: str
    words: str


# The best first.
MEASURES = (
    Measure("mi/reference", "i_xz_reference", "critic-free reference, lower end"),
    Measure("mi/estimate", "i_xz_term", "held-out MI term"),
    Measure("mi/kl", "kl", "KL, an upper bound"),
)


@dataclass(frozen=True)
class BottleneckRun:
    """The files of one run; whatever is not there yet, or never came, is None or empty.

    Arguments:
        folder: With result.json and metrics.csv.
        result: What stands in result.json.
    """

    folder: Path
    result: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "BottleneckRun":
        path = folder / "result.json"
        return cls(folder, read_json(path) if path.exists() else {})

    @property
    def ended(self) -> bool:
        """Whether this is a run of the task that has a result."""
        return self.result.get("task") == "infobottleneck" and self.status not in UNFINISHED

    @property
    def status(self) -> str | None:
        return self.result.get("status")

    @property
    def method(self) -> str:
        """The method's name; nothing where no result says it."""
        return str((self.result.get("method") or {}).get("name") or "")

    @property
    def information(self) -> str:
        """What weighs on I(X; Z): "none", "kl" or "mine"."""
        return str((self.result.get("method") or {}).get("information") or "none")

    @property
    def beta(self) -> float:
        """The weight of the information; 0 where the method has none."""
        found = (self.result.get("method") or {}).get("beta")
        return 0.0 if found is None or self.information == "none" else float(found)

    @property
    def encoder(self) -> str:
        """The encoder's type, such as "Additive"."""
        target = (self.result.get("encoder") or {}).get("_target_") or ""
        return str(target).rpartition(".")[2]

    @property
    def name(self) -> str:
        """Method, beta and seed, and the status where it is one to know of."""
        parts = [arm_name(self.method, self.beta, self.information)]
        if self.result.get("seed") is not None:
            parts.append(f"seed {self.result['seed']}")
        if self.status not in UNREMARKABLE:
            parts.append(str(self.status))
        return ", ".join(part for part in parts if part)

    @property
    def look(self) -> Look:
        return look_of(self.method)

    @property
    def samples(self) -> str:
        """How many posterior samples the averaged scores have, in words."""
        count = self.metric("samples")
        return "several samples" if count is None else f"{count:,.0f} samples"

    @property
    def test_rows(self) -> int | None:
        count = self.metric("test_rows")
        return None if count is None else int(count)

    @property
    def ceiling(self) -> float | None:
        """What the reference's lower end cannot exceed: the log of the test rows, in nats."""
        return math.log(self.test_rows) if self.test_rows else None

    def metric(self, key: str) -> float | None:
        """A finite number of the result's metrics."""
        return known(self.result.get("metrics") or {}, key)

    def strengths(self, key: str) -> dict[float, float]:
        """Errors by strength, ascending, from metrics such as "noise_errors"."""
        found = (self.result.get("metrics") or {}).get(key) or {}
        pairs = ((float(strength), known(found, strength)) for strength in found)
        return dict(sorted((s, error) for s, error in pairs if error is not None))

    def curve(self, tag: str) -> tuple[list[int], list[float]]:
        """The finite values in one column of metrics.csv, and their steps."""
        rows = zip(*style.column(self.folder / "metrics.csv", tag), strict=True)
        finite = [(step, value) for step, value in rows if math.isfinite(value)]
        return [step for step, _ in finite], [value for _, value in finite]


def arm_name(method: str, beta: float, information: str) -> str:
    """What is compared, such as "vib, beta 0.001"; a method without information has no beta."""
    return method if information == "none" else f"{method}, beta {beta:g}"


def percent(share: float) -> str:
    """An error in per cent with the two decimals that a test set of ten thousand rows has."""
    return f"{100 * share:.2f} %"
