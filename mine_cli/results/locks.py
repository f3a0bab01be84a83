"""A folder belongs to one process at a time, until that lets go of it or ends, however it ends.

The system's own locks, on the folder itself: nothing is left behind that would have to be removed.
"""

import os
import time
from pathlib import Path

from mine_cli.errors import BadInput

__all__ = ["check_place", "hold", "let_go", "locked"]

SECONDS_TO_SAVE = 5.0  # for what was interrupted or killed

held: list[int] = []  # the file descriptors of the folders of this process's run


def hold(folder: Path, told: str, shared: bool = False) -> None:
    """Keeps other processes out of a folder until `let_go`; as `locked`."""
    descriptor = locked(folder, told, shared)
    if descriptor is not None:
        held.append(descriptor)


def let_go() -> None:
    """Lets others into the folders that this process held for its run."""
    while held:
        os.close(held.pop())


def locked(folder: Path, told: str, shared: bool = False) -> int | None:
    """Keeps other processes out of a folder as long as this one lives, however it ends.

    A file descriptor; None where the system or the file system has no locks.

    Arguments:
        folder: Must be there.
        told: What another process is doing in it, as the fault says it.
        shared: Keeps out those alone who do not share it.

    Raises:
        BadInput: another process does not let go of it.
    """
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    patience = time.monotonic() + SECONDS_TO_SAVE
    while True:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > patience:
                os.close(descriptor)
                raise BadInput(f"{told}; wait for its end, or name another") from None
            time.sleep(0.1)
        except OSError:
            os.close(descriptor)
            return None


def check_place(key: str, folder: Path) -> None:
    """Raise BadInput where a folder cannot be made, or written in; it was given by this key."""
    try:
        there = next(
            p for p in (folder, *folder.absolute().parents) if p.exists() or p.is_symlink()
        )
    except OSError as stop:  # a name that is too long
        raise BadInput(f"{key}={folder}: {stop.strerror}; name another folder") from None
    if not there.is_dir():
        what = "a file" if there.exists() else "a link that leads nowhere"
        raise BadInput(f"{key}={folder}: {there} is {what}; name another folder")
    if not os.access(there, os.W_OK):
        raise BadInput(f"{key}={folder}: {there} is not writable; name another folder")
