"""Checkpoints that survive whatever ends a run, and the signals that ask a run to end."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from mine_cli.errors import BadInput
from mine_cli.results.files import write_atomically

__all__ = ["latest", "load", "save"]

FORMAT = 1
MARK = "mine-run checkpoint"


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint atomically; a full disk is one line and leaves the earlier file.

    Arguments:
        path: Where to, usually `checkpoints/last.pt` or `checkpoints/best.pt` of a run.
        state: Tensors, numbers, strings, lists and dictionaries of them.
    """
    # Through memory: torch.save's own file writer turns a full disk into a RuntimeError.
    buffer = io.BytesIO()
    torch.save({MARK: FORMAT, **compact(state)}, buffer)
    write_atomically(path, buffer.getvalue())


def compact(state: Any) -> Any:
    """Views as tensors of their own: a file would hold all that a view is a part of, such as the
    weights of every job that one is trained with."""
    if isinstance(state, dict):
        return {key: compact(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(compact(value) for value in state)
    if isinstance(state, torch.Tensor) and state.untyped_storage().nbytes() > state.nbytes:
        return state.clone()
    return state


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, without running any code that the file may hold.

    Raises:
        BadInput: there is no such file, or it is not a checkpoint of this program.
    """
    wanted = "expected a checkpoint written by mine-run (checkpoints/last.pt or best.pt of a run)"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file; {wanted}") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}; {wanted}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise BadInput(f"{path}: not a readable checkpoint; {wanted}") from error
    if not isinstance(state, dict) or state.pop(MARK, None) != FORMAT:
        raise BadInput(f"{path}: a file of another program or version; {wanted}")
    return state


def latest(folder: Path) -> dict[str, Any] | None:
    """The state that a run resumes from; None when it was killed before its first checkpoint."""
    path = folder / "checkpoints" / "last.pt"
    return load(path) if path.exists() else None
