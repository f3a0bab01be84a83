"""What the program sets for its process is put back."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """What the program sets for its process is put back."""
    arguments, path, hook = sys.argv, [*sys.path], threading.excepthook
    terminate, raises = signal.getsignal(signal.SIGTERM), logging.raiseExceptions
    yield
    sys.argv, sys.path[:], threading.excepthook = arguments, path, hook
    signal.signal(signal.SIGTERM, terminate)
    logging.raiseExceptions = raises
