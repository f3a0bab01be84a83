from collections.abc import Callable
from typing import Any

import pytest
import torch

from mine_cli.data.labelled import Labelled, labelled_data, overlap
from mine_cli.errors import BadInput

GOOD: dict[str, Any] = {
    "x": torch.arange(40.0).view(10, 4) / 40,
    "y": torch.arange(10) % 3,
    "test_x": torch.arange(40.0, 60.0).view(5, 4) / 60,
    "test_y": torch.arange(5) % 3,
    "num_classes": 3,
}


def told(**changed: Any) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        Labelled(**GOOD | changed)
    assert all("\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


def with_value(values: torch.Tensor, rows: list[int], value: float) -> torch.Tensor:
    changed = values.clone()
    changed[rows] = value
    return changed


def test_good_parts_have_no_fault() -> None:
    data = Labelled(**GOOD, names=["a", "b", "c"], bounds=(0.0, 1.0))
    assert (data.num_classes, data.warnings) == (3, [])
    Labelled(**GOOD | {"x": torch.zeros(10), "test_x": torch.zeros(5)})
    Labelled(**GOOD | {"x": torch.zeros(10, 1, 4, 4), "test_x": torch.zeros(5, 1, 4, 4)})


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"y": GOOD["y"][:9]}, "x has 10 rows, y has 9: want as many in each"),
        ({"test_y": GOOD["y"]}, "test_x has 5 rows, test_y has 10: want as many in each"),
        (
            {"y": with_value(GOOD["y"], [4, 6], 3)},
            "y: labels outside 0 to 2 (3) in row 5 and 1 more: want each below num_classes=3",
        ),
        (
            {"test_y": with_value(GOOD["test_y"], [0], -1)},
            "test_y: labels outside 0 to 2 (-1) in row 1: want each below num_classes=3",
        ),
        (
            {"test_x": torch.zeros(5, 3)},
            "test_x has rows of shape [3], x of shape [4]: want the same",
        ),
        (
            {"x": with_value(GOOD["x"], [1, 2, 9], float("nan"))},
            "x: NaN or infinite in row 2 and 2 more: want numbers",
        ),
        (
            {"test_x": with_value(GOOD["test_x"], [4], float("-inf"))},
            "test_x: NaN or infinite in row 5: want numbers",
        ),
        ({"x": GOOD["x"][:0], "y": GOOD["y"][:0]}, "x has no rows: want at least one"),
        (
            {"test_x": GOOD["x"][:0], "test_y": GOOD["y"][:0]},
            "test_x has no rows: want at least one",
        ),
        ({"x": GOOD["x"].double()}, "x holds float64: want float32"),
        (
            {"y": GOOD["y"][:, None].float()},
            "y has shape [10, 1] and holds float32: want [n] of int64",
        ),
        (
            {"y": GOOD["y"] * 0, "test_y": GOOD["test_y"] * 0, "num_classes": 1},
            "num_classes=1: want at least 2 classes",
        ),
        ({"names": ["a", "b"]}, "2 names for num_classes=3: want one a class"),
        (
            {"bounds": (0.0, 0.5)},
            "x: values in [0, 0.975]: want them within bounds=(0.0, 0.5)",
        ),
    ],
)
def test_a_fault_is_one_line(changed: dict[str, Any], fault: str) -> None:
    assert told(**changed)[0] == f"dataset: {fault}"


def test_faults_come_all_at_once() -> None:
    changed = {"y": GOOD["y"] + 1, "test_x": GOOD["test_x"][:4] / 0, "names": ["a"]}
    assert len(told(**changed)) == 3
    both = told(y=GOOD["y"] + 1, test_x=GOOD["test_x"] / 0)
    assert [fault.split(": ")[1] for fault in both] == ["y", "test_x"]


def test_overlap_counts_test_rows_that_are_training_rows() -> None:
    train = torch.randn(50, 3)
    test = torch.cat([train[[3, 3]], torch.randn(4, 3), train[7:8]])
    assert overlap(train, test) == 3
    assert overlap(test, train) == 2
    assert overlap(train, test[2:6]) == 0
    nearly = train.clone()
    nearly[:, 1] += 1e-3
    assert overlap(train, nearly) == 0
    assert overlap(train, train.flip(1)) == 0
    images = torch.randint(2, (20, 1, 6, 6)).float()
    assert overlap(images, images[:5] + 0.0) == 5


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: object(), "dataset: object has no labelled(): want data with labels and a test"),
        (
            lambda: type("Own", (), {"labelled": lambda self: 3})(),
            "dataset: Own.labelled() gave int",
        ),
    ],
)
def test_a_data_set_without_labels(make: Callable[[], object], fault: str) -> None:
    with pytest.raises(BadInput) as caught:
        labelled_data(make())
    assert caught.value.faults[0].startswith(fault)


def test_a_data_set_of_ones_own() -> None:
    own = type("Own", (), {"labelled": lambda self: Labelled(**GOOD)})()
    assert torch.equal(labelled_data(own).x, GOOD["x"])
