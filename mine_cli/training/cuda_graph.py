"""A training step as one CUDA graph: recorded once, then replayed without Python in between.

Small networks leave a GPU waiting for the thousand calls of a step; a graph makes one of them.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from mine_cli.errors import RunFailed

__all__ = ["RecordedStep", "rates_on_device"]

Metrics = dict[str, Tensor]

UNRECORDED = 3  # steps that are taken as they are: optimisers and libraries prepare themselves


class RecordedStep:
    """Takes a step as it is for a few times, then replays a recording of it.

    Arguments:
        step: works on the same tensors whenever it is called, and never waits for the device.
        generators: the random streams that it draws from, which go on as they would without.

    Raises:
        RunFailed: for a step that cannot be recorded.
    """

    def __init__(self, step: Callable[[], Metrics], generators: Iterable[torch.Generator]) -> None:
        self.step, self.taken = step, 0
        self.metrics: Metrics = {}
        self.stream = torch.cuda.Stream()
        self.graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self.graph.register_generator_state(generator)

    def __call__(self) -> Metrics:
        """Takes a step; what a recorded one returns is written over by the next."""
        if self.taken < UNRECORDED:
            self.metrics = self.on_own_stream()
        else:
            if self.taken == UNRECORDED:
                self.record()
            self.graph.replay()
        self.taken += 1
        return self.metrics

    def on_own_stream(self) -> Metrics:
        """Takes the step itself, on the stream where it is to be recorded."""
        here = torch.cuda.current_stream()
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            metrics = self.step()
        here.wait_stream(self.stream)
        return metrics

    def record(self) -> None:
        """Records a step, while which nothing is computed."""
        try:
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.metrics = self.step()
        except RuntimeError as stop:
            said = str(stop).splitlines()[0]
            raise RunFailed(
                f"trainer.compile=true: the step cannot be recorded as a CUDA graph ({said}); "
                "trainer.compile=false takes it call by call"
            ) from stop


def rates_on_device(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Makes the learning rates tensors, which a recorded step reads anew each time."""
    for group in optimizer.param_groups:
        rate = float(group["lr"])
        group.setdefault("initial_lr", rate)
        group["lr"] = torch.tensor(rate, device=device)
