"""The screening of one table: the networks of some pairs at a time, then pair after pair."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from mine_cli.bounds import DV
from mine_cli.config.schemas import TrainerConf
from mine_cli.data.observations import Observations
from mine_cli.data.split import Split
from mine_cli.data.tables.columns import MIN_ROWS
from mine_cli.estimator.difference import BEYOND, LOOSER
from mine_cli.estimator.evaluation import Evaluation, pool
from mine_cli.estimator.status import status, worst
from mine_cli.tasks.protocol import Result
from mine_cli.tasks.screen.cells import Cells, cells_of, crossed
from mine_cli.tasks.screen.given import Alone, Difference, alone_of, difference, null_in
from mine_cli.tasks.screen.networks import trained_tables
from mine_cli.tasks.screen.permutation_null import Null, p_value, q_values
from mine_cli.tasks.screen.tables import Part, combined, fitted_tables, hidden, reported
from mine_cli.training.rng import stream
from mine_cli.training.stack import AT_ONCE_ON_CPU
from mine_cli.training.task import Arrays, State

__all__ = ["COLUMNS", "FOUND", "Screen"]

COLUMNS = (
    "x", "z", "estimate", "low", "high", "p_value", "q_value", "status", "rows", "note",
)  # fmt: skip
FOUND = 0.05  # q-values up to it are counted as found
NEAR = 1.5  # nats below the most that cells can tell, within which they tell too little
FEWEST = 5  # rows of a pair in the smallest part of a fold
MOST_CELLS = 2**19  # of x, w and z together: a table of 2 MiB
Row = dict[str, Any]


class Screen:
    """Judges pair after pair of columns: a step of the trainer is a pair.

    Networks are trained for a lot of pairs at its first one, from streams of the lot's own, so
    that a screen that goes on in the middle of a lot trains them again, to the same.

    Arguments:
        data: the columns and their pairs.
        splits: the rows of each fold that fit, select and report.
        widths: of the networks.
        networks: how they are trained; see `TrainerConf`.
        trainer: how the pairs are counted, logged and saved.
        seed: of every random stream.
    """

    def __init__(
        self,
        data: Observations,
        splits: Sequence[Split],
        widths: Sequence[int],
        networks: TrainerConf,
        trainer: TrainerConf,
        seed: int = 0,
    ) -> None:
        self.data, self.splits, self.widths, self.seed = data, splits, widths, seed
        self.networks, self.trainer = networks, trainer
        self.pairs = data.pairs
        self.size = max(1, AT_ONCE_ON_CPU // len(splits))
        self.w = data.w
        used = {i for pair in range(len(self.pairs)) for i in self.columns(pair)}
        self.cells = {
            i: [cells_of(data.columns[i], torch.cat([s.fit, s.select])) for s in splits]
            for i in sorted(used)
        }
        # Within a cell of several numbers of w, z still depends on w: permuted there, it does not.
        self.tested = self.w is None or not any(cells.cut for cells in self.cells[self.w])
        self.rows: list[Row] = []
        self.lot: int | None = None
        self.learned: dict[int, list[Tensor | None]] = {}
        self.alone: dict[int, list[Alone]] = {}
        self.curve: list[float] = []
        self.best: State | None = None
        self.finished = False

    # What the trainer asks for

    def train_step(self, step: int) -> dict[str, Tensor]:
        """Judges one pair; the first of a lot waits for the networks of them all."""
        pair = step - 1
        if pair // self.size != self.lot:
            self.lot = pair // self.size
            self.learned = self._train(self.lot)
        self.rows.append(self._judged(pair))
        return {}

    def evaluate(self, step: int) -> dict[str, float | None]:
        """The number of pairs that show something by themselves, and the largest number so far."""
        known = [row["estimate"] for row in self.rows if row["estimate"] is not None]
        return {"screen/largest": max(known, default=None)}

    def arrays(self) -> Arrays:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        return []

    def state_dict(self) -> State:
        return {"rows": self.rows}

    def load_state_dict(self, state: State) -> None:
        self.rows = list(state["rows"])

    # One pair

    def parts(self, pair: int) -> list[Part]:
        """Returns what each fold may see of a pair, x beside w where that is given; nothing where
        its rows are too few, or its cells too many."""
        i, j = self.pairs[pair]
        if self.cells_together(pair) > MOST_CELLS:
            return []
        x = self.cells[i]
        if self.w is not None:
            x = [crossed(*cells) for cells in zip(x, self.cells[self.w], strict=True)]
        found = self._parts(x, self.cells[j])
        smallest = min(len(rows) for part in found for rows in (part.select, part.report))
        return found if self.complete(pair) >= MIN_ROWS and smallest >= FEWEST else []

    def _parts(self, x: Sequence[Cells], z: Sequence[Cells]) -> list[Part]:
        found = []
        for split, own_x, own_z in zip(self.splits, x, z, strict=True):
            there = (own_x.codes >= 0) & (own_z.codes >= 0)
            rows = [part[there[part]] for part in (split.fit, split.select, split.report)]
            found.append(Part(own_x, own_z, *rows))
        return found

    def columns(self, pair: int) -> list[int]:
        """Returns the numbers of x, z and what is given."""
        return [*self.pairs[pair], *([] if self.w is None else [self.w])]

    def complete(self, pair: int) -> int:
        """Returns how many rows have a value in every column of a pair."""
        there = [self.cells[i][0].codes >= 0 for i in self.columns(pair)]
        return int(torch.stack(there).all(0).sum())

    def cells_together(self, pair: int) -> int:
        """Returns how many cells its columns have together; 0 of a plain pair, whose are few."""
        if self.w is None:
            return 0
        columns = [self.cells[i] for i in self.columns(pair)]
        return max(math.prod(len(of[k]) for of in columns) for k in range(len(self.splits)))

    def _train(self, lot: int) -> dict[int, list[Tensor | None]]:
        """Returns what the networks of a lot have learned: of each pair of numbers, a T a fold."""
        pairs = range(lot * self.size, min((lot + 1) * self.size, len(self.pairs)))
        parts = {pair: of for pair in pairs if (of := self.parts(pair)) and self._smooth(of[0])}
        flat = [part for of in parts.values() for part in of]
        tables = iter(
            trained_tables(flat, self.widths, self.networks, stream(self.seed, "screen", lot))
        )
        return {pair: [next(tables) for _ in of] for pair, of in parts.items()}

    def _judged(self, pair: int) -> Row:
        """Returns a pair's row of the table, but for its q-value."""
        names = dict(zip("xz", (self.data.columns[i].name for i in self.pairs[pair]), strict=True))
        parts, complete = self.parts(pair), self.complete(pair)
        if not parts:
            note = self._fault(pair, complete)
            return row_of(**names, status="skipped", rows=complete, note=note)
        alone = None if self.w is None else self._alone(self.pairs[pair][1])
        learned = self.learned.get(pair) or [None] * len(parts)
        found: list[Evaluation] = []
        nulls: list[Null] = []
        for fold, (part, network) in enumerate(zip(parts, learned, strict=True)):
            tables = fitted_tables(part) + ([] if network is None else [network])
            tables += [] if alone is None else [alone[fold].over(part)]
            table, constant = combined(tables, part)
            found.append(reported(table, constant, part))
            nulls.append(null_in(part, table))
        p = p_value(nulls) if self.tested else None
        if alone is None:
            return row_of(**names, rows=complete, **verdict(parts, pool(found), p))
        given = [critic.reported(part) for critic, part in zip(alone, parts, strict=True)]
        beyond = difference(parts, found, given)
        return row_of(**names, rows=complete, **verdict_given(parts, beyond, p))

    def _fault(self, pair: int, complete: int) -> str:
        """Says why a pair cannot be judged."""
        if (cells := self.cells_together(pair)) > MOST_CELLS:
            return f"{cells:,} cells of x, w and z, want at most {MOST_CELLS:,}"
        every = "both" if self.w is None else "all three"
        if complete >= MIN_ROWS:
            return f"{complete} rows have {every}, fewer than {FEWEST} in a part of some fold"
        return f"{complete} rows have {every}, want {MIN_ROWS}"

    def _smooth(self, part: Part) -> bool:
        """Whether a network is worth training: for two numbers or, given w, for any."""
        return part.ordered if self.w is None else part.x.numbers or part.z.numbers

    def _alone(self, j: int) -> list[Alone]:
        """Returns what w tells of z in each fold, fitted once a z, from a stream of its own."""
        assert self.w is not None
        if j not in self.alone:
            parts = self._parts(self.cells[self.w], self.cells[j])
            networks: list[Tensor | None] = [None] * len(parts)
            if self._smooth(parts[0]):
                seed = stream(self.seed, "given", j)
                networks = trained_tables(parts, self.widths, self.networks, seed)
            self.alone[j] = [alone_of(*of) for of in zip(parts, networks, strict=True)]
        return self.alone[j]

    # The result

    def table(self) -> list[Row]:
        """Returns a row for each pair and each column that was left out, the largest estimate on
        top; nats."""
        q = q_values([row["p_value"] for row in self.rows if row["p_value"] is not None])
        rest = iter(q)
        rows = [
            row if row["p_value"] is None else {**row, "q_value": next(rest)} for row in self.rows
        ]
        ranked = sorted(known(rows), key=lambda row: -row["estimate"])
        skipped = [row for row in rows if row["estimate"] is None]
        others = [
            row_of(x=c.name, z="", status="skipped", note=c.fault) for c in self.data.unfit
        ] + [row_of(x=n, z="", status="skipped", note="a name twice") for n in self.data.twice]
        return [*ranked, *skipped, *others]

    def result(self) -> Result:
        """How many pairs there are, and how many of them share information."""
        tested = known(self.table())
        return {
            "status": "ok" if tested else "diverged",
            **({} if self.tested else {"p_value_note": untested(self.data.given)}),
            "metrics": {
                "pairs": len(self.pairs),
                "tested": len(tested),
                "found": sum(map(is_found, tested)),
                "largest": tested[0]["estimate"] if tested else None,
            },
        }


