"""Data sets: what each of them offers, and the finite rows of one.

A data set needs no base class; what it has decides what it is good for:

- a sampler of pairs (x, z) without end has `Sampler`'s ``sample(n, generator)``; where it also
  has an `n` that is set, it is used as a fixed sample of n rows, drawn from its `seed`;
- finite pairs have `Finite`'s ``rows()``;
- what generators imitate has `Samples`' ``draw(n, generator)``, and `samples.Judge`'s
  ``judge(x)`` where there are modes;
- inputs with labels have `labelled.Supervised`'s ``labelled()``.

Beside these it may tell its mutual information (`HasTruth`), the files that it reads
(`HasFiles`), and a hash of what was in memory (`HasContent`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from mine_cli.errors import BadInput

if TYPE_CHECKING:
    from mine_cli.data.labelled import Labelled
    from mine_cli.data.tables.coding import Coding

__all__ = [
    "Finite", "HasContent", "HasFiles", "HasSeed", "HasSize", "HasTruth", "HasTruthNote", "Rows",
    "Sampler", "Samples", "counts", "entropies",
    "finite_rows",
]  # fmt: skip


@dataclass
class Rows:
    """Holds finite data: row i of `x` belongs to row i of `z`.

    Arguments:
        x: First variable, [n, ...], float32; float64 where float32 would lose detail.
        z: Second variable, the same.
        true_mi: Their mutual information in nats, None where it is not known.
        true_mi_note: Why it is known, or not.
        x_categorical: Every column of x is part of a one-hot code.
        z_categorical: The same for z.
        groups: Integer labels, [n], of rows that must not be parted by a split.
        warnings: One line each: what the user should know about these data.
        x_names: Names of x's columns, where they have any.
        z_names: Names of z's columns.
        kept: Which of the rows that were read these are, [n]; None: all.
        read: How many rows were read, those with gaps among them; None: as many as there are.
        gaps: How many rows lacked a value, for each column in which any did.
        given: Third variable w, [n, columns]: the information of x and z is that given w.
        given_categorical: Every column of w is part of a one-hot code.
        codings: How the columns of x and of z became numbers, where they were read so.
    """

    x: Tensor
    z: Tensor
    true_mi: float | None = None
    true_mi_note: str = ""
    x_categorical: bool = False
    z_categorical: bool = False
    groups: Tensor | None = None
    warnings: list[str] = field(default_factory=list)
    x_names: list[str] = field(default_factory=list)
    z_names: list[str] = field(default_factory=list)
    kept: Tensor | None = None
    read: int | None = None
    gaps: dict[str, int] = field(default_factory=dict)
    given: Tensor | None = None
    given_categorical: bool = False
    codings: "dict[str, Coding]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {"x": len(self.x), "z": len(self.z)}
        if self.given is not None:
            lengths["given"] = len(self.given)
        if self.groups is not None:
            lengths["groups"] = len(self.groups)
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {n} rows" for name, n in lengths.items())
            raise BadInput(f"dataset: {told}: want as many in each")

    def __len__(self) -> int:
        return len(self.x)


def counts(data: "Rows | Labelled") -> dict[str, object]:
    """Returns how many rows were read and are used, and the gaps for which others were left out.

    The keys are those of `rows` in result.json.
    """
    read = len(data) if data.read is None else data.read
    return {"read": read, "used": len(data), "gaps": data.gaps}


def entropies(rows: Rows) -> dict[str, float]:
    """Returns the entropy of x and of z where they are classes, by their shares, in nats."""
    sides = (("x", rows.x, rows.x_categorical), ("z", rows.z, rows.z_categorical))
    found = {}
    for name, values, categorical in sides:
        if categorical:
            shares = values.unique(dim=0, return_counts=True)[1].double() / len(values)
            found[name] = float(-(shares * shares.log()).sum())
    return found


@runtime_checkable
class Sampler(Protocol):
    """Draws n pairs without end: rows of x and z, float32, on the generator's device."""

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]: ...


@runtime_checkable
class Finite(Protocol):
    """Returns finite pairs, the same at each call."""

    def rows(self) -> Rows: ...


@runtime_checkable
class Samples(Protocol):
    """Draws n samples for a generator to imitate, [n, ...] float32, on its generator's device."""

    def draw(self, n: int, generator: Generator) -> Tensor: ...


@runtime_checkable
class HasSize(Protocol):
    """Has the number of rows of a fixed sample; None for fresh draws."""

    n: int | None


@runtime_checkable
class HasSeed(Protocol):
    """Has the seed of a fixed sample."""

    seed: int


@runtime_checkable
class HasTruth(Protocol):
    """Has its mutual information in nats; None where it is not known."""

    true_mi: float | None


@runtime_checkable
class HasTruthNote(Protocol):
    """Has the reason why its mutual information is known, or not."""

    true_mi_note: str


@runtime_checkable
class HasFiles(Protocol):
    """Has the files whose contents decide what it gives."""

    @property
    def files(self) -> Sequence[Path]: ...


@runtime_checkable
class HasContent(Protocol):
    """Has a hash of its data beside the contents of `files`, for a run's fingerprint."""

    @property
    def content(self) -> str: ...


def finite_rows(dataset: object) -> Rows | None:
    """Returns a data set's rows, or None for a sampler without end.

    A sampler with `n` set is drawn once, on the CPU from its own seed, so that the rows are the
    same on every device.
    """
    kind = type(dataset).__name__
    if isinstance(dataset, Finite) and callable(dataset.rows):  # no number of rows
        rows = dataset.rows()
        if not isinstance(rows, Rows):
            raise BadInput(f"dataset: {kind}.rows() gave {type(rows).__name__}: want data.Rows")
        return rows
    if not isinstance(dataset, Sampler):
        raise BadInput(
            f"dataset: {kind} has neither rows() nor sample(n, generator): want one of them"
        )
    n = dataset.n if isinstance(dataset, HasSize) else None
    if n is None:
        return None
    seed = int(dataset.seed) if isinstance(dataset, HasSeed) else 0
    truth = dataset.true_mi if isinstance(dataset, HasTruth) else None
    note = dataset.true_mi_note if isinstance(dataset, HasTruthNote) else ""
    return Rows(*dataset.sample(int(n), torch.Generator().manual_seed(seed)), truth, note)
