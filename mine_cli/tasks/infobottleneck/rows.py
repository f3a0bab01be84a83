"""The rows of ``task=infobottleneck``: which train, validate and test, and where they lie."""

from dataclasses import dataclass
from weakref import WeakValueDictionary

import torch
from torch import Generator, Tensor

from mine_cli.data.labelled import Labelled
from mine_cli.tasks.infobottleneck.report import ROWS_AT_ONCE
from mine_cli.training.rng import stream

__all__ = ["LabelledRows", "rows_on", "sizes", "validation_split"]


@dataclass(frozen=True)
class LabelledRows:
    """Inputs and labels on one device. `source`, of which they are copies, is kept with them."""

    fit: tuple[Tensor, Tensor]
    held_out: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    source: tuple[Tensor, ...]

    def tensors(self) -> list[Tensor]:
        return [*self.fit, *self.held_out, *self.test]


# Whose sources lie at these addresses; an entry goes with the last task that has the rows.
_known: WeakValueDictionary[tuple[object, ...], LabelledRows] = WeakValueDictionary()


def rows_on(data: Labelled, validation: float, device: torch.device) -> LabelledRows:
    """The split rows on a device: the same tensors for every task of the process that asks."""
    source = data.x, data.y, data.test_x, data.test_y
    key = (*map(id, source), validation, str(device))
    found = _known.get(key)
    if found is None:
        fit, held_out = validation_split(len(data.x), validation)
        found = _known[key] = LabelledRows(
            (data.x[fit].to(device), data.y[fit].to(device)),
            (data.x[held_out].to(device), data.y[held_out].to(device)),
            (data.test_x.to(device), data.test_y.to(device)),
            source,
        )
    return found


def sizes(n: int, share: float) -> tuple[int, int]:
    """Returns how many of n rows train and how many validate, as in `validation_split`."""
    held_out = round(n * share)
    return (n - held_out, held_out) if held_out else (n, min(n, ROWS_AT_ONCE))


def validation_split(n: int, share: float) -> tuple[Tensor, Tensor]:
    """Row numbers that train and that validate: the same for every seed and every method.

    With share 0 all rows train, and the curves are of some that did.
    """
    order = torch.randperm(n, generator=Generator().manual_seed(stream(0, "validation")))
    fit, held_out = sizes(n, share)
    if fit == n:
        return torch.arange(n), order[:held_out]
    return order[held_out:].sort().values, order[:held_out].sort().values
