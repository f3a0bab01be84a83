"""The fork server of a sweep's processes, which imports once what all of them need."""

import multiprocessing
import signal
import sys
from typing import Any

__all__ = ["context", "get_ready"]

NEEDED = ["mine_cli.sweep.preloaded"]


def context() -> Any:
    """Returns the context that starts processes; without a fork server each imports by itself."""
    method = "spawn" if sys.platform == "win32" else "forkserver"
    found = multiprocessing.get_context(method)
    if method == "forkserver":
        found.set_forkserver_preload(NEEDED)
    return found


def get_ready() -> None:
    """Starts the server, which imports while the sweep itself does, and checks its jobs."""
    if context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        # Ctrl-C is for the sweep, which tells its processes; the server, interrupted while it
        # imports, would tell where it was.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            ensure_running()
        finally:
            signal.signal(signal.SIGINT, before)
