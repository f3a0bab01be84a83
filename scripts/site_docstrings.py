"""Docstrings as Markdown for the pages of the Python interface, as an extension of griffe.

They are written for Sphinx's eyes too: roles, directives and `|` lines are not Markdown.
"""

import re
import textwrap
from typing import Any

import griffe
from latex2mathml.converter import convert

__all__ = ["Markdown", "as_markdown"]

INDENTED = r"(?:\n(?:[ \t]+\S.*)?)*"
"""The rest of a directive: lines that are indented, or empty."""


class Markdown(griffe.Extension):
    """Rewrites each docstring before it is parsed into its sections."""

    def on_instance(self, *, obj: griffe.Object, **others: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    text = re.sub(r":(?:func|class|meth|mod|attr):`~?([^`]+)`", r"`\1`", text)
    text = re.sub(r":math:`([^`]+)`", lambda found: convert(found[1]), text)
    text = re.sub(rf"^\.\. math::(.*{INDENTED})", display, text, flags=re.MULTILINE)
    text = re.sub(rf"^\.\. code-block:: (\w+)({INDENTED})", fence, text, flags=re.MULTILINE)
    text = re.sub(
        r"^    (\w+(?:, \w+)+)(: .*(?:\n {8,}.*)*)", one_by_one, text, flags=re.MULTILINE
    )
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    return re.sub(r"^References:\n((?: .*(?:\n|\Z))+)", references, text, flags=re.MULTILINE)


def display(found: re.Match[str]) -> str:
    formula = convert(" ".join(found[1].split()), display="block")
    return f'<div class="formula">{formula}</div>\n\n'


def fence(found: re.Match[str]) -> str:
    return f"```{found[1]}\n{textwrap.dedent(found[2]).strip()}\n```\n\n"


def one_by_one(found: re.Match[str]) -> str:
    """Arguments that share their words, each with them."""
    return "\n".join(f"    {name}{found[2]}" for name in found[1].split(", "))


def references(found: re.Match[str]) -> str:
    """One item for each source; it ends with an address, if it has one."""
    lines = [line.strip().removeprefix("|").strip() for line in found[1].splitlines()]
    items: list[str] = []
    for line in filter(None, lines):
        told = re.sub(r"(https?://\S+)", r"<\1>", line)
        if items and not items[-1].endswith(">"):
            items[-1] += f" {told}"
        else:
            items.append(told)
    return "\n".join(["**References:**", "", *(f"- {item}" for item in items), ""])
