"""Anyone's folder of pictures as data for generators: cut to squares, held out in part."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import torch
from torch import Generator, Tensor

from mine_cli.errors import BadInput, refuse

__all__ = ["ImageFolder", "Leading", "picture", "told"]

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp")
SIDES = (32, 64)
NAMED = 3  # pictures that are left out, of which a warning tells the names
FEWEST = 10  # pictures
READERS = 4  # threads; reading and decoding let go of the interpreter
HEADERS = 64  # that a thread reads in one go


class ImageFolder:
    """The pictures below a folder, cut from their middles to [3, side, side].

    At the start the files are listed and their headers read, by several threads: those that
    cannot be opened, or are smaller than the side, are left out and counted in `warnings`.
    Pictures are decoded when they are wanted, by `Leading` or `mine_cli.data.streamed`: `train`
    and `held_out` are their files, in an order of the seed's, `content` is a hash of names and
    sizes.

    Arguments:
        path: The folder; pictures in folders below it count as well.
        side: 32 or 64 pixels.
        held_out: Share of the pictures that does not train, drawn at random.
        workers: Processes that decode what trains, ahead of it; they change no number.
        seed: Seed of that draw.

    Raises:
        BadInput: no such folder, or fewer than ten pictures in it that can be used.
    """

    image = True

    def __init__(
        self,
        path: str | Path,
        side: int = 64,
        held_out: float = 0.1,
        workers: int = 2,
        seed: int = 0,
    ) -> None:
        folder = Path(path).expanduser()
        refuse(unfit(folder, side, held_out))
        # A run may change its working directory before it decodes.
        self.path, self.side, self.workers = folder.absolute(), side, workers
        self.shape: tuple[int, ...] = (3, side, side)
        listed = listing(self.path)
        if not listed:
            raise BadInput(f"dataset.path={path}: no picture in it; want {', '.join(ENDINGS)}")
        sizes, lost = examined(listed, side)
        self.warnings = list(told(lost, len(listed)))
        if len(sizes) < FEWEST:
            raise BadInput(
                f"dataset.path={path}: {len(sizes)} pictures can be used; want at least "
                f"{FEWEST}" + "".join(f"; {line}" for line in self.warnings)
            )
        self.content = digest_of(self.path, sizes)
        order = torch.randperm(len(sizes), generator=Generator().manual_seed(seed)).tolist()
        usable, aside = list(sizes), max(1, round(held_out * len(sizes)))
        self.held_out = [usable[i] for i in order[:aside]]
        self.train = [usable[i] for i in order[aside:]]

    def __len__(self) -> int:
        return len(self.train) + len(self.held_out)


class Leading:
    """The first of some files that can be decoded, kept as bytes: 12 kB a picture of 64 pixels.

    Arguments:
        files: Of pictures, in their order.
        side: Of the squares that are cut from them.
    """

    def __init__(self, files: Sequence[Path], side: int) -> None:
        self.files, self.side = files, side
        self.rows = torch.empty(0, 3, side, side, dtype=torch.uint8)
        self.looked_at = 0
        self.broken: list[Path] = []

    def take(self, n: int) -> Tensor:
        """Returns the first n, or all there are, [n, 3, side, side] uint8 on the CPU."""
        while len(self.rows) < n and self.looked_at < len(self.files):
            files = self.files[self.looked_at : self.looked_at + n - len(self.rows)]
            with ThreadPool(READERS) as pool:
                found = pool.map(partial(picture, side=self.side), files)
            self.looked_at += len(files)
            self.broken += [f for f, one in zip(files, found, strict=True) if one is None]
            self.rows = torch.cat([self.rows, *(one[None] for one in found if one is not None)])
        return self.rows[:n]


def unfit(path: Path, side: int, held_out: float) -> Iterator[str]:
    """Yields every fault of the parameters."""
    if not path.is_dir():
        yield f"dataset.path={path}: no such folder; want one with pictures"
    if side not in SIDES:
        yield f"dataset.side={side}: want {' or '.join(map(str, SIDES))}"
    if not 0 < held_out < 1:
        yield f"dataset.held_out={held_out}: want a share between 0 and 1"


def listing(folder: Path) -> list[Path]:
    """Returns the files below a folder that are called like pictures, in alphabetical order."""
    # By `os.walk` and as strings: of 200,000 files `Path.rglob` and paths take seconds.
    names = (os.path.join(at, name) for at, _, files in os.walk(folder) for name in files)
    return [Path(name) for name in sorted(names) if name.lower().endswith(ENDINGS)]


def examined(files: Sequence[Path], side: int) -> tuple[dict[Path, int], dict[Path, str]]:
    """Returns the bytes of the files that can be used, and what is wrong with the others."""
    with ThreadPool(READERS) as pool:
        found = pool.map(partial(size_or_fault, side=side), files, HEADERS)
    pairs = list(zip(files, found, strict=True))
    usable = {file: size for file, size in pairs if isinstance(size, int)}
    return usable, {file: why for file, why in pairs if isinstance(why, str)}


def size_or_fault(file: Path, side: int) -> int | str:
    """Returns how many bytes a picture's file has, or what its header says against it."""
    from PIL import Image

    try:
        with Image.open(file) as header:  # reads no pixels
            short = min(header.size)
        size = file.stat().st_size
    except Exception:  # decoders of broken bytes raise whatever they stumble over
        return "cannot be read"
    return size if short >= side else f"are smaller than {side} pixels"


def digest_of(folder: Path, sizes: dict[Path, int]) -> str:
    """Returns a SHA-256 of names and sizes: to read all bytes would take as long as to decode."""
    digest = hashlib.sha256()
    for file, size in sizes.items():
        digest.update(
            f"{file.relative_to(folder).as_posix()} {size}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


def told(lost: dict[Path, str], n: int) -> Iterator[str]:
    """Yields what was left out, a line for each reason."""
    for why in dict.fromkeys(lost.values()):
        names = [file.name for file, other in lost.items() if other == why]
        shown = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        yield f"dataset: {len(names)} of {n} pictures {why}, left out: {shown}"


def picture(file: Path, side: int) -> Tensor | None:
    """Returns a picture [3, side, side] uint8: its middle, once its shorter side fits.

    None for one that cannot be decoded.
    """
    # Its loader of ImageFolder, for the decoders of torchvision.io are deprecated.
    from torchvision.datasets.folder import pil_loader
    from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

    try:
        whole = pil_loader(str(file))
    except Exception:  # decoders of broken bytes raise whatever they stumble over
        return None
    cut: Tensor = pil_to_tensor(center_crop(resize(whole, side), side))
    return cut
