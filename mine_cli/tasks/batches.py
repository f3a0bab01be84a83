"""Draws training batches on the device: from fixed rows, or afresh from a sampler."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from mine_cli.marginals import Marginals
from mine_cli.tasks.protocol import PairSampler
from mine_cli.training.rng import go_on
from mine_cli.training.task import State

__all__ = ["FixedRows", "FreshDraws", "Prefetched", "StackedBatches", "stage_of"]

# Steps whose batches are drawn in one go, for a call a step costs more than what it draws; fewer
# where they would hold more numbers than these, a megabyte.
MOST_STEPS = 256
MOST_NUMBERS = 2**18


class FixedRows:
    """Draws batches from fixed rows: each epoch is a permutation, its incomplete end dropped.

    Arguments:
        x, z: rows on the device.
        batch_size: rows a batch.
        extra: independent draws of z for each row, behind the batch's own z.
    """

    def __init__(self, x: Tensor, z: Tensor, batch_size: int, extra: int = 0) -> None:
        self.x, self.z, self.batch_size, self.extra = x, z, batch_size, extra
        self.order = torch.empty(0, dtype=torch.int64, device=x.device)
        self.cursor = 0

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns the next x ``[n, ...]`` and z ``[n * (1 + extra), ...]``."""
        x, z = self.batches(1, generator)
        return x[0], z[0]

    def batches(self, num: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns the next num batches: x ``[num, n, ...]``, z ``[num, n * (1 + extra), ...]``."""
        rows = self.next_rows(num, generator)
        x, z = (side.index_select(0, rows).unflatten(0, (num, -1)) for side in (self.x, self.z))
        if self.extra:
            shape, device = (num * self.batch_size * self.extra,), self.z.device
            others = torch.randint(len(self.z), shape, generator=generator, device=device)
            z = torch.cat([z, self.z.index_select(0, others).unflatten(0, (num, -1))], 1)
        return x, z

    def next_rows(self, num: int, generator: torch.Generator) -> Tensor:
        """Returns the row numbers of the next num batches, of several epochs where need be."""
        parts = []
        while num:
            whole = (len(self.order) - self.cursor) // self.batch_size
            if not whole:
                n, device = len(self.x), self.x.device
                self.order = torch.randperm(n, generator=generator, device=device)
                self.cursor = 0
                continue
            taken = min(whole, num)
            end = self.cursor + taken * self.batch_size
            parts.append(self.order[self.cursor : end])
            self.cursor, num = end, num - taken
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def state_dict(self) -> State:
        return {"order": self.order, "cursor": self.cursor}

    def load_state_dict(self, state: State) -> None:
        self.order, self.cursor = state["order"].to(self.x.device), state["cursor"]


class FreshDraws:
    """Draws every batch anew from a sampler: no row is seen twice.

    Arguments:
        laws: samplers of equally long stretches of the training, in their order; mostly one.
        batch_size: rows a batch.
        extra: independent draws of z for each row, behind the batch's own z.
        steps: batches of the whole training.
    """

    def __init__(
        self, laws: Sequence[PairSampler], batch_size: int, extra: int = 0, steps: int = 1
    ) -> None:
        self.laws, self.batch_size, self.extra, self.steps = laws, batch_size, extra, steps
        self.taken = 0

    def batches(self, num: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns the next num batches: x ``[num, n, ...]``, z ``[num, n * (1 + extra), ...]``."""
        steps = range(self.taken + 1, self.taken + num + 1)
        lengths = Counter(stage_of(step, self.steps, len(self.laws)) for step in steps)
        parts = [self._of_law(self.laws[k], n, generator) for k, n in lengths.items()]
        self.taken += num
        x, z = zip(*parts, strict=True)
        return (x[0], z[0]) if len(parts) == 1 else (torch.cat(x), torch.cat(z))

    def _of_law(
        self, law: PairSampler, num: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draws num batches of one law."""
        x, z = drawn(law, num, self.batch_size, generator)
        if self.extra:
            others = drawn(law, num, self.batch_size * self.extra, generator)[1]
            z = torch.cat([z, others], 1)
        return x, z

    def state_dict(self) -> State:
        return {"taken": self.taken}

    def load_state_dict(self, state: State) -> None:
        """Takes back how many batches were drawn; the generator holds the rest."""
        self.taken = state.get("taken", 0)  # older checkpoints know no stages


def drawn(law: PairSampler, num: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws num batches of n rows, ``[num, n, ...]`` each side."""
    x, z = law.sample(num * n, generator)
    return x.unflatten(0, (num, n)), z.unflatten(0, (num, n))


def stage_of(step: int, steps: int, stages: int) -> int:
    """Returns in which of equally long stages a step lies, where steps count from 1."""
    return max(0, min(step, steps) - 1) * stages // steps


Block = tuple[Tensor, Tensor, Tensor | None]
"""x ``[steps, n, ...]``, z, and pairings, which are None where groups are crossed."""


class Prefetched:
    """Holds the batches of one network, drawn a block of steps ahead from its own random stream.

    The state is that before the block, which is drawn again when the training is resumed.

    Arguments:
        feed: of the batches.
        marginals: of their pairings.
        generator: of all that is drawn.
        numbers: in one batch: how long a block is.
    """

    def __init__(
        self,
        feed: FixedRows | FreshDraws,
        marginals: Marginals,
        generator: torch.Generator,
        numbers: int,
    ) -> None:
        self.feed, self.marginals, self.generator = feed, marginals, generator
        self.steps = max(1, min(MOST_STEPS, MOST_NUMBERS // numbers))
        self.taken = self.steps
        self.block: Block | None = None
        self.before: State = {}

    @property
    def used_up(self) -> bool:
        return self.taken == self.steps

    def draw(self) -> None:
        """Draws the next block."""
        self.before = self.now()
        x, z = self.feed.batches(self.steps, self.generator)
        self.block = (x, z, self.marginals.pairings(self.steps, x.shape[1], self.generator))
        self.taken = 0

    def now(self) -> State:
        return {"feed": self.feed.state_dict(), "generator": self.generator.get_state()}

    def state_dict(self) -> State:
        if self.used_up:
            return {**self.now(), "taken": 0}
        return {**self.before, "taken": self.taken}

    def load_state_dict(self, state: State) -> None:
        self.feed.load_state_dict(state["feed"])
        go_on(self.generator, state["generator"])
        self.taken = self.steps
        if state["taken"]:
            self.draw()
            self.taken = state["taken"]


class StackedBatches:
    """Stacks the batches of several networks: each step takes one slice of their blocks.

    Arguments:
        members: that have taken equally many steps of their blocks, of one length.
    """

    def __init__(self, members: Sequence[Prefetched]) -> None:
        self.members = list(members)
        self.stacked: Block | None = None

    def next(self) -> Block:
        """Returns the next x, z and pairings: a lone network's as they are, else ``[R, ...]``."""
        at = self.members[0].taken
        if self.members[0].used_up:
            for member in self.members:
                member.draw()
            self.stacked, at = None, 0
        if self.stacked is None:
            self.stacked = self.stack()
        for member in self.members:
            member.taken = at + 1
        x, z, pairing = self.stacked
        return x[at], z[at], None if pairing is None else pairing[at]

    def stack(self) -> Block:
        """Stacks the blocks, of which each is a view from then on."""
        blocks = [member.block for member in self.members if member.block]
        if len(blocks) == 1:
            return blocks[0]
        xs, zs, pairs = zip(*blocks, strict=True)
        x, z = torch.stack(xs, 1), torch.stack(zs, 1)
        pairing = None if pairs[0] is None else torch.stack(pairs, 1)
        for r, member in enumerate(self.members):
            member.block = (x[:, r], z[:, r], None if pairing is None else pairing[:, r])
        return x, z, pairing
