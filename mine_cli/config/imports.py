"""Imports of a process that is the command's own, in two thirds of their time."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["kept"]


@contextmanager
def kept() -> Iterator[None]:
    """What is imported in here is never looked through for garbage, of which it has none.

    Python would do so again and again while it imports, half a second in all, and for as long
    once more when the process ends. Nothing changes where torch has been imported before.
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
