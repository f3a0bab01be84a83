"""The processes of one run, as torchrun starts and numbers them; one without it is alone."""

import os

__all__ = ["count", "local_rank", "rank"]


def count() -> int:
    """How many processes torchrun started for this run; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", 1)) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def rank() -> int:
    """Which of them this one is: 0 leads."""
    return int(os.environ["RANK"]) if count() > 1 else 0


def local_rank() -> int:
    """Which of those on this machine: the number of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if count() > 1 else 0
