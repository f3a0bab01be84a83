"""Information given a third variable, as the difference of two estimates on the same rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mine_cli.config.schemas import TrainerConf
from mine_cli.data import Rows
from mine_cli.estimator.difference import (
    BEYOND,
    GIVEN,
    JOINT,
    LOOSER,
    difference_error,
    error_by_folds,
)
from mine_cli.estimator.evaluation import pool
from mine_cli.estimator.status import worst
from mine_cli.tasks.mi_estimate.training import (
    MIEstimate,
    StackedEstimates,
    of_rows,
    say_stopped,
)
from mine_cli.tasks.protocol import Result
from mine_cli.training.task import Arrays, State

__all__ = ["ConditionalEstimate", "terms_of"]

NO_P_VALUE = "permuting z would part it from w as well"


def terms_of(rows: Rows) -> dict[str, Rows]:
    """Returns the pairs whose information is estimated: (x, w) with z, and w with z."""
    assert rows.given is not None
    both = torch.cat([rows.x, rows.given], 1)
    classes = rows.x_categorical and rows.given_categorical
    joint = replace(rows, x=both, x_categorical=classes, x_names=[], given=None)
    alone = replace(joint, x=rows.given, x_categorical=rows.given_categorical)
    return {JOINT: joint, GIVEN: alone}


class ConditionalEstimate:
    """Trains the two estimates side by side, by one recipe, and reports their difference.

    Arguments:
        joint: of (x, w) with z.
        given: of w with z, on the same folds.
    """

    def __init__(self, joint: MIEstimate, given: MIEstimate) -> None:
        self.terms = {JOINT: joint, GIVEN: given}
        self.trainer: TrainerConf = joint.trainer
        self.curve: list[float] = []
        self.best: State | None = None
        self.finished = False

    # What the trainer asks for

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One step of every network of both; their losses."""
        for term in self.terms.values():
            term.train_step(step)
        return self.metrics()

    def metrics(self) -> dict[str, Tensor]:
        """What the latest step says of both; raises as `MIEstimate.metrics`."""
        joint, given = (term.metrics()["train/loss"] for term in self.terms.values())
        return {"train/loss": joint, "train/loss_given": given}

    def stack(self, others: "Sequence[ConditionalEstimate]") -> "StackedConditionals":
        """What steps these estimates as one from now on."""
        return StackedConditionals([self, *others])

    def evaluate(self, step: int) -> dict[str, float | None]:
        """The difference of the bounds on the select rows; keeps each network at its best."""
        joint, given = (term.look(step) for term in self.terms.values())
        bests = [term.best for term in self.terms.values()]
        if self.best is None or any(a is not b for a, b in zip(self._kept(), bests, strict=True)):
            self.best = dict(zip(self.terms, bests, strict=True))
        self.finished = all(term.finished for term in self.terms.values())
        if self.finished:
            say_stopped(step, self.trainer.steps, self.terms[JOINT].patience)
        found = {"mi/joint": joint["mi/estimate"], "mi/given": given["mi/estimate"]}
        estimate = apart(joint, given, "mi/estimate")
        assert estimate is not None
        self.curve.append(estimate)
        key = "evaluation/effective_sample_size"
        sizes = [value for term in (joint, given) if (value := term[key]) is not None]
        value = apart(joint, given, "train/value")
        return {"mi/estimate": estimate, "train/value": value, key: min(sizes), **found}

    def _kept(self) -> list[State | None]:
        return [(self.best or {}).get(name) for name in self.terms]

    def data(self) -> list[Tensor]:
        """The rows that both hold, and the batches that are drawn ahead."""
        return [tensor for term in self.terms.values() for tensor in term.data()]

    def shared_data(self) -> list[Tensor]:
        """The rows that it holds with others in this process: none."""
        return []

    def arrays(self) -> Arrays:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        return [p for term in self.terms.values() for p in term.parameters()]

    def state_dict(self) -> State:
        return {
            "terms": {name: term.state_dict() for name, term in self.terms.items()},
            "curve": self.curve,
            "finished": self.finished,
        }

    def load_state_dict(self, state: State) -> None:
        for name, term in self.terms.items():
            term.load_state_dict(state["terms"][name])
        self.curve, self.finished = state["curve"], state["finished"]
        self.best = {name: term.best for name, term in self.terms.items()}

    # The result

    def result(self) -> Result:
        """The difference on the report rows, with the two terms that it is of; nats."""
        reports = {name: term.report() for name, term in self.terms.items()}
        joint, given = (pool(found) for found, _ in reports.values())
        words = {name: term.status_of(pool(reports[name][0])) for name, term in self.terms.items()}
        fit = [pool(fitted).value for _, fitted in reports.values() if fitted]
        pairs = zip(*(found for found, _ in reports.values()), strict=True)
        of_folds = [a.value - b.value for a, b in pairs]
        estimate = joint.value - given.value
        error = max(difference_error(joint, given), error_by_folds(of_folds))
        return {
            "status": worst(words.values()),
            "estimate": estimate,
            "standard_error": error,
            "effective_sample_size": min(joint.effective_sample_size, given.effective_sample_size),
            "marginal_pairs": joint.marginal_pairs,
            "groups": joint.units if joint.whole else None,
            "p_value": None,
            "p_value_note": NO_P_VALUE,
            "true_mi": None,
            "error": None,
            "fit_value": fit[0] - fit[1] if len(fit) == 2 else None,
            "interval": None,
            "fold_sd": torch.tensor(of_folds).std().item() if len(of_folds) > 1 else None,
            **judged(estimate, error),
            "terms": {
                name: {**pool(found).reported(), "status": words[name]}
                for name, (found, _) in reports.items()
            },
            "metrics": {
                **of_rows(joint),
                "fold_estimates": of_folds,
                "best_steps": [m.best_step for term in self.terms.values() for m in term.members],
            },
        }


def judged(estimate: float, error: float) -> dict[str, str]:
    """Returns what is said of a difference that chance, or a loose bound, explains."""
    if not abs(estimate) > BEYOND * error:
        return {"note": "nothing found beyond chance: within two standard errors of 0"}
    if estimate < 0:
        return {"note": LOOSER, "status": "below_reference"}
    return {}


def apart(
    joint: Mapping[str, float | None], given: Mapping[str, float | None], key: str
) -> float | None:
    first, second = joint[key], given[key]
    return None if first is None or second is None else first - second


class StackedConditionals:
    """Steps the networks of several conditional estimates as if each had been trained alone.

    Arguments:
        estimates: with the same schedule, batch size and device, and terms of the same shapes.
    """

    def __init__(self, estimates: Sequence[ConditionalEstimate]) -> None:
        self.stacked = [
            StackedEstimates([estimate.terms[name] for estimate in estimates])
            for name in (JOINT, GIVEN)
        ]

    def step(self, step: int) -> None:
        """One step of every network."""
        for stacked in self.stacked:
            stacked.step(step)

    @property
    def failed(self) -> bool:
        """Whether the bound of any of them has failed."""
        return any(stacked.failed for stacked in self.stacked)
