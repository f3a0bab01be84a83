"""An estimate from fewer rows than networks can be trained on: critics in closed form alone."""

import math

import torch

from mine_cli.bounds import DV
from mine_cli.data import Rows
from mine_cli.data.split import Split, folds
from mine_cli.errors import BadInput
from mine_cli.estimator.combination import Combination, Critic, columns
from mine_cli.estimator.evaluation import evaluate, pool
from mine_cli.estimator.independence import least_p_value, p_value
from mine_cli.networks.contingency import Contingency
from mine_cli.networks.elliptical import Elliptical
from mine_cli.networks.interface import StatisticsNetwork
from mine_cli.tasks.mi_estimate.fold import crossed_with, limits_of
from mine_cli.tasks.mi_estimate.parts import Parts, part_of
from mine_cli.tasks.protocol import Result
from mine_cli.training.rng import stream
from mine_cli.training.task import State

__all__ = ["FEWEST", "STATUS", "estimate_of_few"]

FEWEST = 10  # rows: two folds of four and more, each critic fitted on as many
MOST_FOLDS, ROWS_A_FOLD = 5, 4
STATUS = "few_rows"


def estimate_of_few(rows: Rows, seed: int = 0) -> tuple[Result, list[State]]:
    """Estimates the information of x and z, [n, columns], from ten rows and more, in nats.

    The table of classes where both sides are discrete, else an elliptical law of ranks, fitted in
    each of up to five folds on the rows outside and judged on those inside; there are no select
    rows, and nothing is chosen. The status is ``few_rows``: the number sees what these two see.

    Returns:
        The keys of result.json, and the state of each fold, as `Fold.best` gives it.

    Raises:
        BadInput: for fewer rows.
    """
    if len(rows) < FEWEST:
        raise BadInput(f"{len(rows)} rows: want at least {FEWEST}")
    generator = torch.Generator().manual_seed(stream(seed, "split"))
    number = min(MOST_FOLDS, len(rows) // ROWS_A_FOLD)
    found, states = [], []
    for split in folds(len(rows), number, 1 / len(rows), generator=generator):
        # Nothing is selected: the row that `folds` sets apart for it trains as well.
        whole = type(split)(torch.cat([split.fit, split.select]), split.select, split.report)
        name, critic, parts = critic_of(rows, whole)
        limits = limits_of(critic, parts.fit, beyond=0.0)
        widths = [side.shape[1] for side in parts.fit]
        held = Combination([Critic(critic, *columns(0, widths), limits)], [1.0])
        constant = crossed_log_mean(held, parts)
        found.append(evaluate(held, DV(), *parts.report, constant=constant))
        states.append(
            {
                "margins": [(parts.kind, *(m.state_dict() for m in parts.margins or ()))],
                "members": [],
                "fitted": [(name, 0, critic.state_dict())],
                "widths": widths,
                "limits": [limits],
                "weights": [1.0],
                "log_partition": constant,
            }
        )
    pooled = pool(found)
    result = {
        **pooled.reported(),
        "status": STATUS,
        "p_value": p_value(found),
        "least_p_value": least_p_value(found),
        "folds": number,
        "metrics": {"report_rows": pooled.rows},
    }
    return result, states


def critic_of(rows: Rows, split: Split) -> tuple[str, StatisticsNetwork, Parts]:
    """Returns the critic that suits the rows, its name, and the rows as it sees them."""
    parts = part_of(rows, split, torch.device("cpu"))
    table = Contingency.fit(*parts.fit)
    if table is not None:
        return "contingency", table, parts
    parts = part_of(rows, split, torch.device("cpu"), "rank")
    law = Elliptical.fit(*parts.fit)
    x, z = parts.fit
    # Of more columns than rows nothing can be said: T = 0.
    none, eye_x, eye_z = (
        t.double() for t in (torch.zeros(0), torch.eye(x.shape[1]), torch.eye(z.shape[1]))
    )
    return "elliptical", law or Elliptical(math.inf, none, eye_x, eye_z), parts


def crossed_log_mean(critic: StatisticsNetwork, parts: Parts) -> float:
    """Returns the log of the mean of e^T over crossed rows that the critic was fitted on."""
    crossed = crossed_with(critic, parts.fit, {"pairs": 10_000})
    scores = crossed.t_marginal.double().flatten()
    return float(scores.logsumexp(0) - math.log(len(scores)))
