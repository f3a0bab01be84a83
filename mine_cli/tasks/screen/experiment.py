"""``task=screen`` made ready to run: columns, their pairs, folds, one table."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig

from mine_cli import figures
from mine_cli.config.schemas import ScreenConf, TrainerConf
from mine_cli.config.validation import FOLDS, SMALLEST_BATCH
from mine_cli.data.observations import Observations, Tabular
from mine_cli.data.split import Split, folds, identical_rows, three_way
from mine_cli.data.tables.columns import MIN_ROWS
from mine_cli.errors import BadInput
from mine_cli.results.files import write_csv
from mine_cli.tasks.common import forward_pass, options, sections
from mine_cli.tasks.protocol import Experiment, Result
from mine_cli.tasks.screen.networks import term_of
from mine_cli.tasks.screen.training import COLUMNS, Row, Screen
from mine_cli.training.rng import stream

__all__ = ["SCREEN_CSV", "ScreenExperiment"]

SCREEN_CSV = "screen.csv"
ENOUGH_ROWS, FEW_FOLDS = 2000, 2  # from so many rows on two folds are as good as five
SELECT = 0.2  # of the rows outside a fold
ALONE = (0.6, 0.15, 0.25)  # fit, select and report of a single split
STEPS = 200
ROWS_TO_BATCH, LARGEST_BATCH = 5, 256
TOP = 20  # rows of the table in result.json


class ScreenExperiment(Experiment):
    """A screen of the pairs of columns of one table."""

    metrics = ("found", "largest")
    counted = "pairs"

    def __init__(self, cfg: DictConfig, dataset: object) -> None:
        if not isinstance(dataset, Tabular):
            kind = type(dataset).__name__
            raise BadInput(f"dataset: {kind} has no columns: task=screen wants dataset=arrays")
        self.data = dataset.observations()
        super().__init__(settled(cfg, self.data), dataset)
        self.networks = networks_of(cfg, len(self.data))
        self.splits, self.warnings = splits_of(self.data, self.cfg.folds, self.cfg.seed)
        self.task: Screen | None = None

    def check(self) -> None:
        """Raises BadInput where no pair has enough rows, or no network can be made."""
        few = torch.zeros(4, 1)
        forward_pass(term_of(options(self.cfg.task, ScreenConf).widths, self.cfg.seed), few, few)
        values = [~np.isnan(column.values) for column in self.data.columns]
        w = values[self.data.w] if self.data.w is not None else np.ones(len(self.data), bool)
        most = max(int((values[i] & values[j] & w).sum()) for i, j in self.data.pairs)
        if most < MIN_ROWS:
            beside = f", beside {self.data.given}," if self.data.given else ""
            raise BadInput(
                f"dataset: no two columns{beside} have values in more than {most} rows; "
                f"want at least {MIN_ROWS}"
            )

    def listing(self) -> dict[str, str]:
        data, networks = self.data, self.networks
        unfit = ", ".join(f"{column.name} ({column.fault})" for column in data.unfit)
        classes = sum(bool(column.classes) for column in data.columns)
        return {
            "dataset": f"{len(data)} rows, {len(data.columns)} columns, {classes} of classes",
            "left out": unfit or "nothing",
            "pairs": f"{len(data.pairs):,}"
            + (f" with {', '.join(data.z)}" if data.z else "")
            + (f", given {data.given}" if data.given else ""),
            "training": f"{self.cfg.folds} network(s) a pair of numbers, {networks.steps} steps "
            f"of {networks.batch_size} rows on cpu",
        }

    def start(self, where: torch.device) -> Screen:
        self.task = Screen(
            self.data,
            self.splits,
            options(self.cfg.task, ScreenConf).widths,
            self.networks,
            options(self.cfg.trainer, TrainerConf),
            self.cfg.seed,
        )
        return self.task

    def head(self) -> Result:
        return {
            "estimate": None,
            "true_mi": None,
            "true_mi_note": "",
            **sections(self.cfg, "dataset"),
            "counted": self.counted,
            "folds": self.cfg.folds,
            "outcomes": self.data.z,
            "given": self.data.given,
            "columns": len(self.data.columns),
            "rows": {"read": len(self.data), "used": len(self.data), "gaps": {}},
            "top": [],
            "left_out": [],
        }

    def after(self, result: Result) -> Result:
        """The rows of the table that a summary shows, and the columns that it left out."""
        left = [row for row in self.table() if row["status"] == "skipped" and not row["z"]]
        top = [row for row in self.table() if row["estimate"] is not None][:TOP]
        return {"top": top, "left_out": [{"name": r["x"], "why": r["note"]} for r in left]}

    def table(self) -> list[Row]:
        """Returns the rows of screen.csv, the largest estimate on top."""
        return [] if self.task is None else self.task.table()

    def finish(self, folder: Path) -> None:
        """Writes screen.csv."""
        rows = [{k: "" if v is None else v for k, v in row.items()} for row in self.table()]
        write_csv(folder / SCREEN_CSV, rows, first=COLUMNS)

    def pictures(self, folder: Path) -> Mapping[str, Path]:
        draw = figures.ranking if self.data.z else figures.heat_map
        found = draw(folder, self.cfg.units, self.data.given)
        return {} if found is None else {"screen": found}


def settled(cfg: DictConfig, data: Observations) -> DictConfig:
    """Returns a configuration whose steps are the pairs, with the folds that it leaves to the
    data."""
    cfg = copy.deepcopy(cfg)
    cfg.trainer.steps = len(data.pairs)
    if cfg.folds is None:
        cfg.folds = FOLDS if len(data) < ENOUGH_ROWS else FEW_FOLDS
    return cfg


def networks_of(cfg: DictConfig, rows: int) -> TrainerConf:
    """Returns how a pair's networks are trained: steps, and a batch by the number of rows."""
    conf = options(cfg.trainer, TrainerConf)
    size = conf.batch_size or max(SMALLEST_BATCH, min(LARGEST_BATCH, rows // ROWS_TO_BATCH))
    return replace(conf, steps=conf.steps or STEPS, batch_size=size)


def splits_of(data: Observations, number: int, seed: int) -> tuple[list[Split], list[str]]:
    """Splits the rows of a table; those that are the same in every column stay together."""
    generator = torch.Generator().manual_seed(stream(seed, "split"))
    values = np.nan_to_num(np.stack([c.values for c in data.columns if not c.fault], 1), nan=1e30)
    labels = identical_rows(torch.from_numpy(values))
    more = len(labels) - len(labels.unique())
    copied = more > 0 and bool((labels.bincount() <= len(labels) ** 0.5).all())
    warnings = []
    if copied:
        warnings.append(
            f"{more} rows are the same as others in every column: kept together in one fold; if "
            "they are copies, p-values and intervals take them for more than they are"
        )
    groups = labels if copied else None
    if number == 1:
        return [three_way(len(data), ALONE, groups=groups, generator=generator)], warnings
    return folds(len(data), number, SELECT, groups=groups, generator=generator), warnings
