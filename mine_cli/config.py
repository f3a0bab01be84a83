"""The configuration: where conf/ lies, its schemas, and what is checked before a run."""

import logging
from pathlib import Path

from mine_cli.schemas import register
from mine_cli.validation import validate

__all__ = ["BelowWarning", "conf_dir", "register", "validate"]


class BelowWarning(logging.Filter):
    """Keeps warnings and errors off stdout; another handler shows them on stderr."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING


def conf_dir() -> str:
    """The config root: inside the package in a wheel, one level up in a checkout."""
    here = Path(__file__).resolve().parent
    return str(next(d for d in (here / "conf", here.parent / "conf") if d.is_dir()))


register()
