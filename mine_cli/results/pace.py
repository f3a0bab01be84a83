"""Says what a long task has come to, so that nobody waits in silence."""

import logging
import time

__all__ = ["SILENCE", "Pace", "in_words"]

log = logging.getLogger("mine_cli")

SILENCE = 4.5  # seconds after which something is said


class Pace:
    """Says that something begins, and how far it is whenever it has been silent for long.

    Arguments:
        begins: What is said at once.
    """

    def __init__(self, begins: str) -> None:
        log.info("%s", begins)
        self.spoken = time.monotonic()

    def reached(self, line: str) -> None:
        """Says how far it is, unless something was said a moment ago."""
        if time.monotonic() - self.spoken > SILENCE:
            log.info("%s", line)
            self.spoken = time.monotonic()


def in_words(seconds: float) -> str:
    """Returns a time as one says it, to two figures."""
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{max(seconds, 0.1):.2g} seconds"
