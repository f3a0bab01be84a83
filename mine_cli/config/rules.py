"""What a key of the configuration is: its default, its rule with its words, its sentence."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "FILES",
    "FINITE",
    "FRACTIONS",
    "MOMENTS",
    "NAMES",
    "POSITIVE",
    "SEED",
    "SHARE",
    "SPLIT",
    "TABLE",
    "Rule",
    "at_least",
    "between",
    "each",
    "list_of",
    "one_of",
    "or_none",
    "ruled",
    "within",
]


@dataclass(frozen=True)
class Rule:
    """Holds a test on a value, and what to say where it fails: `must be ...`."""

    holds: Callable[[Any], bool]
    says: str


def ruled(default: object, rule: Rule | None, says: str) -> Any:
    """Returns a dataclass field: its default, the rule of its value, and a sentence about it.

    `mine-run --help` and the reference of keys show the sentence, and the rule behind it.
    """
    metadata = {"rule": rule, "says": says}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def at_least(low: float) -> Rule:
    return Rule(lambda value: math.isfinite(value) and value >= low, f"must be at least {low}")


def between(low: float, high: float) -> Rule:
    """Returns the rule of an open interval: both ends excluded."""
    return Rule(lambda value: low < value < high, f"must lie strictly between {low} and {high}")


def within(low: int, high: int) -> Rule:
    """Both ends included."""
    return Rule(lambda value: low <= value <= high, f"must lie between {low} and {high}")


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


def _files(value: str | Sequence[object]) -> bool:
    words = [value] if isinstance(value, str) else value
    return len(words) in (1, 2) and all(isinstance(word, str) for word in words)


def _names(value: object) -> bool:
    names = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return all(map(_is_name, names))


def _is_name(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _table(value: Sequence[object]) -> bool:
    rows = [row for row in value if isinstance(row, Sequence) and not isinstance(row, str)]
    cells = [cell for row in rows for cell in row]
    numbers = (isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)
    return len(rows) == len(value) and all(numbers)


FILES = Rule(_files, "must be a file, or a list of two .npy files")
NAMES = Rule(_names, "must be a name, or a list of names; quote what reads otherwise twice")
FRACTIONS = Rule(_three_shares, "must be three positive shares (fit, select, report) with sum 1")
MOMENTS = Rule(_two_moments, "must be two shares in [0, 1), Adam's two moving averages")
FINITE = Rule(math.isfinite, "must be finite")
POSITIVE = Rule(lambda value: math.isfinite(value) and value > 0, "must be positive and finite")
SEED = Rule(lambda value: 0 <= value < 2**32, "must lie between 0 and 2^32 - 1")
SHARE = Rule(lambda value: 0 < value <= 1, "must lie in (0, 1]")
TABLE = Rule(_table, "must be a list of rows, each a list of probabilities")
SPLIT = Rule(
    lambda value: re.fullmatch(r"random|blocks|groups:.+", value) is not None,
    "must be random, blocks or groups:COLUMN",
)
