from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mine_cli.data.split import (
    Split,
    copies,
    folds,
    found_among,
    group_column,
    identical_rows,
    straddling,
    three_way,
    two_way,
    without_copies,
)
from mine_cli.errors import BadInput

HOWS = ["random", "blocks", "groups:who"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parts(split: Split) -> list[torch.Tensor]:
    return [split.fit, split.select, split.report]


def covers(split: Split, n: int) -> bool:
    return torch.equal(torch.cat(parts(split)).sort().values, torch.arange(n))


def labels(n: int, num: int, seed: int) -> torch.Tensor:
    """Labels, [n], of which at least min(n, num) are different."""
    drawn = torch.randint(num, (n,), generator=seeded(seed))
    return torch.cat([torch.arange(min(n, num)), drawn])[:n]


def whole(split: Split, groups: torch.Tensor) -> bool:
    seen = [set(groups[part].tolist()) for part in parts(split)]
    return not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


@given(
    n=st.integers(3, 300),
    select=st.floats(0.01, 0.45),
    report=st.floats(0.01, 0.45),
    how=st.sampled_from(HOWS),
    num=st.integers(3, 40),
    seed=st.integers(0, 99),
)
def test_three_parts_are_disjoint_cover_all_rows_and_keep_groups(
    n: int, select: float, report: float, how: str, num: int, seed: int
) -> None:
    groups = labels(n, num, seed)
    split = three_way(n, [1 - select - report, select, report], how, groups, seeded(seed))
    assert covers(split, n)
    assert all(len(part) for part in parts(split))
    if how == "blocks":
        assert torch.equal(torch.cat(parts(split)), torch.arange(n))
    else:
        assert whole(split, groups)


@given(
    n=st.integers(12, 300),
    num_folds=st.integers(2, 6),
    share=st.floats(0.05, 0.95),
    how=st.sampled_from(HOWS),
    num=st.integers(12, 40),
    seed=st.integers(0, 99),
)
def test_folds_partition_the_rows(
    n: int, num_folds: int, share: float, how: str, num: int, seed: int
) -> None:
    groups = labels(n, num, seed)
    splits = folds(n, num_folds, share, how, groups, seeded(seed))
    assert len(splits) == num_folds
    reported = torch.cat([split.report for split in splits])
    assert torch.equal(reported.sort().values, torch.arange(n))
    for split in splits:
        assert covers(split, n)
        assert all(len(part) for part in parts(split))
        if how != "blocks":
            assert whole(split, groups)


@given(n=st.integers(3, 60), copies=st.integers(1, 4), seed=st.integers(0, 99))
def test_duplicate_rows_stay_together(n: int, copies: int, seed: int) -> None:
    x = torch.randn(n, 2, generator=seeded(seed)).repeat(copies, 1)
    z = torch.arange(n)[:, None].repeat(copies, 1).float()
    same = identical_rows(x, z)
    assert torch.equal(same.view(copies, n), same[:n].expand(copies, n))
    assert len(same.unique()) == n
    split = three_way(n * copies, [0.6, 0.2, 0.2], "random", same, seeded(seed))
    assert covers(split, n * copies)
    assert straddling(same, split) == 0


@given(
    n=st.integers(2, 200),
    num=st.integers(2, 40),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 99),
)
def test_two_parts_are_disjoint_cover_all_rows_and_keep_groups(
    n: int, num: int, share: float, seed: int
) -> None:
    groups = labels(n, num, seed)
    train, test = two_way(n, share, groups, seeded(seed))
    assert torch.equal(torch.cat([train, test]).sort().values, torch.arange(n))
    assert len(train)
    assert len(test)
    assert not set(groups[train].tolist()) & set(groups[test].tolist())


def test_two_parts_follow_share_and_generator() -> None:
    (train, test), (_, again), (_, other) = (
        two_way(1000, 0.1, torch.arange(1000), seeded(seed)) for seed in (1, 1, 2)
    )
    assert (len(train), len(test)) == (900, 100)
    assert torch.equal(test, again)
    assert not torch.equal(test, other)


def test_sizes_follow_the_fractions() -> None:
    split = three_way(1000, [0.8, 0.1, 0.1], generator=seeded())
    assert [len(part) for part in parts(split)] == [800, 100, 100]
    sizes = [[len(part) for part in parts(split)] for split in folds(1000, 5, 1 / 8)]
    assert sizes == [[700, 100, 200]] * 5


