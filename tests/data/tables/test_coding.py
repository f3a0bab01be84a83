"""New rows are coded as those of a run were."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mine_cli.data.arrays import from_memory
from mine_cli.data.tables.coding import Coding
from mine_cli.errors import BadInput

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {"age": RNG.normal(size=120), "sex": RNG.choice(["m", "f"], 120), "dose": RNG.normal(size=120)}
)
OUTCOME = np.where(RNG.random(120) < 0.3, "b", np.where(RNG.random(120) < 0.5, "c", "a"))


def codings() -> tuple[dict[str, Coding], Any]:
    """As a run keeps them in its columns.json, and the rows that it saw."""
    rows = from_memory(FRAME, OUTCOME).rows()
    saved = json.dumps({side: coding.saved() for side, coding in rows.codings.items()})
    return {side: Coding.read(found) for side, found in json.loads(saved).items()}, rows


def test_the_run_s_own_rows_are_coded_as_they_were() -> None:
    found, rows = codings()
    assert torch.equal(found["x"]("x", FRAME), rows.x)
    assert torch.equal(found["z"]("z", OUTCOME), rows.z)


def test_a_frame_s_columns_are_found_by_their_names() -> None:
    found, rows = codings()
    other = FRAME[["dose", "sex", "age"]].assign(more=1.0)
    assert torch.equal(found["x"]("x", other), rows.x)


def test_few_rows_are_coded_by_all_classes_in_ascending_order() -> None:
    found, _ = codings()
    assert found["z"].classes == {"z": ["a", "b", "c"]}
    assert found["z"]("z", np.array(["c", "a"])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert found["z"]("z", pd.Series(["b"])).tolist() == [[0, 1, 0]]


def test_numbers_that_are_classes() -> None:
    rows = from_memory(np.arange(200.0), np.arange(200) % 3, categorical=["z"]).rows()
    assert rows.codings["z"]("z", np.array([2.0, 0.0])).tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("side", "values", "fault"),
    [
        ("z", np.array(["a", "d"]), "d: no class of the training rows"),
        ("x", FRAME[["age", "sex"]], "x: no dose there, but age, sex"),
        ("x", np.zeros((5, 2)), r"rows of shape \[2\]: want the columns age, sex, dose"),
    ],
)
def test_what_the_run_did_not_have_is_refused(side: str, values: Any, fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        codings()[0][side](side, values)
