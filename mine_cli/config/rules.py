"""The rules that a single value in the configuration obeys, each with its words."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "FINITE",
    "FRACTIONS",
    "MOMENTS",
    "POSITIVE",
    "SEED",
    "SHARE",
    "SPLIT",
    "Rule",
    "at_least",
    "between",
    "each",
    "list_of",
    "one_of",
    "or_none",
    "ruled",
]


@dataclass(frozen=True)
class Rule:
    """Holds a test on a value, and what to say where it fails: `must be ...`."""

    holds: Callable[[Any], bool]
    says: str


def ruled(default: Any, rule: Rule) -> Any:
    """Returns a dataclass field: its default and the rule that its value obeys."""
    return field(default=default, metadata={"rule": rule})


def at_least(low: float) -> Rule:
    return Rule(lambda value: math.isfinite(value) and value >= low, f"must be at least {low}")


def between(low: float, high: float) -> Rule:
    """Returns the rule of an open interval: both ends excluded."""
    return Rule(lambda value: low < value < high, f"must lie strictly between {low} and {high}")


def one_of(*patterns: str, shown: str = "") -> Rule:
    """Returns the rule of a choice of words; a pattern that is no word is shown as `shown`."""
    words = [*(p for p in patterns if not shown or p.isidentifier()), *([shown] if shown else [])]
    return Rule(
        lambda value: any(re.fullmatch(pattern, value) for pattern in patterns),
        f"must be one of {', '.join(words)}",
    )


def or_none(rule: Rule) -> Rule:
    return Rule(lambda value: value is None or rule.holds(value), f"{rule.says}, or null")


def list_of(rule: Rule) -> Rule:
    """Returns the rule of a list that is not empty, each of whose elements obeys the rule."""
    return Rule(
        lambda value: len(value) > 0 and all(rule.holds(element) for element in value),
        f"must be a list that is not empty; each element {rule.says}",
    )


def each(rule: Rule) -> Rule:
    """Returns the rule of a list, maybe empty, each of whose elements obeys the rule."""
    return Rule(
        lambda value: all(rule.holds(element) for element in value),
        f"must be a list; each element {rule.says}",
    )


def _three_shares(value: Sequence[float]) -> bool:
    return len(value) == 3 and all(share > 0 for share in value) and abs(sum(value) - 1) < 1e-6


def _two_moments(value: Sequence[float]) -> bool:
    return len(value) == 2 and all(0 <= share < 1 for share in value)


FRACTIONS = Rule(_three_shares, "must be three positive shares (fit, select, report) with sum 1")
MOMENTS = Rule(_two_moments, "must be two shares in [0, 1), Adam's two moving averages")
FINITE = Rule(math.isfinite, "must be finite")
POSITIVE = Rule(lambda value: math.isfinite(value) and value > 0, "must be positive and finite")
SEED = Rule(lambda value: 0 <= value < 2**32, "must lie between 0 and 2^32 - 1")
SHARE = Rule(lambda value: 0 < value <= 1, "must lie in (0, 1]")
SPLIT = Rule(
    lambda value: re.fullmatch(r"random|blocks|groups:.+", value) is not None,
    "must be random, blocks or groups:COLUMN",
)
