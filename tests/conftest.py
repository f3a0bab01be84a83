"""What all tests share: known Gaussians, their true log-ratio, and fixed seeds."""

import gc
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from tests.program import blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

gc.disable()  # until all is imported, see below


@pytest.fixture(autouse=True)
def fixed_seed() -> Iterator[None]:
    """Every test starts from one state of torch's global stream, and leaves none behind."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is drawn whole, with fewer pixels and its parts where they happen to lie.

    More than half of a short run's time would be theirs, and most of that the measuring of labels.
    """
    from mine_cli.figures import style  # imports matplotlib, which few tests need

    save = style.save

    def coarser(figure: "Figure", *arguments: Any, **options: Any) -> Path:
        figure.set_dpi(30)
        figure.set_layout_engine("none")
        return save(figure, *arguments, **options)

    monkeypatch.setattr(style, "save", coarser)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is put together and saved, with nothing on it: where its file alone counts."""
    from mine_cli.figures import style

    monkeypatch.setattr(style.FigureCanvasAgg, "print_png", blank)


class GaussianLogRatio(nn.Module):
    """log p(x, z) / p(x) p(z) of standard Gaussians with corr(x_i, z_i) = rho: the optimal T."""

    def __init__(self, dim: int, rho: float) -> None:
        super().__init__()
        self.dim, self.rho = dim, rho

    def embed(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        return x, z

    def head(self, a: Tensor, b: Tensor) -> Tensor:
        rho, rest = self.rho, 1 - self.rho**2
        exponent = (2 * rho * a * b - rho**2 * (a.square() + b.square())) / (2 * rest)
        return exponent.sum(-1) - 0.5 * self.dim * math.log(rest)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(x, z)


def pytest_configure(config: pytest.Config) -> None:
    # One thread: several small tensors at a time gain nothing from more.
    torch.set_num_threads(1)
    # The secret that seals runs and sweeps is the tests' own.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="mine-run-tests-")


def pytest_collection_finish() -> None:
    # What is imported by now stays: a tenth of the time would go into looking through it again.
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    gc.freeze()  # else Python looks through all of it before it ends
