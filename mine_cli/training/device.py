"""The device a run computes on, how exactly it computes, and its random streams."""

import ctypes
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache

import torch

from mine_cli.config import processes
from mine_cli.errors import BadInput

__all__ = ["Autocast", "autocast", "device", "keep_memory", "physical_memory"]

Autocast = Callable[[], AbstractContextManager[object]]
"""Makes the context in which a network is called."""


def device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA, else MPS, else the CPU.

    Of several processes each has a GPU of its own; none shares the one of MPS.

    Raises:
        BadInput: there is no such device here.
    """
    present = ["cpu"]
    if torch.backends.mps.is_available() and processes.count() == 1:
        present.insert(0, "mps")
    if torch.cuda.is_available():
        present[:0] = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    wanted = present[0] if name == "auto" else name
    if wanted == "cuda" and processes.count() > 1:
        wanted = f"cuda:{processes.local_rank()}"
    if wanted not in present:
        choices = ", ".join(["auto", *present])
        raise BadInput(f"trainer.device={wanted}: there is no such device here; one of {choices}")
    return torch.device(wanted)


def autocast(where: torch.device, dtype: str) -> AbstractContextManager[object]:
    """The context in which a network runs: bfloat16 autocast, else nothing (see
    `seed_everything` for tf32)."""
    if dtype != "bfloat16":
        return nullcontext()
    return torch.autocast(where.type, torch.bfloat16)


@cache
def keep_memory() -> None:
    """Tell glibc to keep freed memory, which it otherwise gives back to the system at once.

    A training step frees the same large tensors again and again: having each of them mapped anew
    takes up to half of the step. Elsewhere than on Linux with glibc nothing is done.
    """
    largest, trim_threshold, mmap_threshold = 2**25, -1, -3  # of M_MMAP_THRESHOLD; malloc.h
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(trim_threshold, 2**30)
        mallopt(mmap_threshold, largest)


def physical_memory() -> int | None:
    """Returns the bytes of memory of this machine; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
