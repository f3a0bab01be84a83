"""Batches: every row once an epoch, independent extra draws, streams that go on."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from mine_cli.data.gaussian import Gaussian
from mine_cli.marginals import AllPairs, Derangement, Independent, Shuffle
from mine_cli.tasks.batches import (
    MOST_NUMBERS,
    MOST_STEPS,
    FixedRows,
    FreshDraws,
    Prefetched,
    StackedBatches,
    stage_of,
)
from mine_cli.training.rng import go_on, stream


def rows(n: int) -> Tensor:
    return torch.arange(n, dtype=torch.float32)[:, None]


def test_an_epoch_holds_every_row_once_and_the_next_has_another_order() -> None:
    feed, generator = FixedRows(rows(60), -rows(60), 20), torch.Generator().manual_seed(1)
    epochs = []
    for _ in range(3):
        batches = [feed.batch(generator) for _ in range(3)]
        assert all(torch.equal(x, -z) for x, z in batches)
        epochs.append(torch.cat([x for x, _ in batches]).flatten())
    assert all(torch.equal(epoch.sort().values, rows(60).flatten()) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])


def test_an_incomplete_end_is_dropped_and_other_rows_take_their_turn() -> None:
    feed, generator = FixedRows(rows(50), rows(50), 20), torch.Generator().manual_seed(1)
    seen = set()
    for _ in range(20):
        pair = [feed.batch(generator)[0].flatten() for _ in range(2)]
        assert len(torch.cat(pair).unique()) == 40
        seen |= set(torch.cat(pair).tolist())
    assert len(seen) == 50


def test_a_batch_may_be_all_rows() -> None:
    feed, generator = FixedRows(rows(20), rows(20), 20), torch.Generator().manual_seed(1)
    for _ in range(3):
        assert torch.equal(feed.batch(generator)[0].sort(dim=0).values, rows(20))


def test_extra_draws_are_independent_of_the_batch() -> None:
    """They come from all rows with replacement: the order of the batch says nothing of them."""
    n, size = 1000, 500
    feed, generator = FixedRows(rows(n), rows(n), size, extra=2), torch.Generator().manual_seed(1)
    x, z = feed.batch(generator)
    extra = z[size:]
    assert len(x) == size
    assert torch.equal(z[:size], x)
    assert len(extra) == 2 * size
    own = (extra.reshape(2, size, 1) == x).float().mean()
    assert own < 0.01
    inside = torch.isin(extra, x).float().mean()
    assert inside == pytest.approx(size / n, abs=0.06)
    assert extra.unique().numel() < len(extra)
    assert extra.mean() == pytest.approx(n / 2, abs=40)


def test_extra_draws_leave_no_row_out() -> None:
    feed, generator = FixedRows(rows(30), rows(30), 10, extra=1), torch.Generator().manual_seed(1)
    extra = torch.cat([feed.batch(generator)[1][10:] for _ in range(60)])
    assert torch.equal(extra.unique(), rows(30).flatten())


class Counting:
    """A law whose draws are numbered: x and z of one row have one number."""

    def __init__(self) -> None:
        self.drawn = 0

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        numbers = rows(n) + self.drawn
        self.drawn += n
        return numbers, -numbers


def test_fresh_draws_are_never_seen_twice_and_extra_ones_are_others() -> None:
    feed, generator = FreshDraws([Counting()], 10, extra=3), torch.Generator()
    found = [feed.batches(2, generator) for _ in range(2)]
    assert all(x.shape == (2, 10, 1) and z.shape == (2, 40, 1) for x, z in found)
    assert all(torch.equal(x, -z[:, :10]) for x, z in found)
    assert torch.cat([z for _, z in found]).unique().numel() == 160


class Constant:
    """Gives one number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.full((n, 1), self.number), torch.full((n, 1), -self.number)


