"""Columns one by one: what is chosen by patterns, what is left out and why, what is refused."""

import numpy as np
import pytest

from mine_cli.data.observations import Observations, choose, observations, third
from mine_cli.errors import BadInput

NAMES = ["outcome", "gene_1", "gene_2", "age"]
RNG = np.random.default_rng(0)


def taken(**arrays: np.ndarray) -> Observations:
    return observations(arrays, [], (), "table")


def test_patterns_choose_columns_in_their_order() -> None:
    assert choose(NAMES, ["gene_*", "age"], ["outcome"], "t") == (
        ["gene_1", "gene_2", "age"],
        ["outcome"],
    )
    assert choose(NAMES, ["gene_?"], None, "t") == (["gene_1", "gene_2"], [])
    assert choose(NAMES, None, ["gene_*"], "t") == (["outcome", "age"], ["gene_1", "gene_2"])


def test_a_pattern_of_x_leaves_out_what_is_z() -> None:
    assert choose(NAMES, ["*"], ["age"], "t")[0] == ["outcome", "gene_1", "gene_2"]


def test_a_name_with_a_star_is_itself() -> None:
    assert choose(["a*", "ab", "y"], ["a*"], ["y"], "t")[0] == ["a*"]


def test_a_bracket_is_no_pattern() -> None:
    assert choose(["g[0]", "g[1]", "y"], ["g[0]"], ["y"], "t")[0] == ["g[0]"]


@pytest.mark.parametrize(
    ("x", "z", "told"),
    [
        (None, ["nope"], "dataset.z=nope: not there: t has outcome, gene_1, gene_2, age"),
        (["zz*"], None, "dataset.x=zz*: matches no column: t has"),
        (["age", "outcome"], ["outcome"], "dataset.x and dataset.z share outcome"),
        (["age"], None, "t: one column, age: want at least two to screen"),
        (["*"], ["*"], "one column|share|at least two"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    x: list[str] | None, z: list[str] | None, told: str
) -> None:
    with pytest.raises(BadInput, match=told.replace("*", r"\*") if x != ["*"] else told):
        choose(NAMES, x, z, "t")


def test_columns_that_cannot_be_used_say_why() -> None:
    infinite = RNG.normal(size=200)
    infinite[3] = np.inf
    few = np.full(200, np.nan)
    few[:50] = 1.5
    found = taken(
        a=RNG.normal(size=200),
        b=RNG.normal(size=200),
        constant=np.ones(200),
        infinite=infinite,
        few=few,
        barcode=np.array([f"c{i}" for i in range(200)]),
        one=np.array(["x"] * 200),
        when=np.zeros(200, "datetime64[s]"),
    )
    assert {column.name: column.fault.split(",")[0].split(":")[0] for column in found.unfit} == {
        "constant": "the same value in every row",
        "infinite": "infinite in 1 rows",
        "few": "50 values",
        "barcode": "200 classes",
        "one": "the same class in every row",
        "when": "values of type datetime64[s]",
    }
    assert found.pairs == [(0, 1)]


def test_text_is_classes_and_gaps_are_nan() -> None:
    text = np.ma.masked_array(np.array(["b", "a"] * 100), [True] + [False] * 199)
    (column, _) = taken(text=text, other=RNG.normal(size=200)).columns
    assert column.classes == ("a", "b")
    assert np.isnan(column.values[0])
    assert column.values[1:4].tolist() == [0, 1, 0]


def test_an_array_of_two_dimensions_is_columns() -> None:
    found = observations(
        {"x": RNG.normal(size=(200, 2)), "z": RNG.normal(size=200)}, ["z"], (), ""
    )
    assert [column.name for column in found.columns] == ["x[0]", "x[1]", "z"]
    assert found.pairs == [(0, 2), (1, 2)]


def test_pairs_are_each_two_columns_once() -> None:
    found = taken(**{name: RNG.normal(size=100) for name in "abcd"})
    assert len(found.pairs) == len({frozenset(pair) for pair in found.pairs}) == 6


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"a": np.zeros(200), "b": np.zeros(150)}, "a has 200, b has 150: want as many"),
        ({"a": np.arange(50.0), "b": np.arange(50.0)}, "50 rows: want at least 100"),
        ({"a": np.arange(200.0), "b": np.zeros(200)}, "fewer than two columns can be used; b"),
        ({f"c{i}": np.arange(100.0) for i in range(700)}, "244,650 pairs of columns: want at"),
    ],
)
def test_what_cannot_be_screened_is_refused(arrays: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        taken(**arrays)


def test_an_outcome_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(BadInput, match="b: the same value in every row"):
        observations({"a": np.arange(200.0), "b": np.zeros(200)}, ["b"], (), "t")


def test_gaps_are_refused_where_asked_for() -> None:
    gaps = np.arange(200.0)
    gaps[5] = np.nan
    with pytest.raises(BadInput, match="a: missing in 1 rows"):
        observations({"a": gaps, "b": np.arange(200.0)}, [], (), "t", drop=False)


def test_what_is_given_is_in_no_pair() -> None:
    arrays = {name: RNG.normal(size=200) for name in "abcw"}
    for z, pairs in (([], 3), (["c"], 2)):
        found = observations(arrays, z, (), "t", given="w")
        assert found.w == 3
        assert len(found.pairs) == pairs
        assert not any(3 in pair for pair in found.pairs)


def test_a_name_or_a_pattern_of_one_column_is_given() -> None:
    assert third(NAMES, ["age"], None, ["outcome"], "t") == "age"
    assert third(NAMES, ["ag*"], ["gene_*"], ["outcome"], "t") == "age"
    assert third(NAMES, [], None, None, "t") is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["nope"], "dataset.given=nope: not there: t has outcome, gene_1, gene_2, age"),
        (["zz*"], r"dataset.given=zz\*: matches no column"),
        (["outcome"], "dataset.given and dataset.z share outcome: want it in one of them"),
        (["gene_1"], "dataset.given and dataset.x share gene_1"),
        (["gene_*"], "gene_1, gene_2: several columns: task=screen takes one; task=mi-estimate"),
    ],
)
def test_what_cannot_be_given_is_refused(given: list[str], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        third(NAMES, given, ["gene_1", "age"] if given == ["gene_1"] else None, ["outcome"], "t")


def test_what_is_given_and_cannot_be_used_is_refused() -> None:
    for wrong, told in (
        (np.zeros(200), "t: w: the same value in every row"),
        (np.array([f"c{i}" for i in range(200)]), "t: w: 200 classes"),
        (RNG.normal(size=(200, 2)), "dataset.given=w: several columns"),
    ):
        with pytest.raises(BadInput, match=told):
            observations({"a": np.arange(200.0), "b": np.arange(200.0), "w": wrong},
                         [], (), "t", given="w")  # fmt: skip
