"""References given a third variable: closed forms, independence, what is skipped."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from mine_cli.tasks.mi_estimate.baselines import gaussian_mi
from mine_cli.tasks.mi_estimate.partial import (
    conditional_gaussian,
    conditional_ksg,
    conditional_references,
)

Array = np.ndarray[Any, Any]


def rows(n: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """A collider with noise of variance 1/4, whose information given w is log(25/9) / 2."""
    rng = np.random.default_rng(seed)
    x, z, e = rng.normal(size=(3, n, 1))
    return x, z, x + z + 0.5 * e


TRUTH = 0.5 * math.log(25 / 9)


def test_rows_that_were_pasted_again_count_once_given_w() -> None:
    x, z, w = torch.randn(3, 400, 1, generator=torch.Generator().manual_seed(0))
    once = conditional_references(x, z + x, w)
    again = conditional_references(*(side.repeat(2, 1) for side in (x, z + x, w)))
    for name in once:
        assert again[name]["estimate"] == pytest.approx(once[name]["estimate"], abs=1e-9)


def test_the_gaussian_is_that_of_partial_canonical_correlations() -> None:
    rng = np.random.default_rng(1)
    w = rng.normal(size=(4000, 2))
    x = w @ rng.normal(size=(2, 2)) + rng.normal(size=(4000, 2))
    z = w @ rng.normal(size=(2, 3)) + x @ rng.normal(size=(2, 3)) + rng.normal(size=(4000, 3))
    left = [np.c_[w, np.ones(len(w))]] * 2
    x_rest, z_rest = (
        side - base @ np.linalg.lstsq(base, side, rcond=None)[0]
        for base, side in zip(left, (x, z), strict=True)
    )
    assert conditional_gaussian(x, z, w) == pytest.approx(gaussian_mi(x_rest, z_rest), abs=2e-3)


def test_both_know_a_collider() -> None:
    found = np.array([
        (conditional_gaussian(*rows(500, seed)), conditional_ksg(*rows(500, seed)))
        for seed in range(20)
    ])  # fmt: skip
    error = found.std(0) / math.sqrt(20)
    assert abs(found[:, 0].mean() - TRUTH) < 3 * error[0]
    assert abs(found[:, 1].mean() - TRUTH) < 0.05


def test_both_know_that_nothing_is_left_of_a_chain() -> None:
    rng = np.random.default_rng(0)
    x, e, f = rng.normal(size=(3, 2000, 1))
    w = x + 0.5 * e
    z = w + 0.5 * f
    assert abs(conditional_gaussian(x, z, w)) < 0.003
    assert abs(conditional_ksg(x, z, w)) < 0.03


@pytest.mark.parametrize(
    ("classes", "change", "said"),
    [
        (("z", "given"), None, "skipped: z and given categorical"),
        ((), "constant", "skipped: given does not vary"),
        ((), "ties", "share their given with more than 3 others"),
        ((), "wide", "not to be trusted in 14 dimensions"),
    ],
)
def test_what_is_skipped_and_why(classes: tuple[str, ...], change: str | None, said: str) -> None:
    x, z, w = (torch.from_numpy(side) for side in rows(300))
    if change == "constant":
        w = torch.zeros_like(w)
    elif change == "ties":
        w = w.sign()
    elif change == "wide":
        w = torch.randn(300, 12).double()
    assert said in str(conditional_references(x, z, w, classes)["ksg"]["note"])


def test_what_w_alone_decides_has_no_gaussian_number() -> None:
    x, z, w = (torch.from_numpy(side) for side in rows(300))
    found = conditional_references(x, 2 * w, w)["gaussian"]
    assert found["estimate"] is None
    assert str(found["note"]).startswith("infinite")
    assert z.shape == w.shape
