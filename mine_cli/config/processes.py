"""The processes of one run, as torchrun starts and numbers them; one without it is alone."""

import os

__all__ = ["count", "local_rank", "rank"]


def count() -> int:
    """Returns how many processes torchrun started for this run; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", 1)) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def rank() -> int:
    """Returns the number of this one; 0 leads."""
    return int(os.environ["RANK"]) if count() > 1 else 0


def local_rank() -> int:
    """Returns its number among those on this machine: that of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if count() > 1 else 0
