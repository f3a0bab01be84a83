"""The signals that ask a run to end: it finishes its step and saves."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupts"]


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
