"""A run of `task=ali` as its folder tells it: what was kept at which step, and how it scored."""

from functools import cached_property
from pathlib import Path
from typing import Self

from numpy import ndarray

from mine_cli.figures import style
from mine_cli.figures.gan.run import load, percent, score
from mine_cli.figures.run import Run

__all__ = ["COLOURS", "NAMES", "ALIRun"]

NAMES = {
    "ali": "ALI",
    "ali_mine": "ALI + MINE",
    "alice_l2": "ALICE (l2)",
    "alice_adversarial": "ALICE (adversarial)",
}
COLOURS = {
    "ali": style.ORANGE,
    "ali_mine": style.BLUE,
    "alice_l2": style.GREEN,
    "alice_adversarial": style.PINK,
}
SCORES = ("own_mode", "reconstruction_error", "modes", "kl")


class ALIRun(Run):
    """Reads the files of one run, with samples/*.npz."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the run in a folder; until there is a result, its first file tells the method."""
        run, data = super().read(folder), folder / "samples" / "data.npz"
        told = load(data) if not run.result and data.exists() else {}
        if "method" not in told:
            return run
        return cls(folder, {"method": {"name": str(told["method"])}, "seed": int(told["seed"])})

    @cached_property
    def steps(self) -> list[int]:
        """The steps whose samples were kept, ascending."""
        names = [file.stem for file in (self.folder / "samples").glob("*.npz")]
        return sorted(int(name) for name in names if name.isdecimal())

    @cached_property
    def last(self) -> dict[str, ndarray]:
        """What was kept at the last step: samples ``x``, ``rows``, ``rebuilt``, ``code``, and
        where known the ``label`` of the rows."""
        return load(self.folder / "samples" / f"{self.steps[-1]:08d}.npz")

    @cached_property
    def data(self) -> ndarray | None:
        """As many data as samples: points ``[n, 2]`` or images ``[n, C, H, W]``."""
        path = self.folder / "samples" / "data.npz"
        return load(path)["x"] if path.exists() else None

    @property
    def method(self) -> str:
        """The method's name; empty where no result says it."""
        return str((self.result.get("method") or {}).get("name") or "")

    @property
    def name(self) -> str:
        """Method and seed, and the status where it is one to know of."""
        return self.named(NAMES.get(self.method, self.method))

    @property
    def colour(self) -> str:
        """The method's; black as long as it is not known."""
        return COLOURS.get(self.method, style.BLACK)

    @property
    def images(self) -> bool:
        """Whether the samples are images."""
        return self.last["x"].ndim == 4

    def scored(self) -> list[str]:
        """Returns the known scores of the last step in words: reconstructions, then samples."""
        found = {}
        for key in SCORES:
            curve = dict(zip(*self.curve(f"ali/{key}"), strict=True))
            value = self.metric(key)
            found[key] = curve.get(self.steps[-1]) if value is None else value
        rebuilt, sampled = [], []
        if found["own_mode"] is not None:
            rebuilt.append(f"reconstructed as its own {percent(found['own_mode'])}")
        if found["reconstruction_error"] is not None:
            rebuilt.append(f"error {score(found['reconstruction_error'])}")
        if found["modes"] is not None:
            sampled.append(f"{found['modes']:,.0f} modes sampled")
        if found["kl"] is not None:
            sampled.append(f"KL {score(found['kl'])}")
        return [", ".join(parts) for parts in (rebuilt, sampled) if parts]

    def titled(self) -> str:
        """Returns lines: the run and the last step, and below it its scores."""
        head = ", ".join(filter(None, [self.name, f"step {self.steps[-1]:,}"]))
        return "\n".join([head, *self.scored()])
