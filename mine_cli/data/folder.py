"""Anyone's folder of pictures as data for generators: cut to squares, held out in part."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from mine_cli.data.mnist import to_signed
from mine_cli.data.samples import Pool
from mine_cli.errors import BadInput, refuse

__all__ = ["ImageFolder"]

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp")
SIDES = (32, 64)
NAMED = 3  # pictures that are left out, of which a warning tells the names
FEWEST = 10  # pictures
READERS = 4  # threads; decoding lets go of the interpreter


class ImageFolder:
    """The pictures below a folder, [n, 3, side, side] in [-1, 1], cut from their middles.

    Each picture is scaled so that its shorter side fits, and its middle is cut out. All are read
    once, by several threads, and kept as bytes: 12 kB a picture of 64 pixels. Those that cannot be
    read, or are smaller than the side, are left out and counted in `warnings`.

    Arguments:
        path: The folder; pictures in folders below it count as well.
        side: 32 or 64 pixels.
        held_out: Share of the pictures that does not train, drawn at random.
        seed: Seed of that draw.

    Raises:
        BadInput: no such folder, or fewer than ten pictures in it that can be used.
    """

    image = True

    def __init__(
        self, path: str | Path, side: int = 64, held_out: float = 0.1, seed: int = 0
    ) -> None:
        self.path = Path(path).expanduser()
        refuse(unfit(self.path, side, held_out))
        self.files = sorted(
            file for file in self.path.rglob("*") if file.suffix.lower() in ENDINGS
        )
        if not self.files:
            raise BadInput(f"dataset.path={path}: no picture in it; want {', '.join(ENDINGS)}")
        self.shape: tuple[int, ...] = (3, side, side)
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(lambda file: picture(file, side), self.files))
        pairs = zip(self.files, found, strict=True)
        lost = {file: why for file, why in pairs if isinstance(why, str)}
        pictures = [one for one in found if not isinstance(one, str)]
        self.warnings = list(told(lost, len(self.files)))
        if len(pictures) < FEWEST:
            raise BadInput(
                f"dataset.path={path}: {len(pictures)} pictures can be used; want at least "
                f"{FEWEST}" + "".join(f"; {line}" for line in self.warnings)
            )
        order = torch.randperm(len(pictures), generator=Generator().manual_seed(seed))
        rows = torch.stack(pictures)[order]
        aside = max(1, round(held_out * len(rows)))
        self.held_out, self.train = rows[:aside], Pool(rows[aside:])

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws n training pictures with replacement, [n, 3, side, side] in [-1, 1]."""
        return to_signed(self.train.draw(n, generator))

    def fresh(self, n: int, generator: Generator) -> Tensor:
        """Returns the first n pictures that do not train, or all of them, in [-1, 1]."""
        return to_signed(self.held_out[:n].to(generator.device))


def unfit(path: Path, side: int, held_out: float) -> Iterator[str]:
    """Yields every fault of the parameters."""
    if not path.is_dir():
        yield f"dataset.path={path}: no such folder; want one with pictures"
    if side not in SIDES:
        yield f"dataset.side={side}: want {' or '.join(map(str, SIDES))}"
    if not 0 < held_out < 1:
        yield f"dataset.held_out={held_out}: want a share between 0 and 1"


def told(lost: dict[Path, str], n: int) -> Iterator[str]:
    """Yields what was left out, a line for each reason."""
    for why in dict.fromkeys(lost.values()):
        names = [file.name for file, other in lost.items() if other == why]
        shown = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        yield f"dataset: {len(names)} of {n} pictures {why}, left out: {shown}"


def picture(file: Path, side: int) -> Tensor | str:
    """Returns a picture [3, side, side] as bytes, or what is wrong with it."""
    # Its loader of ImageFolder, for the decoders of torchvision.io are deprecated.
    from torchvision.datasets.folder import pil_loader
    from torchvision.transforms.functional import pil_to_tensor

    try:
        whole = pil_to_tensor(pil_loader(str(file)))
    except (OSError, ValueError, SyntaxError):  # the last is Pillow's of a broken PNG
        return "cannot be read"
    short = min(whole.shape[1:])
    if short < side:
        return f"are smaller than {side} pixels"
    height, width = (round(edge * side / short) for edge in whole.shape[1:])
    scaled = interpolate(
        whole[None].float(), (height, width), mode="bilinear", antialias=True
    ).round()
    top, left = (height - side) // 2, (width - side) // 2
    return scaled[0, :, top : top + side, left : left + side].clamp(0, 255).to(torch.uint8)
