"""Reads and writes what a job leaves in its folder: `job.json`, its result, its checkpoints."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from mine_cli.errors import BadInput
from mine_cli.results.files import Result, read_json, write_json
from mine_cli.results.folder import LEFT

__all__ = [
    "check_same", "finished", "read_mapping", "read_record", "recorded", "resumable", "start_over",
    "write_record",
]  # fmt: skip

JOB_JSON = "job.json"


def write_record(folder: Path, status: str, **found: object) -> None:
    """Writes job.json.

    Arguments:
        folder: of the job.
        status: running, failed, interrupted or finished.
        found: `error`, one line; `seconds`; `objective`; `fingerprint`.
    """
    empty = {"error": None, "seconds": None, "objective": None, "fingerprint": None}
    write_json(folder / JOB_JSON, {"status": status, **empty, **found})


def read_record(folder: Path) -> Result:
    """Returns the contents of job.json; empty where there is none."""
    return read_mapping(folder / JOB_JSON)


def finished(folder: Path, retry_diverged: bool) -> Result | None:
    """Returns the result of a job that need not run again; None where it must."""
    result = read_mapping(folder / "result.json")
    if not complete(result) or (result.get("status") == "diverged" and retry_diverged):
        return None
    return result


def complete(result: Result) -> bool:
    """Tells whether a result was written to its end, with references and figures beside it."""
    return bool(result) and result.get("complete", True)


def recorded(folder: Path) -> str | None:
    """Returns the fingerprint of the job whose result or checkpoint is in a folder, else None.

    A failed job counts as none: what it failed of may have been mended since.
    """
    if (folder / "result.json").exists():
        return read_mapping(folder / "result.json").get("fingerprint", "")
    record = read_record(folder)
    if (folder / "checkpoints" / "last.pt").exists() and record.get("status") != "failed":
        return record.get("fingerprint") or ""
    return None


def check_same(folder: Path, fingerprint: str) -> None:
    """Raises BadInput where a result or a checkpoint in the folder is not of this job."""
    if recorded(folder) not in (None, fingerprint):
        raise BadInput(
            f"{folder}: holds a job of another configuration, data or code; name another sweep_dir"
        )


def resumable(folder: Path, fingerprint: str) -> bool:
    """Tells whether a job has a checkpoint to resume from, and no complete result."""
    return (
        not complete(read_mapping(folder / "result.json"))
        and (folder / "checkpoints" / "last.pt").exists()
        and read_record(folder).get("fingerprint") == fingerprint
    )


def start_over(folder: Path) -> None:
    """Removes the files of an earlier attempt, so that a job starts at its first step."""
    for name in LEFT:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def read_mapping(path: Path) -> Result:
    """Returns what a file of a job holds; nothing where there is none.

    Raises:
        BadInput: it is damaged.
    """
    try:
        found = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        found = None
    if not isinstance(found, Mapping):
        raise BadInput(f"{path}: damaged: no JSON as mine-run writes it; take it away")
    return dict(found)
