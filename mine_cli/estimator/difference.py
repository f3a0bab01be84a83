r"""The difference of two bounds on the same rows, such as the information given a third variable.

.. math:: I(X; Z \mid W) = I(X, W; Z) - I(W; Z)

This is the chain rule (Cover and Thomas, Elements of Information Theory, 2006, eq. 2.119).
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from mine_cli.estimator.evaluation import Evaluation

__all__ = ["BEYOND", "GIVEN", "JOINT", "LOOSER", "difference_error", "error_by_folds"]

JOINT, GIVEN = "I(x, w; z)", "I(w; z)"
"""What the two terms are called in a result."""

BEYOND = 2.0  # standard errors from 0 within which a difference is told to be chance
LOOSER = f"{JOINT} is never less than {GIVEN}: its bound is the looser one"


def difference_error(joint: Evaluation, given: Evaluation) -> float:
    r"""Returns the standard error of the difference of two values on the same rows, in nats.

    With the influences psi and phi of row i on either,

    .. math:: \mathrm{SE} = \mathrm{sd}(\psi_i - \varphi_i) / \sqrt n

    (of rows in groups, by sums over these; see `Evaluation.standard_error`), in which what both
    owe to the same rows cancels. What the influences owe to the choice of marginal pairs stays in
    it, so that it errs on the large side.
    """
    between = joint.influence - given.influence
    return replace(joint, influence=between, sampling_variance=0.0).standard_error


def error_by_folds(differences: Sequence[float]) -> float:
    """Returns the standard error of the mean of the folds' differences; 0 of a single fold.

    Where x adds nothing, the rows' influences on both terms are nearly the same and cancel; what
    is left is how well each fold's networks happened to be trained, which rows do not tell.
    """
    if len(differences) < 2:
        return 0.0
    return float(torch.tensor(differences).std()) / math.sqrt(len(differences))
