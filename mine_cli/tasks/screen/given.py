"""What a column tells of z beyond w, I(x; z | w) = I(x, w; z) - I(w; z), in cells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from mine_cli.estimator.difference import difference_error, error_by_folds
from mine_cli.estimator.evaluation import Evaluation, pool
from mine_cli.tasks.screen.cells import Crossed
from mine_cli.tasks.screen.null import Null, null_given, null_of
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
    r"""Returns the difference of two terms on the same folds, with the largest of three errors.

    That by the influences of rows; that by how unlike the folds are; and :math:`1 / (2 m)`, what
    one weight of a critic that is chosen on m select rows is expected to cost (Akaike, 1974): it
    is of the same sign in every fold, and where x adds nothing it is nearly all of the difference.
    """
    whole, alone = pool(joint), pool(given)
    of_folds = [a.value - b.value for a, b in zip(joint, given, strict=True)]
    errors = difference_error(whole, alone), error_by_folds(of_folds)
    fewest = min(len(part.select[:SELECT_ROWS]) for part in parts)
    return Difference(whole, alone, max(*errors, 0.5 / fewest))


def null_in(part: Part, table: Tensor) -> Null:
    """Returns the null of a critic on the report rows: z permuted, within each cell of w if that
    is given."""
    (x, z), scores = part.codes(part.report), table.double().numpy()
    if not isinstance(part.x, Crossed):
        return null_of(scores, x.numpy(), z.numpy())
    w = len(part.x.w)
    scores = scores.reshape(-1, w, scores.shape[1])
    return null_given(scores, (x // w).numpy(), (x % w).numpy(), z.numpy())
