"""Checkpoints that survive whatever ends a run, and the signals that ask a run to end."""

import io
import pickle
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import torch

from mine_cli.errors import BadInput
from mine_cli.results.files import write_atomically

__all__ = ["Interrupts", "latest", "load", "random_state", "restore_random_state", "save"]

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


def random_state() -> dict[str, Any]:
    """The states of torch's global random streams, on every device."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Puts `random_state` back; a stream whose device is absent here is left out."""
    torch.set_rng_state(state["cpu"])
    for index, stream in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(stream, index)


class Interrupts:
    """A flag set by Ctrl-C or SIGTERM, so that a run can finish its step and save.

    A second signal acts as if nothing had been caught: it quits at once. Outside the main
    thread, where Python allows no handlers, nothing is caught. `caught` is the signal's number.

    Example:
        >>> with Interrupts() as interrupts:
        ...     interrupts.caught
        0
    """

    def __init__(self) -> None:
        self.caught = 0
        self.previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self.catch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self.previous.items():
            # None stands for a handler that was not installed from Python: it cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def catch(self, signal_number: int, frame: FrameType | None) -> None:
        """The handler: notes the first signal, dies by the second."""
        if self.caught:
            signal.signal(signal_number, signal.SIG_DFL)
            signal.raise_signal(signal_number)
        self.caught = signal_number
