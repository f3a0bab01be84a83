"""Where pairs (x, z) come from: laws that can be sampled for ever, and finite tables of rows.

A data set is any object with one of two faces, and needs no base class:

- a *law* has ``sample(n, generator) -> (x, z)`` (float32, on the generator's device), and
  ``true_mi`` (nats), ``true_mi_note``, ``n`` and ``seed``; with ``n`` set it is used as a fixed
  sample of n rows;
- *finite* data has ``rows() -> Rows``.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mine_cli.errors import BadInput

__all__ = ["Rows", "finite_rows"]


@dataclass
class Rows:
    """Finite data: row i of `x` belongs to row i of `z`.

    Arguments:
        x: First variable, [n, ...], float32.
        z: Second variable, [n, ...], float32.
        true_mi: Their mutual information in nats, None where it is not known.
        true_mi_note: Why it is known, or not.
        x_categorical: Every column of x is part of a one-hot code.
        z_categorical: The same for z.
        groups: Integer labels, [n], of rows that must not be parted by a split.
        warnings: One line each: what the user should know about these data.
        x_names: Names of x's columns, where they have any.
        z_names: Names of z's columns.
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

    def __post_init__(self) -> None:
        lengths = {"x": len(self.x), "z": len(self.z)}
        if self.groups is not None:
            lengths["groups"] = len(self.groups)
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {n} rows" for name, n in lengths.items())
            raise BadInput(f"dataset: {told}: want as many in each")

    def __len__(self) -> int:
        return len(self.x)


def finite_rows(dataset: object) -> Rows | None:
    """Return a data set's rows, or None for a law that gives fresh draws for ever.

    A law with `n` set is drawn once, on the CPU from its own seed, so that the rows are the same
    on every device.
    """
    rows = getattr(dataset, "rows", None)
    if callable(rows):
        found = rows()
        if not isinstance(found, Rows):
            kind = type(dataset).__name__
            raise BadInput(f"dataset: {kind}.rows() gave {type(found).__name__}: want data.Rows")
        return found
    sample = getattr(dataset, "sample", None)
    if not callable(sample):
        kind = type(dataset).__name__
        raise BadInput(
            f"dataset: {kind} has neither rows() nor sample(n, generator): want one of them"
        )
    n = getattr(dataset, "n", None)
    if n is None:
        return None
    generator = torch.Generator().manual_seed(int(getattr(dataset, "seed", 0)))
    x, z = sample(int(n), generator)
    return Rows(
        x,
        z,
        true_mi=getattr(dataset, "true_mi", None),
        true_mi_note=getattr(dataset, "true_mi_note", ""),
    )
