"""How far a training is: a bar on a terminal, log lines elsewhere."""

import logging
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

from mine_cli.results.numbers import per_nat

__all__ = ["Progress"]

log = logging.getLogger("mine_cli")

FORMAT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {remaining} {rate_fmt}{postfix}"


class Progress:
    """Shows the estimate, the truth, the loss and the speed while a task is trained.

    Arguments:
        steps: The number of steps that make a whole.
        unit: "nats" or "bits".
        wanted: Whether a bar may be shown; it is only where stderr is a terminal.
        counted: What a step is called, in the plural.
    """

    def __init__(
        self, steps: int, unit: str = "nats", wanted: bool = True, counted: str = "steps"
    ) -> None:
        self.steps, self.counted = steps, counted
        self.unit = unit
        self.wanted = wanted
        self.bar: tqdm | None = None
        self.latest: dict[str, float] = {}

    @contextmanager
    def shown(self, step: int = 0) -> Iterator[None]:
        """Shows the bar from this step on, and keeps log lines that come meanwhile above it."""
        if not (self.wanted and sys.stderr.isatty()):
            yield
            return
        # Not the size that tqdm reads: where a terminal tells none, it takes that for no room.
        size = shutil.get_terminal_size()
        bar = tqdm(
            initial=step,
            total=self.steps,
            unit=f" {self.counted}",
            ncols=size.columns,
            nrows=size.lines,
            bar_format=FORMAT,
        )
        with bar, lines_above_bar():
            self.bar = bar
            yield
        self.bar = None

    def advance(self) -> None:
        """Counts one step."""
        if self.bar is not None:
            self.bar.update()

    def show(self, step: int, metrics: Mapping[str, float]) -> None:
        """Shows the metrics of a step; where there is a bar, the line goes to files alone."""
        self.latest |= metrics
        # A line tells what is new; the bar keeps the latest estimate in sight.
        parts = [*self.numbers(metrics), *self.loss()]
        if self.bar is not None:
            self.bar.set_postfix_str(", ".join(self.numbers(self.latest)))
        rate = self.latest.get("time/steps_per_second")
        speed = [] if rate is None else [f"{rate:,.{0 if rate > 10 else 1}f} {self.counted}/s"]
        line = "  ".join([f"{self.counted.removesuffix('s')} {step}/{self.steps}", *parts, *speed])
        log.info(line, extra={"beside_bar": True})

    def numbers(self, values: Mapping[str, float]) -> list[str]:
        """Estimate and truth, modes and divergence, as far as they are known."""
        factor = per_nat(self.unit)
        parts = []
        if "gan/modes" in values:
            parts.append(f"modes {values['gan/modes']:.0f}")
        if "gan/kl" in values:
            parts.append(f"kl {values['gan/kl'] * factor:.4f} {self.unit}")
        if "classifier/accuracy" in values:
            parts.append(f"accuracy {100 * values['classifier/accuracy']:.2f} %")
        if "mi/estimate" in values:
            parts.append(f"mi {values['mi/estimate'] * factor:.4f} {self.unit}")
        if "mi/true" in values:
            parts.append(f"true {values['mi/true'] * factor:.4f}")
        return parts

    def loss(self) -> list[str]:
        """The first loss among the metrics."""
        losses = [tag for tag in self.latest if tag.endswith("loss") or tag.startswith("loss/")]
        return [f"loss {self.latest[tag]:.4f}" for tag in losses[:1]]


class AboveBar:
    """A text stream that writes above the bar instead of into it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        """Writes whole lines and draws the bar again below them."""
        tqdm.write(text, file=self.stream, end="")

    def flush(self) -> None:
        """Nothing waits to be written."""
        self.stream.flush()


@contextmanager
def lines_above_bar() -> Iterator[None]:
    """Sends the console's log lines above the bar, but for those that repeat its numbers."""

    def other(record: logging.LogRecord) -> bool:
        return not getattr(record, "beside_bar", False)

    loggers = (logging.getLogger(), log)
    handlers = {
        handler: handler.stream
        for logger in loggers
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler)
        and handler.stream in (sys.stdout, sys.stderr)
    }
    for handler, stream in handlers.items():
        handler.setStream(AboveBar(stream))
        handler.addFilter(other)
    try:
        yield
    finally:
        for handler, stream in handlers.items():
            handler.setStream(stream)
            handler.removeFilter(other)
