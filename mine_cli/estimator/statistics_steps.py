"""How many steps the statistics network takes for one of whatever it measures."""

import logging
import math
import statistics

import torch
from torch import Tensor

__all__ = ["Pace"]

log = logging.getLogger("mine_cli")

PROBE_EVERY = 8  # calls: what a probe costs is spread over them
PROBES = 5  # to a decision
MOST_STEPS = 64
GAIN_THAT_MATTERS = 0.002  # nats


class Pace:
    """Keeps a statistics network near its optimum: more steps where more of them help.

    A probe keeps a part of a batch aside, takes the steps once and once more, and looks at what
    the second time added to the value on the rows aside, in nats. Of five probes in a row: a gain
    above two of its standard errors doubles the number of steps, one below one halves it.

    Attributes:
        steps: How many are taken now.
        outrun: Whether what is measured moves faster than the network can follow: the value of
            rows aside lies below zero by more than two standard errors, which information never
            does, or more steps than there may be would still help.
    """

    def __init__(self) -> None:
        self.steps, self.calls, self.outrun = 1, 0, False
        self.gains: list[float] = []
        self.values: list[float] = []

    def probes(self) -> bool:
        """Tells whether this call is a probe, and counts it."""
        self.calls += 1
        return self.calls % PROBE_EVERY == 0

    def record(self, gain: float, value: float) -> None:
        """Takes what a probe found, in nats, and decides after every fifth."""
        self.gains.append(gain)
        self.values.append(value)
        if len(self.gains) < PROBES:
            return
        gain, error = mean_and_error(self.gains)
        value, value_error = mean_and_error(self.values)
        self.gains, self.values = [], []
        helps = gain > max(2 * error, GAIN_THAT_MATTERS)
        before, self.outrun = self.outrun, value < -2 * value_error
        if helps:
            self.outrun |= self.steps == MOST_STEPS
            self.steps = min(2 * self.steps, MOST_STEPS)
        elif gain < error:
            self.steps = max(1, self.steps // 2)
        if self.outrun and not before:
            log.warning(
                "what is measured outruns the statistics network: %.3f +- %.3f nats on rows it "
                "did not train on, with %d steps a call; a larger lr for it, or a smaller one for "
                "yours, lets it follow",
                value,
                value_error,
                self.steps,
            )

    def state(self) -> Tensor:
        """Returns all of it as numbers, for `restore`."""
        head = [self.steps, self.calls, self.outrun, len(self.gains)]
        return torch.tensor([*head, *self.gains, *self.values], dtype=torch.float64)

    def restore(self, state: Tensor) -> None:
        """Goes on from a `state`."""
        steps, calls, outrun, probes, *rest = state.tolist()
        self.steps, self.calls, self.outrun = int(steps), int(calls), bool(outrun)
        self.gains, self.values = rest[: int(probes)], rest[int(probes) :]


def mean_and_error(numbers: list[float]) -> tuple[float, float]:
    """Returns a mean and its standard error."""
    return statistics.fmean(numbers), statistics.stdev(numbers) / math.sqrt(len(numbers))
