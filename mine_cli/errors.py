"""The program's own errors: each ends a run with one line and the exit code it carries."""

import os
import re
import sys
import threading
import traceback
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType

__all__ = [
    "BadInput",
    "Diverged",
    "Interrupted",
    "RunFailed",
    "error_lines",
    "exit_code",
    "in_thread",
    "interrupt",
    "printable",
    "refuse",
    "say",
    "tell",
]


class RunFailed(Exception):
    """A run could not go on (a full disk, an unreadable folder): exit code 1."""

    exit_code = 1


class BadInput(RunFailed):
    """What the user asked for cannot be done: exit code 2, before any folder exists.

    Takes every fault at once, one line each: what is wrong, where, what would be right.
    """

    exit_code = 2

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def refuse(faults: Iterable[str]) -> None:
    """Raises BadInput with all of these faults, if there are any."""
    if told := tuple(faults):
        raise BadInput(*told)


class Diverged(RunFailed):
    """A NaN or an infinity in training; the last good checkpoint is kept: exit code 3."""

    exit_code = 3


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, after the run was saved: exit code 130 or 143."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.exit_code = 128 + signal_number


def exit_code(stop: Exception) -> int:
    """The exit code of a program that this ended."""
    return stop.exit_code if isinstance(stop, RunFailed) else RunFailed.exit_code


def interrupt(signal_number: int, frame: FrameType | None) -> None:
    """What SIGTERM does outside the training: the same as Ctrl-C."""
    raise Interrupted(signal_number)


def in_thread(stop: threading.ExceptHookArgs) -> None:
    """Tells of an error in a thread, but for a file that cannot be written: the run says that."""
    if not issubclass(stop.exc_type, OSError):
        threading.__excepthook__(stop)


def tell(stop: Exception) -> None:
    """One line for each fault on stderr; the traceback too where HYDRA_FULL_ERROR=1."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        traceback.print_exception(stop)
    for line in error_lines(stop):
        say(line)


def say(line: str) -> None:
    """One line on stderr, where that can be written."""
    with suppress(OSError):
        print(f"mine-run: {printable(line)}", file=sys.stderr)


def printable(text: str) -> str:
    """One line whatever it holds: control characters are escaped, as `\\n` and `\\x1b` are."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def error_lines(stop: Exception) -> list[str]:
    """An error in words: as it is for our own, with its type for another's."""
    if isinstance(stop, RunFailed):
        return str(stop).split("\n")
    if isinstance(stop, MemoryError) or "can't allocate memory" in str(stop):
        asked = re.search(r"allocate (\d+) bytes", str(stop))
        size = f": {int(asked[1]) / 1e9:,.0f} GB were asked for at once" if asked else ""
        return [f"not enough memory{size}; want fewer rows, pairs or a smaller batch"]
    if isinstance(stop, OSError) and stop.strerror:
        return [f"{stop.filename}: {stop.strerror}" if stop.filename else stop.strerror]
    return [f"{type(stop).__name__}: {' '.join(str(stop).split())}"]
