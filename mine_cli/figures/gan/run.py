"""A run of `task=gan` as its folder tells it: what was drawn at which step, and how it scored."""

import math
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy
from numpy import ndarray

from mine_cli.figures import style
from mine_cli.figures.run import Run

__all__ = ["GanRun", "arm_name", "score"]

SCORES = ("modes", "kl", "high_quality")


class GanRun(Run):
    """Reads the files of one run, with samples/*.npz."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the run in a folder; until there is a result, its first file tells the arm."""
        run, data = super().read(folder), folder / "samples" / "data.npz"
        told = load(data) if not run.result and data.exists() else {}
        if "beta" not in told:
            return run
        return cls(folder, {"gan": {"beta": told["beta"]}, "seed": told["seed"]})

    @cached_property
    def steps(self) -> list[int]:
        """The steps whose samples were kept, ascending."""
        names = [file.stem for file in (self.folder / "samples").glob("*.npz")]
        return sorted(int(name) for name in names if name.isdecimal())

    @property
    def beta(self) -> float:
        """The weight of the information term; NaN where no result says it."""
        found = (self.result.get("gan") or {}).get("beta")
        return math.nan if found is None else float(found)

    @property
    def name(self) -> str:
        """Arm and seed, and the status where it is one to know of."""
        return self.named(arm_name(self.beta))

    def headed(self, *said: str) -> str:
        """Returns the run's name, then what there is to say of it."""
        return ": ".join(part for part in (self.name, *said) if part)

    @property
    def colour(self) -> str:
        """The arm's; black as long as it is not known."""
        if math.isnan(self.beta):
            return style.BLACK
        return style.ORANGE if self.beta == 0 else style.BLUE

    @cached_property
    def data(self) -> ndarray | None:
        """As many data as samples: points ``[n, 2]`` or images ``[n, C, H, W]``."""
        path = self.folder / "samples" / "data.npz"
        return load(path)["x"] if path.exists() else None

    @property
    def modes(self) -> int | None:
        """How many modes the data has; None where nobody judged the samples."""
        histogram = self.at(self.steps[-1]).get("histogram") if self.steps else None
        return None if histogram is None else len(histogram)

    def at(self, step: int) -> dict[str, ndarray]:
        """Returns what was kept at a step: ``x``, if judged ``histogram``, for points
        ``good_histogram``."""
        return load(self.folder / "samples" / f"{step:08d}.npz")

    def images(self) -> bool:
        """Whether the samples are images; of a run without samples, whether the data is."""
        x = self.at(self.steps[-1])["x"] if self.steps else self.data
        return x is not None and x.ndim == 4

    def scored(self, step: int, floor: bool = False) -> str:
        """Returns the known scores at a step in words, such as "25 of 25 modes, KL 0.012, high
        quality 63 %": those of the last step as the result has them, where the run ended well;
        with the floor, what KL chance alone leaves a perfect generator."""
        curves = {key: dict(zip(*self.curve(f"gan/{key}"), strict=True)) for key in SCORES}
        found = {key: curve[step] for key, curve in curves.items() if step in curve}
        if step == self.steps[-1]:
            found |= {key: v for key in SCORES if (v := self.metric(key)) is not None}
        least, parts = self.metric("kl_floor") if floor else None, []
        if "modes" in found:
            there = "" if self.modes is None else f" of {self.modes:,}"
            parts.append(f"{found['modes']:,.0f}{there} modes")
        if "kl" in found:
            beside = "" if least is None else f" (a perfect generator: {score(least)})"
            parts.append(f"KL {score(found['kl'])}{beside}")
        if "high_quality" in found:
            parts.append(f"high quality {percent(found['high_quality'])}")
        return ", ".join(parts)

    def titled(self, floor: bool = False) -> str:
        """Returns two lines: the run, and below it its last samples' step and scores."""
        step = self.steps[-1]
        said = ": ".join(filter(None, [f"samples of step {step:,}", self.scored(step, floor)]))
        return "\n".join(filter(None, [self.name, said]))


def load(path: Path) -> dict[str, ndarray]:
    """All arrays of a file."""
    with numpy.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def arm_name(beta: float) -> str:
    """Returns what is compared, such as "GAN + MINE (beta = 1)"; nothing of an unknown beta."""
    if math.isnan(beta):
        return ""
    return f"GAN + MINE (beta = {beta:g})" if beta else "GAN (beta = 0)"


def score(nats: float) -> str:
    """Returns a divergence with as many decimals as are worth reading."""
    if abs(nats) < 0.01:
        return f"{nats:.2g}"
    return f"{nats:.3f}" if abs(nats) < 1 else f"{nats:.2f}"


def percent(share: float) -> str:
    """A share in per cent; its decimals only at the ends, where they matter."""
    shown = 100 * share
    if shown < 10:
        return f"{shown:.2g} %"
    return f"{shown:.0f} %" if shown <= 99 else f"{shown:.3g} %"
