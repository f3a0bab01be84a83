"""Values in the grammar of Hydra's overrides, and back."""

from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

__all__ = ["override", "quoted", "unquoted", "written"]


def quoted(text: str) -> str:
    """Returns a value that Hydra's grammar reads back as this text, whatever it holds."""
    return QuotedString(text, Quote.single).with_quotes()


def unquoted(text: str) -> str:
    """Returns what a typed value says in Hydra's grammar, or the text where it does not fit."""
    try:
        value = OverridesParser.create().parse_override(f"resume={text}").value()
    except HydraException:
        return text
    # A list or a choice in the grammar is a folder's name with a comma in it.
    return "None" if value is None else value if isinstance(value, str) else text


def override(item: tuple[str, object]) -> str:
    """Returns one Hydra override, KEY=VALUE, from a Python value."""
    key, value = item
    return f"{key}={written(value)}"


def written(value: object) -> str:
    """Writes a Python value in Hydra's grammar; text is quoted, whatever it holds."""
    if value is None:
        return "null"
    if isinstance(value, (str, Path)):
        return quoted(str(value))
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(written, value))}]"
    return str(value)
