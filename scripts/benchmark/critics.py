"""Many statistics networks of one shape, stepped as one model without the program around them."""

from itertools import product

from loops import ByHand
from omegaconf import OmegaConf

from mine_cli.api import composed
from mine_cli.tasks.registry import experiment_of
from mine_cli.training.device import device as device_of

__all__ = ["Critics"]

GRID = (
    "network.widths=[64,64]", "trainer.batch_size=128", "dataset.dim=2", "references=none",
    "task.select_rows=200", "task.report_rows=200",
)  # fmt: skip
BOUNDS = ("mine", "mine_f")
RHOS = (-0.99, -0.9, -0.7, -0.5, -0.3, -0.1, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)


class Critics(ByHand):
    """So many jobs of a grid of correlations and bounds, over as many seeds as it takes."""

    def __init__(self, number: int, device: str) -> None:
        super().__init__(device)
        like = [
            composed([*GRID, f"bound={bound}", f"trainer.device={device}"]) for bound in BOUNDS
        ]
        tasks = []
        for seed, rho, cfg in product(range(number), RHOS, like):
            if len(tasks) == number:
                break
            own = OmegaConf.merge(cfg, {"seed": seed, "dataset": {"rho": rho}})
            tasks.append(experiment_of(own).start(device_of(device)))
        self.together = tasks[0].stack(tasks[1:])
        self.taken = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.taken += 1
            self.together.step(self.taken)