@pytest.mark.parametrize("block", [1, 3, 4, 10, 30])
def test_each_law_serves_an_equal_stretch_of_the_training(block: int) -> None:
    """However many steps are drawn in one go; after the end the last law goes on."""
    laws = [Constant(k) for k in range(3)]
    feed, generator = FreshDraws(laws, 5, extra=2, steps=10), torch.Generator()
    found = [feed.batches(block, generator) for _ in range(-(-30 // block))]
    x, z = (torch.cat(side)[:30] for side in zip(*found, strict=True))
    assert (x.shape, z.shape) == ((30, 5, 1), (30, 15, 1))
    expected = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 2] + [2] * 20)
    for side, sign in ((x, 1), (z, -1)):
        assert torch.equal(side, (sign * expected).float()[:, None, None].expand_as(side))


def test_a_stage_is_that_of_the_step_that_trained_last() -> None:
    assert [stage_of(step, 4, 2) for step in range(7)] == [0, 0, 0, 1, 1, 1, 1]
    assert {stage_of(step, 4, 0) for step in range(7)} == {0}


LAWS: dict[str, list[Any]] = {
    "one law": [Gaussian(dim=1, rho=0.5)],
    "stages": [Gaussian(dim=1, rho=rho) for rho in (0.1, 0.5, 0.9)],
}


@pytest.mark.parametrize("extra", [0, 2])
@pytest.mark.parametrize("laws", [None, *LAWS.values()], ids=["fixed rows", *LAWS])
def test_a_feed_goes_on_from_its_state(laws: list[Any] | None, extra: int) -> None:
    def make() -> Any:
        if laws is None:
            return FixedRows(rows(50), rows(50), 20, extra)
        return FreshDraws(laws, 20, extra, steps=7)

    feed, generator = make(), torch.Generator().manual_seed(3)
    for _ in range(3):
        feed.batches(1, generator)
    state, random_state = copy.deepcopy(feed.state_dict()), generator.get_state()
    expected = [feed.batches(num, generator) for num in (1, 3, 2)]
    again = make()
    again.load_state_dict(state)
    generator.set_state(random_state)
    for x, z in expected:
        other_x, other_z = again.batches(len(x), generator)
        assert torch.equal(x, other_x)
        assert torch.equal(z, other_z)


def test_every_stream_has_a_seed_of_its_own() -> None:
    keys = [(s, n, m) for s in range(20) for n in ("network", "training") for m in range(5)]
    assert len({stream(*key) for key in keys}) == len(keys)
    assert stream(0, "split") == stream(0, "split")
    assert all(0 <= stream(*key) < 2**63 for key in keys)


def ahead(seed: int, marginals: Any = None, numbers: int = MOST_NUMBERS // 4) -> Prefetched:
    """Blocks of four steps, of batches of 8 rows out of 50."""
    feed = FixedRows(rows(50), -rows(50), 8, getattr(marginals, "extra", 0))
    generator = torch.Generator().manual_seed(seed)
    return Prefetched(feed, marginals or Derangement(), generator, numbers)


def test_a_block_is_as_long_as_its_numbers_allow() -> None:
    assert ahead(0).steps == 4
    assert ahead(0, numbers=1).steps == MOST_STEPS
    assert ahead(0, numbers=10 * MOST_NUMBERS).steps == 1


@pytest.mark.parametrize("marginals", [Derangement(2), Shuffle(), Independent(3), AllPairs(4)])
def test_networks_beside_one_another_get_what_each_gets_alone(marginals: Any) -> None:
    alone = [StackedBatches([ahead(seed, marginals)]) for seed in range(3)]
    beside = StackedBatches([ahead(seed, marginals) for seed in range(3)])
    for _ in range(10):  # into the third block
        x, z, pairing = beside.next()
        for r, one in enumerate(alone):
            own_x, own_z, own_pairing = one.next()
            assert torch.equal(x[r], own_x)
            assert torch.equal(z[r], own_z)
            assert (pairing is None) == (own_pairing is None) == isinstance(marginals, AllPairs)
            assert pairing is None or torch.equal(pairing[r], own_pairing)


def test_who_is_left_in_the_middle_of_a_block_goes_on_with_it() -> None:
    members = [ahead(seed) for seed in range(3)]
    beside, alone = StackedBatches(members), StackedBatches([ahead(2)])
    for step in range(9):
        if step == 2:
            beside = StackedBatches([members[0], members[2]])
        if step == 5:
            beside = StackedBatches([members[2]])
        found, expected = beside.next(), alone.next()
        for part, own in zip(found, expected, strict=True):
            assert torch.equal(part if step >= 5 else part[-1], own)


@pytest.mark.parametrize("taken", range(9))
def test_a_block_goes_on_from_its_state(taken: int) -> None:
    """Also from the moment before the first, and between two."""
    first, again = ahead(1), ahead(5)
    batches = StackedBatches([first])
    for _ in range(taken):
        batches.next()
    again.load_state_dict(copy.deepcopy(first.state_dict()))
    other = StackedBatches([again])
    for _ in range(6):
        for part, own in zip(other.next(), batches.next(), strict=True):
            assert torch.equal(part, own)


def test_a_stream_of_another_device_goes_on_as_one_that_follows_from_it() -> None:
    def after(state: list[int]) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        go_on(generator, torch.tensor(state, dtype=torch.uint8))
        return torch.randn(5, generator=generator)

    state = [7] * 16  # as long as that of a GPU
    assert torch.equal(after(state), after(state))
    assert not torch.equal(after(state), after([8] * 16))
    assert not torch.equal(
        after(state), torch.randn(5, generator=torch.Generator().manual_seed(1))
    )
