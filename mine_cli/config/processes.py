"""The processes of one run, as torchrun starts and numbers them; one without it is alone."""

import os
from collections.abc import Iterator

from omegaconf import DictConfig

__all__ = ["command", "count", "faults", "local_rank", "rank"]


def count() -> int:
    """How many processes torchrun started for this run; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", 1)) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def rank() -> int:
    """Which of them this one is: 0 leads."""
    return int(os.environ["RANK"]) if count() > 1 else 0


def local_rank() -> int:
    """Which of those on this machine: the number of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if count() > 1 else 0


def command() -> list[str]:
    """How this program was started, as words of a command line."""
    if count() == 1:
        return ["mine-run"]
    return ["torchrun", f"--nproc-per-node={os.environ['LOCAL_WORLD_SIZE']}", "-m", "mine_cli"]


def faults(cfg: DictConfig) -> Iterator[str]:
    """What several processes cannot do of a valid configuration, one line each."""
    n = count()
    if n == 1:
        return
    if cfg.task.name != "mi-estimate":
        yield f"task={cfg.task.name}: cannot be shared by {n} processes; start it without torchrun"
        return
    if cfg.folds > 1:
        yield f"folds={cfg.folds}: cannot be shared by {n} processes; want folds=1, or no torchrun"
    if cfg.trainer.compile:
        yield f"trainer.compile=true: not with {n} processes; leave it out"
    if cfg.trainer.device not in ("auto", "cpu", "cuda"):
        yield f"trainer.device={cfg.trainer.device}: each of {n} processes has its own; want cuda"
    size, rows = cfg.trainer.batch_size, cfg.marginals.get("rows")
    if size % n:
        yield f"trainer.batch_size={size}: must divide by the {n} processes that share a batch"
    elif rows is not None and (groups := -(-size // rows)) % n:
        yield (
            f"marginals.rows={rows}: a batch of {size} has {groups} groups, which must divide by "
            f"the {n} processes that share it; want marginals.rows={size // n}, for instance"
        )
