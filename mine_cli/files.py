"""Files that are whole at every moment, whatever ends the process."""

import os
from contextlib import suppress
from pathlib import Path

from mine_cli.errors import RunFailed

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file in one step: at any moment it is the old one or the new one, complete.

    Raises:
        RunFailed: the content could not be written; the old file stands, no other is left.
    """
    # In the same folder, because a rename is atomic only inside one file system; a fixed name,
    # so that what a killed process left is overwritten by the next attempt.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        line = f"cannot write {path}: {reason}; what was there before is intact"
        raise RunFailed(line) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
