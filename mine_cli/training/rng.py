"""Random streams: seeds, one named stream for each purpose, and their states."""

import hashlib
import os
import random

import numpy
import torch
from torch import Tensor

from mine_cli.results.checkpoint import State

__all__ = ["go_on", "random_state", "restore_random_state", "seed_everything", "stream"]


def random_state() -> State:
    """The states of torch's global random streams, on every device."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def restore_random_state(state: State) -> None:
    """Puts `random_state` back; a stream whose device is absent here is left out."""
    torch.set_rng_state(state["cpu"])
    for index, stream in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(stream, index)


def seed_everything(seed: int, deterministic: bool = False, tf32: bool = False) -> None:
    """Seeds Python, NumPy and torch, and fixes how exactly a GPU computes.

    Arguments:
        seed: Any integer.
        deterministic: Refuse operations whose result depends on the order of threads.
        tf32: Allow matrix products and convolutions with 10-bit mantissas on a GPU.
    """
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if deterministic != torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(deterministic)  # imports torch's compiler: seconds
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def stream(seed: int, name: str, member: int = 0) -> int:
    """The seed of one named random stream of one member: its own, whatever else is drawn."""
    digest = hashlib.sha256(f"{seed}/{name}/{member}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def go_on(generator: torch.Generator, state: Tensor) -> None:
    """Goes on with a random stream; on another kind of device with one that follows from it."""
    if len(state) == len(generator.get_state()):
        generator.set_state(state)
    else:
        generator.manual_seed(stream(0, state.cpu().numpy().tobytes().hex()))
