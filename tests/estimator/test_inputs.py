"""Rows as a statistics network takes them."""

import math

import pytest
import torch

from mine_cli.errors import BadInput
from mine_cli.estimator.inputs import both, check_paired, coded, not_finite


def test_a_setting_for_one_side_or_both() -> None:
    assert both(3) == (3, 3)
    assert both((None, 3)) == (None, 3)


def test_what_are_no_rows_is_one_clear_line() -> None:
    rows = torch.ones(3, 2)
    for x, words in (
        (rows.numpy(), "x: want a torch.Tensor, not ndarray"),
        (torch.tensor(1.0), r"x: want rows of numbers \[n, ...\], not float32 \[\]"),
        (torch.ones(3, dtype=torch.complex64), r"x: want rows of numbers .* not complex64 \[3\]"),
        (torch.ones(4, 2), "x has 4 rows and z has 3"),
    ):
        with pytest.raises(BadInput, match=words):
            check_paired(x, rows)


def test_classes_of_any_whole_type_are_one_hot_behind_their_shape() -> None:
    labels = torch.tensor([[0, 2], [1, 1]])
    wanted = torch.tensor([[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]])
    for dtype in (torch.int64, torch.uint8, torch.int32):
        found = coded(labels.to(dtype), 3, "z", torch.float64)
        assert found.dtype == torch.float64
        assert torch.equal(found, wanted.double())
    assert coded(torch.tensor([True, False]), 2, "z").tolist() == [[0, 1], [1, 0]]
    for bad in ([0, 3], [-1, 0]):
        with pytest.raises(BadInput, match=r"z: num_classes=3 wants classes 0 to 2, not"):
            coded(torch.tensor(bad), 3, "z")


def test_many_bad_rows_are_counted_and_the_first_side_named() -> None:
    x, z = torch.ones(30, 2, 2), torch.ones(30)
    z[5:20] = math.nan
    assert "z is not finite in rows 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 and 5 more" in str(
        not_finite(math.nan, x=x, z=z)
    )
    x[7, 1, 0] = -math.inf
    assert "x is not finite in row 7 of a batch of 30" in str(not_finite(math.nan, x=x, z=z))
