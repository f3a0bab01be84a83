"""What the terminal shows: one stream for news, one for faults, silence where nobody reads."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["BelowWarning", "in_thread", "while_somebody_reads"]


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


def in_thread(stop: threading.ExceptHookArgs) -> None:
    """Tells of an error in a thread, but for a file that cannot be written."""
    if not issubclass(stop.exc_type, OSError):
        threading.__excepthook__(stop)
