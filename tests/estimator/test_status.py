"""Each status word is forced, and the first that applies is the one that is told."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from mine_cli.bounds import DV, InfoNCE
from mine_cli.estimator.evaluation import Evaluation
from mine_cli.estimator.status import (
    NOT_OK,
    at_ceiling,
    below,
    high_variance,
    status,
    still_rising,
    worst,
)
from tests.program import run

RISING = [0.1 * i for i in range(20)]
FLAT = [1.0, 1.01, 0.99] * 7
TINY = (
    "trainer=smoke", "trainer.device=cpu", "references=none", "trainer.tensorboard=false",
    "hydra.run.dir=run", "task.select_rows=1000", "task.report_rows=2000", "task.pairs=100000",
    "task.pairs_during_training=20000",
)  # fmt: skip


def evaluation(**changes: Any) -> Evaluation:
    """Something to find nothing against: 1.0 ± 0.1 nats from 100 rows of equal weight."""
    n = 100
    influence = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(n // 2)
    given = {
        "value": 1.0, "joint_mean": 1.0, "shift_means": torch.zeros(99), "log_partition": 0.0,
        "lower_bound": 0.95,
        "influence": influence, "sampling_variance": 0.0, "row_weight": torch.ones(n),
        "column_weight": torch.ones(n), "marginal_pairs": 99 * n, "negatives": 99,
    }  # fmt: skip
    return Evaluation(**{**given, **changes})


def one_row_carries(share: float) -> torch.Tensor:
    """Weights of 100 rows, of which one carries a share of the sum."""
    weight = torch.full((100,), (1 - share) / 99)
    weight[0] = share
    return weight


HEAVY = {"row_weight": one_row_carries(0.6)}
HIGH = {"value": math.log(100) - 0.5, "lower_bound": math.log(100) - 0.5}


def test_nothing_against_it() -> None:
    assert evaluation().standard_error == pytest.approx(0.1, rel=0.01)
    assert status(DV(), evaluation(), FLAT) == "ok"
    assert status(InfoNCE(), evaluation(), FLAT) == "ok"


@pytest.mark.parametrize(
    ("bound", "changes", "curve", "word"),
    [
        (InfoNCE(), {**HIGH, **HEAVY, "value": math.nan}, RISING, "diverged"),
        (DV(), {"value": math.inf}, FLAT, "diverged"),
        (DV(), {"influence": torch.full((100,), math.nan)}, FLAT, "diverged"),
        (InfoNCE(), {**HIGH, **HEAVY}, RISING, "high_variance"),
        (InfoNCE(), HIGH, RISING, "at_ceiling"),
        (DV(), HIGH, RISING, "not_converged"),
        (DV(), {}, RISING, "not_converged"),
        (DV(), HIGH, FLAT, "ok"),
    ],
)
def test_the_first_that_applies(
    bound: object, changes: dict[str, Any], curve: list[float], word: str
) -> None:
    assert status(bound, evaluation(**changes), curve) == word


def test_the_words_are_in_the_order_of_their_precedence() -> None:
    assert NOT_OK == (
        "diverged", "high_variance", "at_ceiling", "not_converged", "below_reference",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "trusted", "said"),
    [(1.04, 0, False), (1.06, 0, True), (1.3, 0.2, False), (1.5, 0.2, True), (0.5, 0, False)],
)
def test_a_reference_is_above_by_more_than_both_are_off(
    reference: float, trusted: float, said: bool
) -> None:
    assert below(1.0, 0.01, reference, trusted) is said


@pytest.mark.parametrize("side", ["row_weight", "column_weight"])
def test_few_rows_or_columns_that_carry_the_mean(side: str) -> None:
    """Of 100 rows ten must count: weights of 1 / 10 of the rows are just enough."""
    few, enough = torch.zeros(100), torch.zeros(100)
    few[:9] = 1
    enough[:10] = 1
    assert evaluation(**{side: few}).effective_sample_size == pytest.approx(9)
    assert high_variance(evaluation(**{side: few}))
    assert not high_variance(evaluation(**{side: enough}))


def test_of_many_rows_a_hundred_must_count() -> None:
    n = 10_000
    for rows, bad in ((99, True), (101, False)):
        weight = torch.zeros(n)
        weight[:rows] = 1
        influence = torch.tensor([1.0, -1.0]).repeat(n // 2)
        found = evaluation(row_weight=weight, column_weight=torch.ones(n), influence=influence)
        assert high_variance(evaluation(**vars(found) | {"lower_bound": None})) is bad


def test_an_estimate_above_its_lower_bound() -> None:
    error = evaluation().standard_error
    assert high_variance(evaluation(lower_bound=1.0 - 2.1 * error))
    assert not high_variance(evaluation(lower_bound=1.0 - 1.9 * error))
    assert not high_variance(evaluation(lower_bound=None))


def test_the_ceiling_in_the_report_and_at_the_training_number() -> None:
    assert at_ceiling(evaluation(value=math.log(100) - 0.99))
    assert not at_ceiling(evaluation(value=math.log(100) - 1.01))
    few = {"training_negatives": 15}
    assert at_ceiling(evaluation(**few, at_training_negatives=math.log(16) - 0.99))
    assert not at_ceiling(evaluation(**few, at_training_negatives=math.log(16) - 1.01))


@pytest.mark.parametrize(
    ("curve", "rising"),
    [
        ([], False),
        ([1.0], False),
        ([0.0, 1.0], False),
        ([0.0, 1.0, 2.0], True),
        (RISING, True),
        (RISING[::-1], False),
        (FLAT, False),
        ([0.0] * 16 + [0.0, 0.1, 0.2, 0.3], True),
        (RISING[:10] + [1.0] * 10, False),
        # significant, and worth too little: 0.004 nats an evaluation over a fifth of 20
        ([0.004 * i for i in range(20)], False),
        ([0.006 * i for i in range(20)], True),
        # worth enough, and not significant
        ([0.0] * 16 + [0.0, 0.5, -0.4, 0.3], False),
    ],
)
def test_still_rising(curve: list[float], rising: bool) -> None:
    assert still_rising(curve) is rising


# Through the program


def told(folder: Path, code: int, *arguments: str) -> dict[str, Any]:
    """result.json of a run that ends with this code; NaN and Infinity are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    done = run(folder, *TINY, *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    text = (folder / "run" / "result.json").read_text()
    result = json.loads(text, parse_constant=refuse)
    assert f"status: {result['status']}" in done.stdout
    assert "nan" not in done.stdout.lower()
    return result


def test_ok(tmp_path: Path) -> None:
    result = told(tmp_path, 0, "trainer.steps=400", "trainer.evaluate_every=20")
    assert result["status"] == "ok"


def test_not_converged(tmp_path: Path) -> None:
    result = told(tmp_path, 0, "trainer.steps=20", "trainer.evaluate_every=5")
    assert result["status"] == "not_converged"


def test_high_variance(tmp_path: Path) -> None:
    """After a few steps at 6 nats a quadratic T is so large at some pairs that few count."""
    narrow = ("dataset.dim=1", "dataset.mi=6", "network=separable_quadratic", "bound=dv", "seed=1")
    result = told(tmp_path, 0, *narrow, "trainer.steps=300", "trainer.lr=0.01")
    assert result["status"] == "high_variance"
    assert result["effective_sample_size"] < 100


def test_at_ceiling(tmp_path: Path) -> None:
    """InfoNCE where the truth is 10 nats, above the log of any of its numbers of negatives."""
    wide = ("dataset.dim=20", "dataset.mi=10", "bound=infonce", "network=separable")
    result = told(tmp_path, 0, *wide, "trainer.steps=500", "trainer.lr=5e-3")
    assert result["status"] == "at_ceiling"
    assert result["estimate"] <= math.log(4097)


def test_diverged(tmp_path: Path) -> None:
    """The loss is not a number after some steps; the checkpoint from before stays."""
    result = told(
        tmp_path, 3, "trainer.lr=1e30", "trainer.warmup=0.9", "network.activation=relu",
        "trainer.steps=200", "trainer.log_every=1", "trainer.checkpoint_every=1",
    )  # fmt: skip
    assert result["status"] == "diverged"
    assert result["estimate"] is None
    assert result["standard_error"] is None
    assert "not finite" in result["note"]
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.pt", weights_only=True)
    assert last["step"] < result["steps"]
    tensors = last["task"]["members"][0]["term"].values()
    assert all(torch.isfinite(value).all() for value in tensors)
    assert (tmp_path / "run" / "figures" / "curve.png").exists()


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (["ok", "ok"], "ok"),
        (["ok", "not_converged"], "not_converged"),
        (["below_reference", "high_variance"], "high_variance"),
        (["diverged", "ok"], "diverged"),
    ],
)
def test_the_worse_word_counts(found: list[str], word: str) -> None:
    assert worst(found) == worst(reversed(found)) == word