def untested(given: str | None) -> str:
    return f"permuting z would part it from {given} as well"


def known(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["estimate"] is not None]


def is_found(row: Row) -> bool:
    """Whether a pair shows something: by its q-value or, where it has none, by its interval."""
    return row["low"] > 0 if row["q_value"] is None else row["q_value"] <= FOUND


def row_of(**known: object) -> Row:
    """Returns a row of the table; what is not known is None."""
    return dict.fromkeys(COLUMNS) | {"note": ""} | known


def verdict(parts: Sequence[Part], found: Evaluation, p: float | None) -> Row:
    """Returns what is said of a pair: numbers in nats, and what is known against them."""
    word, error = status(DV(), found, []), found.standard_error
    if word == "diverged":
        return {"status": word, "note": "not finite"}
    note, cut = "", all(part.x.cut and part.z.cut for part in parts)
    ceiling = min(math.log(min(len(part.x), len(part.z))) for part in parts)
    if cut and found.value > ceiling - NEAR:
        word, note = "at_ceiling", f"cells of a screen cannot tell more than {ceiling:.2f} nats"
    return {
        "estimate": found.value,
        "low": found.value - 2 * error,
        "high": found.value + 2 * error + max(hidden(part, found.value) for part in parts),
        "p_value": p,
        "status": word,
        "note": note,
    }


def verdict_given(parts: Sequence[Part], beyond: Difference, p: float | None) -> Row:
    """Returns what is said of a pair given w: the difference, and what is known against it or
    against either term."""
    of_joint = verdict(parts, beyond.joint, p)
    words = [of_joint["status"], status(DV(), beyond.given, [])]
    if "diverged" in words:
        return {"status": "diverged", "note": "not finite"}
    low, high = (beyond.value + side * BEYOND * beyond.error for side in (-1, 1))
    word = worst([*words, "below_reference" if high < 0 else "ok"])
    high += max(hidden(part, beyond.joint.value) for part in parts)
    note = LOOSER if word == "below_reference" else of_joint["note"]
    return of_joint | {
        "estimate": beyond.value, "low": low, "high": high, "status": word, "note": note,
    }  # fmt: skip
