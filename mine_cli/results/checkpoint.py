"""Checkpoints: whole or not there, with checksums, and read without running any code."""

import io
import logging
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from mine_cli.errors import BadInput
from mine_cli.results.files import write_atomically

__all__ = ["State", "latest", "load", "of_training", "save"]

FORMAT = 1
MARK = "mine-run checkpoint"
WANTED = "expected a checkpoint written by mine-run (checkpoints/last.pt or best.pt of a run)"
# What zipfile and torch raise at files that are no checkpoints, or damaged ones.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, struct.error, pickle.UnpicklingError, RuntimeError, EOFError,
    KeyError, ValueError, TypeError, AttributeError, IndexError, NotImplementedError,
)  # fmt: skip

log = logging.getLogger("mine_cli")

State = dict[str, Any]
"""What a checkpoint holds: tensors, numbers, strings, lists and dictionaries of them."""


def save(path: Path, state: State) -> None:
    """Writes a checkpoint atomically; a full disk is one line and leaves the earlier file.

    Arguments:
        path: Where to, usually `checkpoints/last.pt` or `checkpoints/best.pt` of a run.
        state: The training's.
    """
    # Through memory: torch.save's own file writer turns a full disk into a RuntimeError.
    buffer = io.BytesIO()
    torch.save({MARK: FORMAT} | {key: compact(value) for key, value in state.items()}, buffer)
    write_atomically(path, buffer.getvalue())


def compact(state: object) -> object:
    """Views as tensors of their own: a file would hold all that a view is a part of, such as the
    weights of every job that one is trained with."""
    if isinstance(state, dict):
        return {key: compact(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(compact(value) for value in state)
    if isinstance(state, torch.Tensor) and state.untyped_storage().nbytes() > state.nbytes:
        return state.clone()
    return state


def load(path: Path) -> State:
    """Reads a checkpoint onto the CPU, without running any code that the file may hold.

    Raises:
        BadInput: there is no such file, it is not a checkpoint of this program, or it is not as
            it was written.
    """
    try:
        content = io.BytesIO(path.read_bytes())
        # A checkpoint is a zip archive with a checksum of each tensor, which torch does not read.
        with zipfile.ZipFile(content) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise BadInput(f"{path}: damaged, the checksum of {damaged} is another; {WANTED}")
        content.seek(0)
        state = torch.load(content, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file; {WANTED}") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}; {WANTED}") from error
    except UNREADABLE as error:
        raise BadInput(f"{path}: not a readable checkpoint; {WANTED}") from error
    if not isinstance(state, dict) or state.pop(MARK, None) != FORMAT:
        raise BadInput(f"{path}: a file of another program or version; {WANTED}")
    return state


def latest(folder: Path, quiet: bool = False) -> State | None:
    """The state that a run resumes from; None where there is no checkpoint.

    That of `last.pt` or, where that is damaged or was not written to its end, of the checkpoint
    before it; what is not as it should be is told, unless `quiet`.
    """
    tell = log.debug if quiet else log.warning
    last, earlier = (folder / "checkpoints" / name for name in ("last.pt", "earlier.pt"))
    if not earlier.exists():
        if last.exists():
            return of_training(last)
        tell("%s: no checkpoint; the training starts over, at step 0", last.parent)
        return None
    try:
        return of_training(last)
    except BadInput as stop:
        tell("%s; going on from %s", stop, earlier)
        return of_training(earlier)


def of_training(path: Path) -> State:
    """Reads a checkpoint that a training goes on from, which knows its step."""
    state = load(path)
    if not isinstance(state.get("step"), int):
        raise BadInput(f"{path}: damaged, it knows no step; {WANTED}")
    return state
