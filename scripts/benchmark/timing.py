"""Timing that survives a busy machine: two loops take turns, and their ratios are compared."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Pairs", "Timed", "interleaved", "slope"]


class Timed(Protocol):
    """Something that takes a number of steps and says how long that took."""

    def seconds(self, steps: int) -> float:
        """The time of that many steps."""


@dataclass(frozen=True)
class Pairs:
    """Milliseconds a step of two loops that took turns, and the ratios of neighbours."""

    first: list[float]
    second: list[float]

    @property
    def ratios(self) -> list[float]:
        """first over second, pair by pair."""
        return [a / b for a, b in zip(self.first, self.second, strict=True)]

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    def detail(self) -> str:
        """Range of the ratios and the medians behind them, for people."""
        a, b = statistics.median(self.first), statistics.median(self.second)
        low, high = min(self.ratios), max(self.ratios)
        return f"{low:.3f} to {high:.3f} over {len(self.first)} pairs; {a:.3f} and {b:.3f} ms"


def interleaved(first: Timed, second: Timed, pairs: int, steps: int) -> Pairs:
    """Time A B A B ... in blocks of steps, after one block of each that is not counted."""
    first.seconds(steps)
    second.seconds(steps)
    times = [(first.seconds(steps), second.seconds(steps)) for _ in range(pairs)]
    scale = 1e3 / steps
    return Pairs([a * scale for a, _ in times], [b * scale for _, b in times])


def slope(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The exponent p of the least-squares fit times ~ sizes^p."""
    return statistics.linear_regression(
        [math.log(size) for size in sizes], [math.log(seconds) for seconds in times]
    ).slope
