"""Files that are whole at every moment, whatever ends the process."""

import csv
import io
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mine_cli.errors import RunFailed

__all__ = ["as_typed", "write_atomically", "write_csv"]


def as_typed(path: Path) -> str:
    """A path as one would type it here: relative where it lies below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def write_atomically(path: Path, content: bytes, shared: bool = False) -> None:
    """Replaces a file in one step: at any moment it is the old one or the new one, complete.

    Arguments:
        shared: other processes may write the same file at the same time: the last one stands.

    Raises:
        RunFailed: the content could not be written; the old file stands, no other is left.
    """
    # In the same folder, because a rename is atomic only inside one file system; a fixed name,
    # so that what a killed process left is overwritten by the next attempt. Processes that share
    # the file would take such a name away from one another.
    own = f".{secrets.token_hex(4)}" if shared else ""
    temporary = path.with_name(f".{path.name}{own}.tmp")
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


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], shared: bool = False) -> None:
    """Writes a table, whole or not at all; what is not known is empty.

    Arguments:
        rows: of values by column; a column that some rows lack stands where it first appears.
        shared: as in `write_atomically`.
    """
    rows = list(rows)
    buffer = io.StringIO()
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, buffer.getvalue().encode(), shared)
