"""Small folders of made-up images, where MNIST and Fashion-MNIST are looked for."""

import struct
from pathlib import Path
from typing import Any

import numpy

__all__ = ["write_images"]


def write_images(folder: Path, train: int = 250, test: int = 50, legible: bool = False) -> Path:
    """So many images of each set, with the labels 0, 1, ..., 9, 0, ... in turn.

    They are noise, or below the noise a coarse pattern for each label, which is soon learned.
    """
    rng = numpy.random.default_rng(0)
    patterns = numpy.kron(rng.integers(0, 256, (10, 7, 7)), numpy.ones((4, 4), dtype=int))
    for name in ("MNIST", "FashionMNIST"):
        raw = folder / name / "raw"
        raw.mkdir(parents=True)
        for part, n in (("train", train), ("t10k", test)):
            images = rng.integers(0, 256, (n, 28, 28), dtype=numpy.uint8)
            labels = (numpy.arange(n) % 10).astype(numpy.uint8)
            if legible:
                images = (0.7 * patterns[labels] + 0.3 * images).astype(numpy.uint8)
            (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def idx(values: numpy.ndarray[Any, Any]) -> bytes:
    """A file in the format of MNIST: magic number, shape, bytes."""
    head = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return head + values.tobytes()
