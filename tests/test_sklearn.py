"""The estimate as scikit-learn has it: its own checks, and what the numbers are."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import mine_cli
from mine_cli.sklearn import MutualInformationEstimator, is_discrete, mutual_info, seed_of
from mine_cli.training.trainer import Trainer

QUICK: dict[str, Any] = {"trainer.steps": 10, "folds": 2, "network.widths": [8]}
# check name -> why the contract cannot mean it here
EXPECTED: dict[str, str] = {}

Array = np.ndarray[Any, Any]


def rows(n: int, seed: int = 0) -> tuple[Array, Array]:
    """One column of three tells of y."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, X[:, 1] + 0.5 * rng.normal(size=n)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_s_own_checks_pass() -> None:
    found = check_estimator(
        MutualInformationEstimator(options=QUICK), expected_failed_checks=EXPECTED, on_skip=None
    )
    assert {one["status"] for one in found} <= {"passed", "skipped", "xfail"}
    assert [one["check_name"] for one in found if one["status"] == "xfail"] == [*EXPECTED]


def test_it_finds_what_estimate_finds() -> None:
    X, y = rows(200)
    found = MutualInformationEstimator(options=QUICK, random_state=3).fit(X, y)
    same = mine_cli.estimate(
        X, y, seed=3, **QUICK, **{"references": "none", "trainer.progress": False}
    )
    assert found.mi_ == same.mi
    assert found.standard_error_ == same.standard_error
    assert (found.lower_bound_, found.status_) == (same.lower_bound, same.status)
    assert found.p_value_ == same.result["p_value"] <= 0.01
    assert found.n_features_in_ == 3


@pytest.mark.parametrize("n", [60, 200])
def test_other_rows_are_scored_by_what_was_learned(n: int) -> None:
    found = MutualInformationEstimator(options=QUICK).fit(*rows(n))
    X, y = rows(500, seed=1)
    assert 0.4 < found.score(X, y) < 0.9  # the truth is log(5) / 2 = 0.805
    shuffled = np.random.default_rng(0).permutation(y)
    assert found.score(X, shuffled) < 0.1
    again = pickle.loads(pickle.dumps(found))
    assert again.score(X, y) == found.score(X, y)


def test_few_rows_are_said_to_be_few() -> None:
    found = MutualInformationEstimator().fit(*rows(99))
    assert (found.status_, found.p_value_) == ("few_rows", 0.001)
    with pytest.raises(ValueError, match="n_samples=9: want at least 10 rows"):
        MutualInformationEstimator().fit(*rows(9))


def test_classes_are_known_as_such() -> None:
    y = np.random.default_rng(0).choice(["red", "green", "blue"], 90)
    X = (y == "red")[:, None] + 0.2 * np.random.default_rng(1).normal(size=(90, 1))
    found = MutualInformationEstimator().fit(X, y)
    assert found.mi_ > 0.2
    assert found.score(X[:50], y[:50]) > 0.2
    with pytest.raises(ValueError, match="purple"):
        found.score(X[:50], np.array(["purple"] * 50))


@pytest.mark.parametrize(
    ("y", "asked", "discrete"),
    [
        (np.arange(100) % 20, "auto", True),
        (np.arange(100) % 21, "auto", False),
        (np.arange(100) % 21, True, True),
        (np.arange(100) % 2, False, False),
        (np.linspace(0, 1, 100), "auto", False),
    ],
)
def test_when_numbers_are_classes(y: Array, asked: Any, discrete: bool) -> None:
    assert is_discrete(y, asked) is discrete


def test_random_states_of_every_kind() -> None:
    assert seed_of(np.int64(7)) == 7
    assert seed_of(np.random.RandomState(0)) == seed_of(np.random.RandomState(0))


def test_what_is_refused() -> None:
    X, y = rows(120)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        MutualInformationEstimator().fit(sparse.csr_array(X), y)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        mutual_info(sparse.csr_array(X), y)
    with pytest.raises(ValueError, match="the same value in every row"):
        MutualInformationEstimator(options=QUICK).fit(X, np.full(120, 0.5))
    with pytest.raises(ValueError, match="no_such"):
        MutualInformationEstimator(bound="no_such").fit(X, y)
    with pytest.raises(NotFittedError):
        MutualInformationEstimator().score(X, y)


@pytest.mark.parametrize("n", [60, 240])
def test_the_column_that_tells_is_selected(n: int) -> None:
    X, y = rows(n)
    scores, p_values = mutual_info(X, y, options=QUICK | {"network.widths": [16]})
    assert scores.shape == p_values.shape == (3,)
    assert scores.argmax() == p_values.argmin() == 1
    assert p_values[1] < 0.01 < p_values[[0, 2]].min()


@pytest.mark.slow
def test_in_a_pipeline_and_with_a_frame() -> None:
    data = load_iris(as_frame=True)
    X = data.data.assign(site=np.random.default_rng(0).choice(["a", "b"], 150))
    scores, _ = mutual_info(X, data.target, options=QUICK)
    assert len(scores) == 5
    assert scores[-1] < 0.05 < scores[:4].min()

    def told(X: Any, y: Any) -> tuple[Array, Array]:
        return mutual_info(X, y, options=QUICK)

    chosen = make_pipeline(StandardScaler(), SelectKBest(told, k=2)).fit(data.data, data.target)
    names = chosen[:-1].get_feature_names_out()
    assert [*names[chosen[-1].get_support()]] == ["petal length (cm)", "petal width (cm)"]


def test_a_frame_with_text_is_taken_as_it_is() -> None:
    X, y = rows(90)
    frame = pd.DataFrame({"a": X[:, 1], "s": np.where(X[:, 0] > 0, "u", "v")})
    found = MutualInformationEstimator().fit(frame, y)
    assert found.mi_ > 0.4
    assert found.score(frame, y) > 0.4


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_it_computes_on_as_many_threads_as_it_is_told(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One, unless told otherwise: small networks on many wait for one another."""
    seen: list[int] = []
    fit = Trainer.fit

    def watched(trainer: Trainer) -> None:
        seen.append(torch.get_num_threads())
        fit(trainer)

    monkeypatch.setattr(Trainer, "fit", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    options = QUICK | ({} if threads == 1 else {"trainer.threads": threads})
    x = np.random.default_rng(0).normal(size=(120, 2))
    mutual_info(x, x[:, 0], options=options)
    MutualInformationEstimator(options=options).fit(x, x[:, 0])
    assert {*seen} == {threads}
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)
