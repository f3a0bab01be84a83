"""What the terminal shows: one stream for news, one for faults, silence where nobody reads."""

import codecs
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from mine_cli.errors import say

__all__ = [
    "BelowWarning",
    "News",
    "any_terminal",
    "lost",
    "lost_output",
    "while_somebody_reads",
]

IN_ASCII = {
    "±": "+-", "−": "-", "–": "-", "×": "x", "≥": ">=", "≤": "<=", "σ": "sigma", "ρ": "rho",
    "α": "alpha", "γ": "gamma", "…": "...",
}  # fmt: skip
"""What is shown for a character that a terminal does not have; for all others it is `?`."""


def spelt(stop: UnicodeError) -> tuple[str, int]:
    """Replaces what cannot be encoded, and drops nothing."""
    if not isinstance(stop, UnicodeEncodeError):
        raise stop
    return "".join(IN_ASCII.get(c, "?") for c in stop.object[stop.start : stop.end]), stop.end


class News(logging.StreamHandler[TextIO]):
    """The log on stdout; notes whether a line could not be written there, as on a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:
        stop = sys.exc_info()[1]
        if isinstance(stop, OSError) and not isinstance(stop, BrokenPipeError):
            lost.append(stop)


lost: list[OSError] = []


codecs.register_error("mine_run.spelt", spelt)


def any_terminal() -> None:
    """Lets the program speak whatever its output is: closed, or short of characters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed: the next file that is opened would take its place
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="mine_run.spelt")


def lost_output() -> bool:
    """Tells whether some output could not be written, as on a full disk; says so, if it can."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as stop:
            if stream is sys.stdout and not isinstance(stop, BrokenPipeError):
                lost.append(stop)
            # What is left of it would fail once more as Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if lost:
        say(f"standard output: {lost[0].strerror}")
    return bool(lost)


class BelowWarning(logging.Filter):
    """Keeps warnings and errors off stdout, which another handler shows on stderr.

    Also what is only for the log files.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING and not getattr(record, "only_in_files", False)


@contextmanager
def while_somebody_reads() -> Iterator[None]:
    """Falls silent once whoever reads the output has read enough, as `mine-run --help | head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
