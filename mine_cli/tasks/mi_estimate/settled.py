"""Folds, batch, steps and rate where the configuration leaves them to the data."""

import copy
import math

from omegaconf import DictConfig

from mine_cli.config.processes import count as process_count
from mine_cli.config.validation import FOLDS, SMALLEST_BATCH
from mine_cli.tasks.mi_estimate.pairs import Pairs

__all__ = ["settled"]

# Where batch, steps and rate are left to finite data: rows that train to one of the batch, epochs.
ROWS_TO_BATCH, LARGEST_BATCH = 5, 256
EPOCHS, MOST_STEPS = 72, 3000
FINITE_RATE = 5e-3
# And to a law, whose draws never run out.
FRESH_BATCH, FRESH_STEPS, FRESH_RATE = 512, 6000, 1e-3
FEW_COLUMNS, FEW_COLUMNS_STEPS, FEW_COLUMNS_RATE = 8, 3000, 7e-3


def settled(cfg: DictConfig, data: Pairs) -> DictConfig:
    """Returns a configuration with the folds, batch, steps and rate that it leaves to the data."""
    cfg = copy.copy(cfg)
    if cfg.folds is None:
        cfg.folds = FOLDS if data.vectors and process_count() == 1 else 1
    settle = settle_fresh if data.rows is None else settle_finite
    settle(cfg, data)
    return cfg


def settle_finite(cfg: DictConfig, data: Pairs) -> None:
    """Sets batch, steps and rate by the number of rows that train, where they are null."""
    assert data.rows is not None
    fit = int(len(data.rows) * (1 - 1 / max(cfg.folds, 2)) * (1 - cfg.task.fractions[1]))
    if cfg.trainer.batch_size is None:
        wanted = min(max(fit // ROWS_TO_BATCH, SMALLEST_BATCH), LARGEST_BATCH)
        cfg.trainer.batch_size = max(2, min(wanted, fit // 2))
    if cfg.trainer.steps is None:
        cfg.trainer.steps = min(MOST_STEPS, EPOCHS * fit // cfg.trainer.batch_size)
    if cfg.trainer.lr is None:
        cfg.trainer.lr = FINITE_RATE


def settle_fresh(cfg: DictConfig, data: Pairs) -> None:
    """Sets batch, steps and rate by the number of columns, where they are null.

    Of few columns a network has learned all it will within 3,000 steps at a high rate; of many it
    goes on learning, and does so better at a lower one.
    """
    few = data.vector_draws and sum(map(math.prod, data.shapes())) <= FEW_COLUMNS
    usual = {
        "batch_size": FRESH_BATCH,
        "steps": FEW_COLUMNS_STEPS if few else FRESH_STEPS,
        "lr": FEW_COLUMNS_RATE if few else FRESH_RATE,
    }
    for key, value in usual.items():
        if cfg.trainer[key] is None:
            cfg.trainer[key] = value
