"""Rows as a statistics network takes them: paired, classes one-hot coded, of shapes that fit."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from mine_cli.errors import BadInput, Diverged

__all__ = ["both", "check_paired", "check_scores", "coded", "not_finite"]

T = TypeVar("T")

SHOWN_ROWS = 10


def both(value: T | tuple[T, T]) -> tuple[T, T]:
    """Returns a setting of x and of z that may be given as one for both."""
    return value if isinstance(value, tuple) else (value, value)


def check_paired(x: object, z: object) -> None:
    """Raises BadInput unless x and z are tensors of rows, with as many rows."""
    for name, rows in (("x", x), ("z", z)):
        if not isinstance(rows, Tensor):
            raise BadInput(f"{name}: want a torch.Tensor, not {type(rows).__name__}")
        if rows.dim() == 0 or rows.is_complex():
            raise BadInput(f"{name}: want rows of numbers [n, ...], not {described(rows)}")
    assert isinstance(x, Tensor)
    assert isinstance(z, Tensor)
    if len(x) != len(z):
        raise BadInput(f"x has {len(x)} rows and z has {len(z)}; they are paired row by row")


def coded(
    rows: Tensor, num_classes: int | None, name: str, dtype: torch.dtype | None = None
) -> Tensor:
    """Returns rows as numbers of a type; integers ``[n, ...]`` one-hot, ``[n, ..., num_classes]``.

    Raises:
        BadInput: for integers without `num_classes`, or (on the CPU) beyond it.
    """
    if rows.is_floating_point():
        return rows if dtype is None else rows.to(dtype)
    if num_classes is None:
        raise BadInput(
            f"{name}: {described(rows)} holds whole numbers; want num_classes= where they name "
            f"classes, {name}.float() where they are quantities"
        )
    try:
        return one_hot(rows.long(), num_classes).to(dtype or torch.get_default_dtype())
    except RuntimeError:
        low, high = int(rows.min()), int(rows.max())
        raise BadInput(
            f"{name}: num_classes={num_classes} wants classes 0 to {num_classes - 1}, "
            f"not {low} to {high}"
        ) from None


def check_scores(network: nn.Module, x: Tensor, z: Tensor) -> None:
    """Scores a few rows; raises BadInput where their shapes do not fit the network."""
    try:
        with torch.no_grad():
            scores = network(x, z)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise BadInput(
            f"network: {type(network).__name__} cannot score x {list(x.shape)} with z "
            f"{list(z.shape)}: {str(error).splitlines()[0]}; want one for rows of shape "
            f"{tuple(x.shape[1:])} and {tuple(z.shape[1:])}"
        ) from error
    if scores.shape != (len(x),):
        raise BadInput(
            f"network: scores of {len(x)} rows have shape {list(scores.shape)}; want [{len(x)}]"
        )


def not_finite(loss: float, **of_rows: Tensor) -> Diverged:
    """Returns the error of a loss that is not finite: it names the rows that are not.

    Arguments:
        loss: in nats.
        of_rows: what to look at, in this order, ``[n, ...]``.
    """
    for name, values in of_rows.items():
        unfit = ~values.detach().reshape(len(values), -1).isfinite()
        bad = unfit.any(1).nonzero().flatten().tolist()
        if bad:
            return Diverged(
                f"the statistics network's loss is {loss}: {name} is not finite in {listed(bad)} "
                f"of a batch of {len(values)}; the step was not taken"
            )
    return Diverged(
        f"the statistics network's loss is {loss}, of finite rows and scores; the step was not "
        f"taken; a smaller lr, or a bound without e^T (js), keeps scores in range"
    )


def listed(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:SHOWN_ROWS]))
    more = len(rows) - SHOWN_ROWS
    return f"row{'s' if len(rows) > 1 else ''} {shown}" + (f" and {more} more" if more > 0 else "")


def described(rows: Tensor) -> str:
    return f"{str(rows.dtype).removeprefix('torch.')} {list(rows.shape)}"
