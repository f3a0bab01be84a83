"""Pictures decoded while it trains: batch after batch, ahead of it, in processes of their own."""

import multiprocessing
import os
import signal
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from mine_cli.data.folder import picture

__all__ = ["Batches", "Stream"]

KEPT_BYTES = 2**28  # 21,000 pictures of 64 pixels, or 87,000 of 32
TRIES = 10  # draws for each picture of a batch, after which the folder is given up

Batch = tuple[Tensor, list[int]]
"""Pictures, [n, 3, side, side] uint8, and the numbers of those that could not be decoded."""


class Batches(Dataset[Batch]):
    """Batches of a folder's pictures, drawn with replacement: the k-th from the k-th seed alone.

    Another picture is drawn in the place of one that cannot be decoded, from the same seed. Where
    all of them take at most `KEPT_BYTES`, each is decoded once and kept.

    Arguments:
        files: Of the pictures.
        side: Of the squares that are cut from them.
        size: Pictures a batch.
        seed_of: Gives the seed of the k-th batch; pickled, where processes are not forked.
    """

    def __init__(
        self, files: Sequence[Path], side: int, size: int, seed_of: Callable[[int], int]
    ) -> None:
        self.files, self.side, self.size, self.seed_of = files, side, size, seed_of
        self.keeps = len(files) * 3 * side**2 <= KEPT_BYTES
        self.kept: dict[int, Tensor] = {}

    def __getitem__(self, number: int) -> Batch:
        """Returns the batch of that number; short only where the folder can no longer be read."""
        random = Generator().manual_seed(self.seed_of(number))
        found: list[Tensor] = []
        broken: list[int] = []
        while len(found) < self.size and len(broken) < TRIES * self.size:
            which = int(torch.randint(len(self.files), (1,), generator=random))
            one = self.decoded(which)
            if one is None:
                broken.append(which)
            else:
                found.append(one)
        return (torch.stack(found) if found else torch.empty(0)), broken

    def decoded(self, which: int) -> Tensor | None:
        """Returns a picture, [3, side, side] uint8; None if it cannot be decoded."""
        one = self.kept.get(which)
        if one is None:
            one = picture(self.files[which], self.side)
            if one is not None and self.keeps:
                self.kept[which] = one
        return one


class Stream:
    """Goes through batches in their order; `taken` is how many it has given.

    Worker processes decode ahead of it, but where the pictures are kept. They start with the first
    batch, and end with `close` or with this process.

    Arguments:
        batches: That it gives.
        workers: Processes that decode; 0: this one, when a batch is wanted.
    """

    def __init__(self, batches: Batches, workers: int) -> None:
        self.batches, self.taken = batches, 0
        self.workers = 0 if batches.keeps else workers
        self._coming: Iterator[Any] | None = None
        self._end: Callable[[], object] = bool

    def next(self, device: torch.device) -> Batch:
        """Returns the next batch, its pictures on a device."""
        if self._coming is None:
            with warnings.catch_warnings():  # of more workers than processors: they are asked for
                warnings.simplefilter("ignore", UserWarning)
                self._coming = iter(self.loader(device))
            # With this object, with the process, or by `close`, whichever comes first.
            self._end = weakref.finalize(self, end, self._coming)
        pictures, broken = next(self._coming)
        self.taken += 1
        return pictures.to(device, non_blocking=True), broken

    def loader(self, device: torch.device) -> DataLoader[Batch]:
        """Returns what loads from the next batch on, into pinned memory for a GPU."""
        return DataLoader(
            self.batches,
            batch_size=None,  # they are batches already
            sampler=count(self.taken),
            num_workers=self.workers,
            pin_memory=device.type == "cuda",
            worker_init_fn=serve,
            generator=Generator(),  # else it draws from the global stream
        )

    def go_to(self, taken: int) -> None:
        """Goes on behind so many batches."""
        self.close()
        self.taken = taken

    def close(self) -> None:
        """Ends the workers; the next batch starts others."""
        self._end()
        self._coming = None


def end(coming: Any) -> None:
    """Ends the workers of a loader's iterator, which does so itself only when it is forgotten."""
    if hasattr(coming, "_shutdown_workers"):
        coming._shutdown_workers()


def serve(worker: int) -> None:
    """Makes a worker end with the training's process: not before, and not after.

    Ctrl-C, or a scheduler's SIGTERM, reaches both, and the training still needs batches to finish
    its step. A worker that outlived it would keep its forked lock on the run's folder.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Ends this process as soon as the one that started it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