def test_random_follows_the_generator_and_is_not_in_order() -> None:
    first, again, other = (three_way(99, [0.6, 0.2, 0.2], generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first.fit, again.fit)
    assert not torch.equal(first.fit, other.fit)
    assert not torch.equal(first.fit, first.fit.sort().values)


def test_blocks_select_just_before_the_fold() -> None:
    _, second, _ = folds(30, 3, 0.25, "blocks")
    assert second.report.tolist() == list(range(10, 20))
    assert second.select.tolist() == list(range(5, 10))
    assert sorted(second.fit.tolist()) == [*range(5), *range(20, 30)]


def test_straddling_counts_copies_in_other_parts() -> None:
    x = torch.arange(8.0)[:, None]
    x[6], x[7] = x[0], x[1]
    split = three_way(8, [0.5, 0.25, 0.25], "blocks")
    assert straddling(identical_rows(x, x), split) == 2


def test_rows_are_found_among_others() -> None:
    x = torch.arange(12.0).view(6, 2)
    assert found_among(x[[5, 0]], x[:3]).tolist() == [False, True]
    assert found_among(-0.0 * x[:1], x[:1] * 0).tolist() == [True]
    assert torch.equal(identical_rows(x, x[:, :0]), identical_rows(x))


def test_zero_and_minus_zero_are_the_same_value() -> None:
    x = torch.tensor([[0.0], [-0.0], [1.0]])
    assert identical_rows(x, x)[:2].unique().numel() == 1


def test_small_whole_numbers_are_told_apart() -> None:
    grid = torch.cartesian_prod(*[torch.arange(16.0)] * 4)
    assert identical_rows(grid[:, :2], grid[:, 2:]).unique().numel() == 16**4


@pytest.mark.parametrize(
    ("how", "column"), [("random", None), ("blocks", None), ("groups:who", "who")]
)
def test_group_column(how: str, column: str | None) -> None:
    assert group_column(how) == column


@pytest.mark.parametrize("how", ["groups", "groups:", "block", ""])
def test_an_unknown_split(how: str) -> None:
    with pytest.raises(BadInput, match="want random, blocks or groups:COLUMN"):
        group_column(how)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: three_way(2, [0.8, 0.1, 0.1]), "split=random: 2 different rows left for 3"),
        (lambda: three_way(9, [0.8, 0.1, 0.1], "groups:a", torch.zeros(9)), "1 groups left"),
        (lambda: three_way(9, [0.8, 0.1, 0.1], "groups:a"), "no groups"),
        (lambda: three_way(9, [0.8, 0.1, 0.1], "groups:a", torch.zeros(8)), "8 group labels"),
        (lambda: three_way(9, [0.8, 0.1]), "three positive numbers"),
        (lambda: three_way(9, [0.8, 0.3, -0.1]), "three positive numbers"),
        (lambda: three_way(9, [0.8, 0.1, 0.2]), "add up to 1"),
        (lambda: folds(9, 1, 0.1), "folds=1"),
        (lambda: folds(9, 2, 1.0), "select rows"),
        (lambda: folds(9, 10, 0.1), "folds=10 split=random: 9 different rows left for 10"),
        (lambda: two_way(9, 0.1, torch.zeros(9)), "1 different rows left for 2 parts"),
        (lambda: folds(3, 2, 0.1), "folds=2 split=random: 1 different rows left for 2"),
        (
            lambda: folds(9, 4, 0.1, "groups:a", torch.arange(9) // 3),
            "folds=4 split=groups:a: 3 groups left for 4",
        ),
    ],
)
def test_bad_splits(call: Callable[[], object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        call()


# Copies and repeats


def test_copies_of_continuous_rows_are_found() -> None:
    x, z = torch.randn(2, 100, 1, generator=seeded())
    labels = copies(torch.cat([x, x[:30]]), torch.cat([z, z[:30]]))
    assert labels is not None
    assert torch.equal(labels[100:], labels[:30])
    assert len(labels.unique()) == 100


@pytest.mark.parametrize("with_labels", [False, True])
def test_a_table_that_was_pasted_twice_is_all_copies(with_labels: bool) -> None:
    x = torch.randn(200, 2, generator=seeded())
    z = torch.randint(3, (200, 1), generator=seeded(1)).float() if with_labels else x[:, :1] ** 2
    labels = copies(x.repeat(2, 1), z.repeat(2, 1))
    assert labels is not None
    assert len(labels.unique()) == 200


def test_without_copies_each_row_stands_once_and_in_its_order() -> None:
    x, z = torch.randn(2, 50, 1, generator=seeded())
    assert without_copies(x, z).tolist() == [*range(50)]
    again = torch.cat([torch.arange(50), torch.tensor([3, 3, 17])])
    assert without_copies(x[again], z[again]).tolist() == [*range(50)]
    again = torch.cat([torch.tensor([9, 9]), torch.arange(50)])
    assert without_copies(x[again], z[again]).tolist() == [
        0,
        *(2 + i for i in range(50) if i != 9),
    ]


@pytest.mark.parametrize("digits", [0, 1, 2])
def test_rounded_measurements_are_no_copies(digits: int) -> None:
    """But for the few at the ends whose value comes with one partner alone."""
    x, noise = torch.randn(2, 5000, 1, generator=seeded())
    x, z = (side.mul(10**digits).round() for side in (x, 0.6 * x + 0.8 * noise))
    labels = copies(x, z)
    assert labels is None or len(labels) - len(labels.unique()) < 10


def test_cells_of_a_table_are_no_copies() -> None:
    x = torch.arange(900).remainder(9)[:, None].float()
    assert copies(x, x) is None
    assert copies(x, (x * 2).remainder(3)) is None


def test_a_rare_label_makes_no_copies_of_rounded_values() -> None:
    z = torch.randn(5000, 1, generator=seeded()).mul(100).round()
    x = (torch.arange(5000) < 50)[:, None].float()
    assert copies(x, z) is None
