"""MNIST and Fashion-MNIST: read from their IDX files, fetched where they are missing."""

import gzip
import hashlib
import io
import math
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mine_cli.errors import BadInput

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

__all__ = ["DATASETS", "NUM_LABELS", "check_name", "files_of", "load", "load_parts", "to_signed"]

# Name -> torchvision's class and folder of it.
DATASETS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
NUM_LABELS = 10
IMAGES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
LABELS = ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")

# A server that does not answer for so long counts as no network.
SECONDS_TO_WAIT = 20.0

# The third byte of an IDX file's magic number: the values are unsigned bytes.
UNSIGNED_BYTES = 8


def load(name: str, data_dir: Path) -> tuple[Tensor, Tensor]:
    """Returns images, [70000, 1, 28, 28] float32 in [0, 1], and labels, [70000] int64.

    The 60,000 training images come first. Nothing is written where the files are there already.
    """
    train, test, *labels = _load_bytes(name, data_dir)
    return torch.cat([train, test]).float().div_(255), torch.cat(labels).long()


def load_parts(name: str, data_dir: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns the images and labels of `load` as train, train labels, test and test labels.

    The images are in [-1, 1].
    """
    train, test, labels, test_labels = _load_bytes(name, data_dir)
    return to_signed(train), labels.long(), to_signed(test), test_labels.long()


def to_signed(pixels: Tensor) -> Tensor:
    """Maps bytes to float32 in [-1, 1], in any shape."""
    return pixels.float().div_(127.5).sub_(1)


def _load_bytes(name: str, data_dir: Path) -> list[Tensor]:
    """Returns training and test images, [n, 1, 28, 28] uint8, and labels of both, [n] uint8."""
    from torchvision import datasets  # two seconds, which runs on other data are spared

    source = getattr(datasets, DATASETS[name])
    folder = data_dir / source.__name__ / "raw"
    missing = _missing(folder)
    if missing:
        _download(source, data_dir, folder, missing)
    packed_md5 = dict(source.resources)
    train, test, *labels = [_read_idx(folder, file, packed_md5) for file in (*IMAGES, *LABELS)]
    sizes = [len(train), len(test)] == [len(part) for part in labels]
    shaped = all(part.shape[1:] == (28, 28) for part in (train, test)) and all(
        part.ndim == 1 and part.max() < NUM_LABELS for part in labels
    )
    if not sizes or not shaped:
        shapes = [list(part.shape) for part in (train, test, *labels)]
        raise BadInput(
            f"{folder}: not 28 x 28 images with labels 0-9 ({shapes}): want them fetched anew"
        )
    # copied, since what is read from a file may not be written to, and tensors may
    return [torch.tensor(part) for part in (train[:, None], test[:, None], *labels)]


def files_of(name: str, data_dir: str | Path) -> list[Path]:
    """Returns the files that `load` reads, unpacked or packed; those that are there."""
    folder = Path(data_dir).expanduser() / DATASETS[name] / "raw"
    found = [_either(folder, file) for file in (*IMAGES, *LABELS)]
    return [file for file in found if file.is_file()]


def _either(folder: Path, name: str) -> Path:
    """An IDX file itself, else its packed form."""
    return folder / name if (folder / name).is_file() else folder / f"{name}.gz"


def check_name(name: str) -> None:
    """Raises BadInput unless there are images of that name."""
    if name not in DATASETS:
        raise BadInput(f"dataset.name={name}: want {' or '.join(DATASETS)}")


def _missing(folder: Path) -> list[str]:
    return [f"{n}.gz" for n in (*IMAGES, *LABELS) if not _either(folder, n).is_file()]


def _download(source: "type[MNIST]", data_dir: Path, folder: Path, missing: list[str]) -> None:
    absent = [path for path in (folder, folder.parent, data_dir) if not path.exists()]
    try:
        with _impatient(), redirect_stdout(io.StringIO()):  # torchvision 0.19 prints its tries
            source(str(data_dir), download=True)
    except (OSError, RuntimeError, EOFError, zlib.error) as fault:
        for path in absent:  # torchvision made them before it found no network
            with suppress(OSError):
                path.rmdir()
        said = (str(fault).strip() or type(fault).__name__).splitlines()[0].rstrip(":")
        raise BadInput(
            f"{folder}: {', '.join(missing)} missing, and the download failed ({said}): want them "
            f"in that folder, or data_dir set to where {source.__name__}/raw holds them"
        ) from fault


@contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_TO_WAIT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read_idx(folder: Path, name: str, packed_md5: dict[str, str]) -> NDArray[np.uint8]:
    """Reads an IDX file of unsigned bytes, unpacked or (checked by its md5) packed, [n, ...]."""
    path, packed = _either(folder, name), folder / f"{name}.gz"
    try:
        content = path.read_bytes()
        if path == packed:
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != packed_md5[packed.name]:
                raise ValueError("its md5 sum is wrong")
            content = gzip.decompress(content)
        dims = content[3]
        header = 4 + 4 * dims
        shape = np.frombuffer(content[4:header], ">u4").astype(int).tolist()
        if content[2] != UNSIGNED_BYTES or math.prod(shape) != len(content) - header:
            raise ValueError("not a whole IDX file")
        return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
    except (OSError, ValueError, IndexError, EOFError, zlib.error) as fault:
        raise BadInput(f"{path}: not readable ({fault}): want it fetched anew") from fault
