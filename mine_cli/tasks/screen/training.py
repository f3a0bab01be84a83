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
from mine_cli.estimator.evaluation import Evaluation, pool
from mine_cli.estimator.status import status
from mine_cli.tasks.protocol import Result
from mine_cli.tasks.screen.cells import cells_of
from mine_cli.tasks.screen.networks import trained_tables
from mine_cli.tasks.screen.null import Null, null_of, p_value, q_values
from mine_cli.tasks.screen.tables import Part, combined, fitted_tables, reported
from mine_cli.training.rng import stream
from mine_cli.training.stack import AT_ONCE_ON_CPU
from mine_cli.training.task import State

__all__ = ["COLUMNS", "FOUND", "Screen"]

COLUMNS = (
    "x", "z", "estimate", "low", "high", "p_value", "q_value", "status", "rows", "note",
)  # fmt: skip
FOUND = 0.05  # q-values up to it are counted as found
NEAR = 1.5  # nats below the most that cells can tell, within which they tell too little
FEWEST = 5  # rows of a pair in the smallest part of a fold
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
        used = {i for pair in self.pairs for i in pair}
        self.cells = {
            i: [cells_of(data.columns[i], torch.cat([s.fit, s.select])) for s in splits]
            for i in sorted(used)
        }
        self.rows: list[Row] = []
        self.lot: int | None = None
        self.learned: dict[int, list[Tensor | None]] = {}
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

    def arrays(self) -> dict[str, Any]:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        return []

    def state_dict(self) -> State:
        return {"rows": self.rows}

    def load_state_dict(self, state: State) -> None:
        self.rows = list(state["rows"])

    # One pair

    def parts(self, pair: int) -> list[Part]:
        """Returns what each fold may see of a pair; nothing where its rows are too few."""
        i, j = self.pairs[pair]
        found = []
        for fold, split in enumerate(self.splits):
            x, z = self.cells[i][fold], self.cells[j][fold]
            there = (x.codes >= 0) & (z.codes >= 0)
            rows = [part[there[part]] for part in (split.fit, split.select, split.report)]
            found.append(Part(x, z, *rows))
        smallest = min(len(rows) for part in found for rows in (part.select, part.report))
        return found if self.complete(pair) >= MIN_ROWS and smallest >= FEWEST else []

    def complete(self, pair: int) -> int:
        """Returns how many rows have both values of a pair."""
        x, z = (self.cells[i][0].codes >= 0 for i in self.pairs[pair])
        return int((x & z).sum())

    def _train(self, lot: int) -> dict[int, list[Tensor | None]]:
        """Returns what the networks of a lot have learned: of each pair of numbers, a T a fold."""
        pairs = range(lot * self.size, min((lot + 1) * self.size, len(self.pairs)))
        parts = {pair: of for pair in pairs if (of := self.parts(pair)) and of[0].ordered}
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
            note = f"{complete} rows have both, want {MIN_ROWS}"
            return row_of(**names, status="skipped", rows=complete, note=note)
        found: list[Evaluation] = []
        nulls: list[Null] = []
        learned = self.learned.get(pair) or [None] * len(parts)
        for part, network in zip(parts, learned, strict=True):
            tables = fitted_tables(part) + ([] if network is None else [network])
            table, constant = combined(tables, part)
            found.append(reported(table, constant, part))
            x, z = (codes.numpy() for codes in part.codes(part.report))
            nulls.append(null_of(table.double().numpy(), x, z))
        return row_of(**names, rows=complete, **verdict(parts, pool(found), p_value(nulls)))

    # The result

    def table(self) -> list[Row]:
        """Returns a row for each pair and each column that was left out, the largest estimate on
        top; nats."""
        tested = [row for row in self.rows if row["p_value"] is not None]
        q = q_values([row["p_value"] for row in tested])
        ranked = [{**row, "q_value": value} for row, value in zip(tested, q, strict=True)]
        ranked.sort(key=lambda row: -row["estimate"])
        skipped = [row for row in self.rows if row["p_value"] is None]
        others = [
            row_of(x=c.name, z="", status="skipped", note=c.fault) for c in self.data.unfit
        ] + [row_of(x=n, z="", status="skipped", note="a name twice") for n in self.data.twice]
        return [*ranked, *skipped, *others]

    def result(self) -> Result:
        """How many pairs there are, and how many of them share information."""
        tested = [row for row in self.table() if row["p_value"] is not None]
        return {
            "status": "ok" if tested else "diverged",
            "metrics": {
                "pairs": len(self.pairs),
                "tested": len(tested),
                "found": sum(row["q_value"] <= FOUND for row in tested),
                "largest": tested[0]["estimate"] if tested else None,
            },
        }


def row_of(**known: Any) -> Row:
    """Returns a row of the table; what is not known is None."""
    return dict.fromkeys(COLUMNS) | {"note": ""} | known


def verdict(parts: Sequence[Part], found: Evaluation, p: float) -> Row:
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
        "high": found.value + 2 * error,
        "p_value": p,
        "status": word,
        "note": note,
    }
