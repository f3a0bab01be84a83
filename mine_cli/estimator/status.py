"""The status word of an estimate: what is known against it."""

import math
from collections.abc import Iterable, Sequence

from scipy import stats

from mine_cli.bounds import Bound
from mine_cli.estimator.evaluation import Evaluation

__all__ = ["NOT_OK", "below", "status", "still_rising", "worst"]

FEWEST_EFFECTIVE_ROWS = 100
RISE_THAT_MATTERS = 0.02  # nats over another fifth of the evaluations
CEILING_MARGIN = 1.0  # nats
GAP_THAT_MATTERS = 0.05  # nats by which a reference is above

NOT_OK = ("diverged", "high_variance", "at_ceiling", "not_converged", "below_reference")


def status(bound: Bound, evaluation: Evaluation, select_curve: Sequence[float]) -> str:
    """Returns the first that applies of ``diverged``, ``high_variance``, ``at_ceiling``,
    ``not_converged`` and ``ok``; ``ok`` is no claim that the bound is tight.

    Arguments:
        bound: what was evaluated; one with ``has_ceiling`` can be at its ceiling.
        evaluation: on the report rows.
        select_curve: the held-out value at each evaluation of the training, in nats.
    """
    if not all(map(math.isfinite, (evaluation.value, evaluation.standard_error))):
        return "diverged"
    if high_variance(evaluation):
        return "high_variance"
    if bound.has_ceiling and at_ceiling(evaluation):
        return "at_ceiling"
    return "not_converged" if still_rising(select_curve) else "ok"


def worst(words: Iterable[str]) -> str:
    """Returns the status that has precedence among several."""
    found = {*words}
    return next((word for word in NOT_OK if word in found), "ok")


def below(estimate: float, error: float, reference: float, trusted: float) -> bool:
    """Whether a reference that can be trusted to so many nats says more than the estimate.

    By more than both may be off, and by enough to matter.
    """
    return reference - estimate > max(GAP_THAT_MATTERS, 2 * math.hypot(error, trusted))


def high_variance(evaluation: Evaluation) -> bool:
    """Whether few rows carry the mean of e^T, or the estimate is above its own lower bound."""
    fewest = min(FEWEST_EFFECTIVE_ROWS, evaluation.units / 10)
    if evaluation.effective_sample_size < fewest:
        return True
    if evaluation.lower_bound is None:
        return False
    return evaluation.value - evaluation.lower_bound > 2 * evaluation.standard_error


def at_ceiling(evaluation: Evaluation) -> bool:
    """Whether it is within a nat of log(candidates), in the report or at the training number."""
    if evaluation.value > math.log(evaluation.negatives + 1) - CEILING_MARGIN:
        return True
    if evaluation.at_training_negatives is None or evaluation.training_negatives is None:
        return False
    ceiling = math.log(evaluation.training_negatives + 1)
    return evaluation.at_training_negatives > ceiling - CEILING_MARGIN


def still_rising(curve: Sequence[float]) -> bool:
    """Whether the last fifth of a curve has a slope above two standard errors that is worth more
    than 0.02 nats over another fifth."""
    fifth = max(3, math.ceil(len(curve) / 5))
    if len(curve) < fifth:
        return False
    line = stats.linregress(range(fifth), curve[-fifth:])
    return bool(line.slope > 2 * line.stderr and line.slope * fifth > RISE_THAT_MATTERS)
