"""What a column tells of z beyond w, I(x; z | w) = I(x, w; z) - I(w; z), in cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mine_cli.estimator.difference import difference_error, error_by_folds
from mine_cli.estimator.evaluation import Evaluation, pool
from mine_cli.tasks.screen.cells import Crossed
from mine_cli.tasks.screen.permutation_null import Null, null_given, null_of
from mine_cli.tasks.screen.tables import SELECT_ROWS, Part, combined, fitted_tables, reported

__all__ = ["Alone", "Difference", "alone_of", "beside", "difference", "null_in"]


@dataclass(frozen=True)
class Alone:
    """What w tells of z by itself, in one fold.

    Arguments:
        table: T ``[cells of w, cells of z]``.
        constant: its log-partition on the select rows.
    """

    table: Tensor
    constant: float

    def over(self, part: Part) -> Tensor:
        """Returns T of (x, w) and z, whatever x is."""
        return self.table.repeat(len(part.x) // len(self.table), 1)

    def reported(self, part: Part) -> Evaluation:
        """Evaluates it on the report rows of (x, w) and z."""
        return reported(self.table, self.constant, beside(part))


@dataclass(frozen=True)
class Difference:
    """The two terms of all folds, in nats; `error` is that of their difference."""

    joint: Evaluation
    given: Evaluation
    error: float

    @property
    def value(self) -> float:
        return self.joint.value - self.given.value


def beside(part: Part) -> Part:
    """Returns what w and z, without x, are on the same rows as (x, w) and z."""
    assert isinstance(part.x, Crossed)
    return replace(part, x=part.x.w)


def alone_of(part: Part, network: Tensor | None) -> Alone:
    """Weighs the critics of w and z of one fold."""
    return Alone(*combined(fitted_tables(part) + ([] if network is None else [network]), part))


def difference(
    parts: Sequence[Part], joint: Sequence[Evaluation], given: Sequence[Evaluation]
) -> Difference:
    r"""Returns the difference of two terms on the same folds, with the largest of four errors.

    That by the influences of rows; that by how unlike the folds are; what `leak` says; and
    :math:`1 / (2 m)`, what one weight of a critic that is chosen on m select rows is expected to
    cost (Akaike, 1974): it is of the same sign in every fold, and where x adds nothing it is
    nearly all of the difference.
    """
    whole, alone = pool(joint), pool(given)
    of_folds = [a.value - b.value for a, b in zip(joint, given, strict=True)]
    fewest = min(len(part.select[:SELECT_ROWS]) for part in parts)
    errors = (
        difference_error(whole, alone),
        error_by_folds(of_folds),
        max(leak(part, alone.value) for part in parts),
        0.5 / fewest,
    )
    return Difference(whole, alone, max(errors))


def leak(part: Part, told: float) -> float:
    r"""Returns how much x may tell of z within the cells of w, through what they leave of w.

    Of normal variables whose correlations with w are a and b, and with a share d of w's variance
    within its cells, x and z keep a partial correlation of

    .. math:: \frac{a b d}{\sqrt{(1 - a^2 (1 - d)) (1 - b^2 (1 - d))}}

    Arguments:
        part: of (x, w) and z; a is taken from the report rows.
        told: I(w; z), which gives b.
    """
    assert isinstance(part.x, Crossed)
    x, w = part.x.x, part.x.w
    if not w.cut:
        return 0.0
    b_square = a_square = -math.expm1(-2 * max(0.0, told))
    if x.ordered:
        sides = [side.centres[side.codes[part.report].long(), 0] for side in (x, w)]
        a_square = float(torch.corrcoef(torch.stack(sides))[0, 1].nan_to_num() ** 2)
    d = w.within
    kept = a_square * b_square * d**2
    kept /= (1 - a_square * (1 - d)) * (1 - b_square * (1 - d))
    return -0.5 * math.log1p(-kept)


def null_in(part: Part, table: Tensor) -> Null:
    """Returns the null of a critic on the report rows: z permuted, within each cell of w if that
    is given."""
    (x, z), scores = part.codes(part.report), table.double().numpy()
    if not isinstance(part.x, Crossed):
        return null_of(scores, x.numpy(), z.numpy())
    w = len(part.x.w)
    scores = scores.reshape(-1, w, scores.shape[1])
    return null_given(scores, (x // w).numpy(), (x % w).numpy(), z.numpy())
