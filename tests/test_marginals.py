"""Which z stands beside which x: shapes, exclusions, equal chances, one stream per generator."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from mine_cli.errors import BadInput
from mine_cli.marginals import (
    MARGINALS,
    AllPairs,
    Derangement,
    Independent,
    Shuffle,
    as_marginals,
)

SHIPPED = [Shuffle, Derangement, Independent]


def stream(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize("make", SHIPPED)
@pytest.mark.parametrize("num", [1, 3])
def test_a_pairing_is_the_generator_s_and_indexes_rows(make: type, num: int) -> None:
    pairing = make(num).pairings(1, 10, stream(4))[0]
    assert pairing.shape == (10, num)
    assert pairing.dtype == torch.long
    assert torch.equal(pairing, make(num).pairings(1, 10, stream(4))[0])
    rows = 10 * (1 + make(num).extra)
    assert 0 <= pairing.min() <= pairing.max() < rows


@pytest.mark.parametrize("make", [Shuffle, Derangement])
def test_every_call_pairs_anew(make: type) -> None:
    generator = stream()
    first, second = make().pairings(2, 50, generator)
    assert not torch.equal(first, second)


@settings(deadline=None)
@given(n=st.integers(1, 30), num=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_a_shuffle_uses_every_row_once_each_time(n: int, num: int, seed: int) -> None:
    pairing = Shuffle(num).pairings(1, n, stream(seed))[0]
    assert torch.equal(pairing.sort(0).values, torch.arange(n)[:, None].expand(n, num))


@settings(deadline=None)
@given(data=st.data(), n=st.integers(2, 30), seed=st.integers(0, 2**31))
def test_a_derangement_never_keeps_a_row_s_own_z(data: st.DataObject, n: int, seed: int) -> None:
    num = data.draw(st.integers(1, n - 1))
    pairing = Derangement(num).pairings(1, n, stream(seed))[0]
    assert (pairing != torch.arange(n)[:, None]).all()
    assert torch.equal(pairing.sort(0).values, torch.arange(n)[:, None].expand(n, num))
    assert all(len(row.unique()) == num for row in pairing)


def counts(pairings: Tensor, n: int) -> Tensor:
    """How often each (i, j) came up in [draws, n, num] pairings."""
    return torch.stack([torch.bincount(row.flatten(), minlength=n) for row in pairings.unbind(1)])


@pytest.mark.parametrize(("make", "partners"), [(Shuffle, 5), (Derangement, 4)])
@pytest.mark.parametrize("num", [1, 2])
def test_all_partners_are_equally_likely(make: type, partners: int, num: int) -> None:
    n, draws, generator = 5, 4000, stream()
    seen = counts(make(num).pairings(draws, n, generator), n)
    expected = draws * num / partners
    allowed = seen if make is Shuffle else seen[~torch.eye(n, dtype=torch.bool)]
    # Five standard deviations of a count.
    assert ((allowed - expected).abs() < 5 * expected**0.5).all()
    assert allowed.sum() == draws * n * num


def test_independent_draws_lie_behind_the_batch_and_are_used_once() -> None:
    marginals = Independent(3)
    assert marginals.extra == 3
    pairing = marginals.pairings(1, 4, stream())[0]
    assert sorted(pairing.flatten().tolist()) == list(range(4, 16))


def test_all_pairs_crosses_groups_of_at_most_so_many_rows() -> None:
    assert AllPairs().rows == 64
    assert AllPairs(7).groups(21) == (3, 7)
    assert AllPairs(7).groups(20) == (3, 6)
    assert AllPairs(7).pairs(21) == 3 * 7 * 6
    assert AllPairs(7).pairings(1, 21, stream()) is None
    assert Shuffle(3).groups(21) == (0, 0)
    assert Shuffle(3).pairs(21) == 63


def test_marginals_of_ones_own_need_no_more_than_their_pairings() -> None:
    class Next:
        def pairings(self, batches: int, n: int, generator: Generator) -> Tensor:
            return torch.arange(n).roll(-1)[None, :, None].expand(batches, n, 1)

    own = as_marginals(Next())
    assert (own.num, own.extra, own.rows) == (0, 0, None)
    assert own.pairs(5) == 5
    pairing = own.pairings(1, 3, stream())
    assert pairing is not None
    assert pairing.flatten().tolist() == [1, 2, 0]
    shuffle = Shuffle()
    assert as_marginals(shuffle) is shuffle


def test_the_options_go_by_name() -> None:
    assert set(MARGINALS) == {"shuffle", "derangement", "independent", "all_pairs"}
    assert all(isinstance(make(), make) for make in MARGINALS.values())


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Shuffle(0), "num must be at least 1, not 0"),
        (lambda: Derangement(-1), "num must be at least 1, not -1"),
        (lambda: Independent(0), "num must be at least 1, not 0"),
        (lambda: AllPairs(1), "rows must be at least 2, not 1"),
        (
            lambda: Derangement(3).pairings(1, 3, stream()),
            "num=3 needs batches of at least 4 rows",
        ),
    ],
)
def test_what_cannot_be_is_told_in_one_line(make: Callable[[], object], line: str) -> None:
    with pytest.raises(BadInput, match=line):
        make()
