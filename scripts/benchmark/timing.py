"""Timing that survives a busy machine: loops take turns, and neighbours in time are compared."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Pairs", "Timed", "in_turns", "interleaved", "slope"]


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
        """First over second, pair by pair."""
        return [a / b for a, b in zip(self.first, self.second, strict=True)]

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    def detail(self) -> str:
        """The range of the ratios, and the medians behind them."""
        a, b = statistics.median(self.first), statistics.median(self.second)
        low, high = min(self.ratios), max(self.ratios)
        return f"{low:.2f} to {high:.2f} over {len(self.first)} pairs; {a:.2f} and {b:.2f} ms"


def interleaved(
    first: Timed, second: Timed, pairs: int, steps: int, shares: tuple[int, int] = (1, 1)
) -> Pairs:
    """Time A B A B ... in blocks of steps, after one block of each that is not counted.

    ``shares`` divides a step's time, where one loop moves several networks at once.
    """
    first.seconds(steps)
    second.seconds(steps)
    times = [(first.seconds(steps), second.seconds(steps)) for _ in range(pairs)]
    a, b = (1e3 / steps / share for share in shares)
    return Pairs([t * a for t, _ in times], [t * b for _, t in times])


def in_turns(loops: Sequence[Timed], rounds: int, steps: Sequence[int]) -> list[float]:
    """Milliseconds a step of each loop: the median over rounds in which each has one turn."""
    for loop in loops:
        loop.seconds(2)
    times = [
        [1e3 * loop.seconds(count) / count for loop, count in zip(loops, steps, strict=True)]
        for _ in range(rounds)
    ]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def slope(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The exponent p of the least-squares fit times ~ sizes^p."""
    logs = [[math.log(value) for value in values] for values in (sizes, times)]
    return statistics.linear_regression(*logs).slope
