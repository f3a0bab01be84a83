"""A run of `task=infobottleneck` as its folder tells it: method, scores, measures of I(X; Z)."""

import math
from dataclasses import dataclass

from mine_cli.figures import style
from mine_cli.figures.run import Run
from mine_cli.results.metrics import METRICS
from mine_cli.results.numbers import known

__all__ = ["MEASURES", "BottleneckRun", "Look", "look_of", "order_of", "percent"]


@dataclass(frozen=True)
class Look:
    """Holds how a method is drawn: colour, and for grey print a marker and a line of its own."""

    colour: str
    marker: str
    line: str = "-"


# In the order of the paper's table.
LOOKS = {
    "none": Look(style.BLACK, "X"),
    "dropout": Look(style.GREY, "s", "--"),
    "confidence_penalty": Look(style.PINK, "v", "-."),
    "label_smoothing": Look(style.PINK, "^", ":"),
    "vib": Look(style.ORANGE, "o"),
    "vib_additive": Look(style.YELLOW, "s", ":"),
    "mine_gaussian": Look(style.GREEN, "^", "-."),
    "mine_propagated": Look(style.SKY, "v", ":"),
    "mine_additive": Look(style.BLUE, "D"),
}
ANY_OTHER = Look(style.GREY, "P", "--")
MEASURES = [METRICS["infobottleneck"][key] for key in ("i_xz_reference", "i_xz_term", "kl")]
"""The ways to know I(X; Z), the best first."""


def look_of(method: str) -> Look:
    """Returns the look of a method; one that the package does not have is grey."""
    return LOOKS.get(method, ANY_OTHER)


def order_of(method: str) -> tuple[int, str]:
    """Returns a key that sorts by the paper's order, then all others by name."""
    return (list(LOOKS).index(method) if method in LOOKS else len(LOOKS), method)


class BottleneckRun(Run):
    """Reads the files of one run."""

    @property
    def method(self) -> str:
        """The method's name; nothing where no result says it."""
        return str((self.result.get("method") or {}).get("name") or "")

    @property
    def information(self) -> str:
        """What weighs on I(X; Z): "none", "kl" or "mine"."""
        return str((self.result.get("method") or {}).get("information") or "none")

    @property
    def beta(self) -> float:
        """The weight of the information; 0 where the method has none."""
        found = (self.result.get("method") or {}).get("beta")
        return 0.0 if found is None or self.information == "none" else float(found)

    @property
    def encoder(self) -> str:
        """The encoder's type, such as "Additive"."""
        target = (self.result.get("encoder") or {}).get("_target_") or ""
        return str(target).rpartition(".")[2]

    @property
    def arm(self) -> str:
        """What is compared, such as "vib, beta 0.001"; without information there is no beta."""
        plain = self.information == "none"
        return self.method if plain else f"{self.method}, beta {self.beta:g}"

    @property
    def name(self) -> str:
        """Method, beta and seed, and the status where it is one to know of."""
        return self.named(self.arm)

    @property
    def headed(self) -> str:
        """The run's name and its error, of the one or the many samples."""
        error, samples = self.metric("error_averaged"), self.samples
        if error is None:
            error, samples = self.metric("error"), "1 sample"
        said = None if error is None else f"test error {percent(error)} ({samples})"
        return ": ".join(filter(None, [self.name, said]))

    @property
    def look(self) -> Look:
        return look_of(self.method)

    @property
    def samples(self) -> str:
        """How many posterior samples the averaged scores have, in words."""
        count = self.metric("samples")
        return "several samples" if count is None else f"{count:,.0f} samples"

    @property
    def ceiling(self) -> float | None:
        """What the reference's lower end cannot exceed: the log of the test rows, in nats."""
        rows = self.metric("test_rows")
        return math.log(rows) if rows else None

    def strengths(self, key: str) -> dict[float, float]:
        """Returns errors by strength, ascending, from metrics such as "noise_errors"."""
        found = (self.result.get("metrics") or {}).get(key) or {}
        pairs = ((float(strength), known(found, strength)) for strength in found)
        return dict(sorted((s, error) for s, error in pairs if error is not None))


def percent(share: float) -> str:
    """Returns an error with the two decimals that a test set of ten thousand rows has."""
    return f"{100 * share:.2f} %"
