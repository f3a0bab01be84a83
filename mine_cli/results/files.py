"""Atomic writes: files that are whole at every moment, whatever ends the process."""

import csv
import io
import json
import math
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mine_cli.errors import RunFailed

__all__ = ["Result", "read_json", "write_atomically", "write_csv", "write_json"]


Result = dict[str, Any]
"""What stands in a file of JSON such as result.json: key -> text, number, list or mapping."""


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
        temporary.unlink(missing_ok=True)
        # Made anew, never through a link that somebody has put there.
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        kept = "; what was there before is intact" if path.exists() else ""
        raise RunFailed(f"cannot write {path}: {reason}{kept}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_csv(
    path: Path,
    rows: Iterable[Mapping[str, object]],
    shared: bool = False,
    first: Sequence[str] = (),
) -> None:
    """Writes a table, whole or not at all; what is not known is empty.

    A text that a spreadsheet would take for a formula stands behind an apostrophe.

    Arguments:
        rows: of values by column; a column that some rows lack stands where it first appears.
        shared: as in `write_atomically`.
        first: the first columns, which are there even without a row.
    """
    rows = list(rows)
    buffer = io.StringIO()
    columns = list(dict.fromkeys([*first, *(column for row in rows for column in row)]))
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(plain_cell, columns))
    writer.writerows([plain_cell(row.get(column, "")) for column in columns] for row in rows)
    write_atomically(path, buffer.getvalue().encode(), shared)


def plain_cell(value: object) -> object:
    """Returns a cell that no spreadsheet takes for a formula."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def write_json(path: Path, value: Result) -> None:
    """Writes strict JSON atomically: what is infinite or not a number becomes null."""
    text = json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode())


def read_json(path: Path) -> Result:
    """Reads what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def plain(value: object) -> object:
    """The same tree in JSON's own types; numpy and torch scalars and arrays are unwrapped."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
