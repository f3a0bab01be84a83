"""How a side's columns became numbers, kept so that new rows are coded alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from mine_cli.data.tables import Array, Columns
from mine_cli.data.tables.columns import Sheet, Variable, variable
from mine_cli.data.tables.frames import columns_of
from mine_cli.data.tables.table import listed
from mine_cli.errors import BadInput, refuse

__all__ = ["Coding"]


@dataclass(frozen=True)
class Coding:
    """Codes new rows of x or z as those of a run were: columns in their order, classes one-hot.

    Arguments:
        names: Of the columns (or the one array) that the side was made of.
        coded: Those of them that hold classes.
        classes: The classes of each column, in the order of their one-hot code: ascending.
    """

    names: list[str]
    coded: list[str] = field(default_factory=list)
    classes: dict[str, list[object]] = field(default_factory=dict)

    @classmethod
    def of(cls, columns: Columns, found: Variable) -> "Coding":
        """Returns the coding of a variable that was made of these columns."""
        classes = {name: values.tolist() for name, values in found.classes.items()}
        return cls([*columns], list(found.coded), classes)

    @classmethod
    def read(cls, saved: Mapping[str, Any]) -> "Coding":
        """Returns what `saved` has kept."""
        return cls(list(saved["names"]), list(saved["coded"]), dict(saved["classes"]))

    def saved(self) -> dict[str, object]:
        """Returns it as strict JSON can hold it."""
        return {"names": self.names, "coded": self.coded, "classes": self.classes}

    def __call__(self, side: str, values: object) -> Tensor:
        """Codes rows that are given as `mine_cli.estimate` takes them, ``[n, ...]``.

        Raises:
            BadInput: a column is missing, or holds what no row of the run had.
        """
        arrays = self._arrays(side, values)
        known = Variable(
            coded=self.coded, classes={k: np.array(v) for k, v in self.classes.items()}
        )
        made = variable(Sheet("", {}, {}), arrays, (), known)
        refuse(f"{side}: {fault}" for fault in made.faults)
        return made.values

    def _arrays(self, side: str, values: object) -> Columns:
        """Returns the columns by the names that they had in the run."""
        try:
            found = columns_of(side, values)
        except ValueError as fault:
            raise BadInput(f"{side}: {fault}") from fault
        if set(self.names) <= set(found):
            return {name: found[name] for name in self.names}
        if [*found] != [side]:
            missing = [name for name in self.names if name not in found]
            raise BadInput(f"{side}: no {listed(missing)} there, but {listed([*found])}")
        array: Array = found[side]
        if len(self.names) == 1:
            return {self.names[0]: array}
        if array.ndim != 2 or array.shape[1] != len(self.names):
            told = f"rows of shape {list(array.shape[1:])}"
            raise BadInput(f"{side}: {told}: want the columns {listed(self.names)}")
        return dict(zip(self.names, array.T, strict=True))
