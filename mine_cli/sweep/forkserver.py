"""Where a sweep's processes come from: a server that has imported all that they need, once."""

import multiprocessing
import signal
import sys
from typing import Any

__all__ = ["context", "get_ready"]

# torch imports the last as soon as it makes an optimiser, which takes it as long as all the rest.
NEEDED = ["mine_cli.sweep.worker", "torch._dynamo"]


def context() -> Any:
    """Makes the processes; where there is no such server each imports for itself."""
    method = "spawn" if sys.platform == "win32" else "forkserver"
    found = multiprocessing.get_context(method)
    if method == "forkserver":
        found.set_forkserver_preload(NEEDED)
    return found


def get_ready() -> None:
    """Lets the server import while the sweep's jobs are composed."""
    if context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        # Ctrl-C is for the sweep, which tells its processes; the server, interrupted while it
        # imports, would tell where it was.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            ensure_running()
        finally:
            signal.signal(signal.SIGINT, before)
