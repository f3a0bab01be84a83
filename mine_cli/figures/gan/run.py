"""A run of `task=gan` as its folder tells it: what was drawn at which step, and how it scored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy import ndarray

from mine_cli.errors import BadInput
from mine_cli.figures import style
from mine_cli.results.files import read_json
from mine_cli.results.numbers import known

__all__ = ["GanRun", "arm_name", "score"]

SCORES = ("modes", "kl", "high_quality")
UNREMARKABLE = ("ok", "running")


@dataclass(frozen=True)
class GanRun:
    """The files of one run; whatever is not there yet, or never came, is None or empty.

    Arguments:
        folder: With result.json, metrics.csv and samples/*.npz.
        result: What stands in result.json.
        steps: The steps whose samples were kept, ascending.
    """

    folder: Path
    result: Mapping[str, Any]
    steps: list[int]

    @classmethod
    def read(cls, folder: Path) -> "GanRun":
        path, data = folder / "result.json", folder / "samples" / "data.npz"
        names = [file.stem for file in (folder / "samples").glob("*.npz")]
        steps = sorted(int(name) for name in names if name.isdecimal())
        if path.exists():
            return cls(folder, read_json(path), steps)
        # Until there is a result, the first file of the run tells which arm it is.
        told = load(data) if data.exists() else {}
        result = {"gan": {"beta": told["beta"]}, "seed": told["seed"]} if "beta" in told else {}
        return cls(folder, result, steps)

    @property
    def beta(self) -> float:
        """The weight of the information term; NaN where no result says it."""
        found = (self.result.get("gan") or {}).get("beta")
        return math.nan if found is None else float(found)

    @property
    def name(self) -> str:
        """Arm and seed, and the status where it is one to know of."""
        seed, status = self.result.get("seed"), self.result.get("status")
        parts = [arm_name(self.beta), None if seed is None else f"seed {seed}"]
        parts.append(None if status in (None, *UNREMARKABLE) else str(status))
        return ", ".join(part for part in parts if part)

    def headed(self, *said: str) -> str:
        """The run's name, then what there is to say of it."""
        return ": ".join(part for part in (self.name, *said) if part)

    @property
    def colour(self) -> str:
        """The arm's; black as long as it is not known."""
        if math.isnan(self.beta):
            return style.BLACK
        return style.ORANGE if self.beta == 0 else style.BLUE

    @property
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
        """What was kept at a step: ``x``, if judged ``histogram``, for points ``good_histogram``.

        Raises:
            BadInput: nothing was kept at that step.
        """
        if step not in self.steps:
            kept = ", ".join(map(str, self.steps)) or "none"
            raise BadInput(f"step={step}: no samples in {self.folder}/samples; there: {kept}")
        return load(self.folder / "samples" / f"{step:08d}.npz")

    def images(self) -> bool:
        """Whether the samples are images; of a run without samples, whether the data is."""
        x = self.at(self.steps[-1])["x"] if self.steps else self.data
        return x is not None and x.ndim == 4

    def curve(self, tag: str) -> tuple[list[int], list[float]]:
        """One column of metrics.csv: the steps at which it stands, and its values."""
        return style.column(self.folder / "metrics.csv", tag)

    def scores(self, step: int) -> dict[str, float]:
        """Modes, KL (nats) and high-quality share at a step, those that are known."""
        logged = {key: dict(zip(*self.curve(f"gan/{key}"), strict=True)) for key in SCORES}
        found = {key: values[step] for key, values in logged.items() if step in values}
        return found | (self.final() if self.steps and step == self.steps[-1] else {})

    def final(self) -> dict[str, float]:
        """The scores that the run ended with; none where it did not end well."""
        return {k: v for k in (*SCORES, "kl_floor") if (v := self.metric(k)) is not None}

    def metric(self, key: str) -> float | None:
        """A finite number of the result's metrics."""
        return known(self.result.get("metrics") or {}, key)

    def scored(self, step: int, floor: bool = False) -> str:
        """The scores at a step in words, such as "25 of 25 modes, KL 0.012, high quality 63 %";
        with the floor, what KL chance alone leaves a perfect generator."""
        found, least = self.scores(step), self.metric("kl_floor") if floor else None
        parts = []
        if "modes" in found:
            there = "" if self.modes is None else f" of {self.modes:,}"
            parts.append(f"{found['modes']:,.0f}{there} modes")
        if "kl" in found:
            beside = "" if least is None else f" (a perfect generator: {score(least)})"
            parts.append(f"KL {score(found['kl'])}{beside}")
        if "high_quality" in found:
            parts.append(f"high quality {percent(found['high_quality'])}")
        return ", ".join(parts)


def load(path: Path) -> dict[str, ndarray]:
    """All arrays of a file."""
    with numpy.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def arm_name(beta: float) -> str:
    """What is compared, such as "GAN + MINE (beta = 1)"; nothing of an unknown beta."""
    if math.isnan(beta):
        return ""
    return f"GAN + MINE (beta = {beta:g})" if beta else "GAN (beta = 0)"


def score(nats: float) -> str:
    """A divergence with as many decimals as are worth reading."""
    if abs(nats) < 0.01:
        return f"{nats:.2g}"
    return f"{nats:.3f}" if abs(nats) < 1 else f"{nats:.2f}"


def percent(share: float) -> str:
    """A share in per cent; its decimals only at the ends, where they matter."""
    shown = 100 * share
    if shown < 10:
        return f"{shown:.2g} %"
    return f"{shown:.0f} %" if shown <= 99 else f"{shown:.3g} %"
