"""The one number by which a sweeper, such as Optuna's, compares jobs."""

import math
from collections.abc import Mapping

from mine_cli.results.files import Result

__all__ = ["names", "objective", "worst"]


def objective(
    result: Result, compared: Mapping[str, float | None], name: str | None = None
) -> float | None:
    """Returns the number by which a finished job is compared; None where it is not known.

    Arguments:
        result: As in result.json.
        compared: The results by which runs of this task are compared; the first comes first.
        name: Of a metric, or of a number in the result. None: how far the estimate is from the
            truth where that is known, else the first of `compared`.
    """
    if name is None and result.get("error") is None:
        return next(iter(compared.values()), None)
    name = name or "error"
    found = compared.get(f"result/{name}", result.get(name))
    return abs(found) if name == "error" and found is not None else found


def names(head: Result, compared: Mapping[str, float | None]) -> list[str]:
    """Returns the names that an objective may have.

    Arguments:
        head: What a result says before there are numbers; those that come are None.
        compared: As for `objective`.
    """
    coming = [name for name, value in head.items() if value is None and name != "true_mi"]
    return list(dict.fromkeys([*coming, *(key.removeprefix("result/") for key in compared)]))


def worst(sweeper: Mapping[str, object]) -> float:
    """Returns the objective of a job without a number: an infinity, as a NaN ends a search.

    Arguments:
        sweeper: Hydra's node; it minimises unless its `direction` says otherwise.
    """
    return -math.inf if str(sweeper.get("direction")).endswith("maximize") else math.inf
