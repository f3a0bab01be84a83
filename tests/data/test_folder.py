"""Folders of pictures that the tests make: cut, held out, and refused in a line."""

from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms.functional import to_pil_image

from mine_cli.data.folder import ImageFolder, picture
from mine_cli.errors import BadInput


def write(image: Tensor, path: Path) -> None:
    to_pil_image(image).save(path)


def pictures(folder: Path, n: int = 20, side: int = 40) -> Path:
    """So many pictures of one colour each: the i-th has i in its red channel."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        image = torch.zeros(3, side, side + 2 * i, dtype=torch.uint8)
        image[0] = i
        write(image, folder / f"{i:03d}.png")
    return folder


def reds(x: Tensor) -> list[int]:
    return [round(value) for value in ((x[:, 0, 0, 0] + 1) * 127.5).tolist()]


def test_every_picture_is_cut_to_the_side_and_scaled(tmp_path: Path) -> None:
    data = ImageFolder(pictures(tmp_path / "here" / "deeper"), side=32)
    data = ImageFolder(tmp_path / "here", side=32)  # folders below count
    x = data.draw(500, Generator().manual_seed(0))
    assert x.shape == (500, 3, 32, 32)
    assert -1 <= x.min() <= x.max() <= 1
    aside = data.fresh(100, Generator())
    assert len(aside) == 2  # a tenth of 20
    assert not set(reds(x)) & set(reds(aside))
    assert sorted({*reds(x), *reds(aside)}) == list(range(20))
    assert data.warnings == []


def test_the_middle_is_kept(tmp_path: Path) -> None:
    image = torch.zeros(3, 64, 192, dtype=torch.uint8)
    image[:, :, 64:128] = 200
    write(image, tmp_path / "wide.png")
    found = picture(tmp_path / "wide.png", 64)
    assert isinstance(found, Tensor)
    assert (found == 200).all()
    write(image.transpose(1, 2).contiguous(), tmp_path / "tall.png")
    found = picture(tmp_path / "tall.png", 32)
    assert isinstance(found, Tensor)
    assert found.shape == (3, 32, 32)
    assert (found[:, 4:-4] == 200).all()


def test_a_grey_picture_has_three_equal_channels(tmp_path: Path) -> None:
    write(torch.full((1, 50, 50), 90, dtype=torch.uint8), tmp_path / "grey.jpg")
    found = picture(tmp_path / "grey.jpg", 32)
    assert isinstance(found, Tensor)
    assert torch.equal(found[0], found[1])
    assert found.float().mean().item() == pytest.approx(90, abs=2)


def test_broken_and_tiny_pictures_are_named_and_counted(tmp_path: Path) -> None:
    pictures(tmp_path, 12)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    whole = (tmp_path / "000.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "notes.txt").write_text("not looked at")
    write(torch.zeros(3, 10, 50, dtype=torch.uint8), tmp_path / "tiny.png")
    data = ImageFolder(tmp_path, side=32)
    assert sorted(data.warnings) == [
        "dataset: 1 of 16 pictures are smaller than 32 pixels, left out: tiny.png",
        "dataset: 3 of 16 pictures cannot be read, left out: broken.jpg, cut.png, empty.png",
    ]
    assert len(data.train) + len(data.held_out) == 12


def test_the_same_seed_holds_the_same_pictures_out(tmp_path: Path) -> None:
    pictures(tmp_path)
    first, again, other = (ImageFolder(tmp_path, 32, 0.5, seed) for seed in (0, 0, 1))
    assert torch.equal(first.held_out, again.held_out)
    assert not torch.equal(first.held_out, other.held_out)


@pytest.mark.parametrize(
    ("n", "side", "line"),
    [
        (0, 32, r"^dataset.path=.*: no picture in it; want .jpg"),
        (5, 32, r"^dataset.path=.*: 5 pictures can be used; want at least 10$"),
        (20, 64, r"0 pictures can be used; .*20 of 20 pictures are smaller than 64 pixels"),
        (20, 48, r"^dataset.side=48: want 32 or 64$"),
    ],
)
def test_what_cannot_be_used_is_one_line(n: int, side: int, line: str, tmp_path: Path) -> None:
    pictures(tmp_path, n)
    with pytest.raises(BadInput, match=line) as caught:
        ImageFolder(tmp_path, side)
    assert len(str(caught.value).splitlines()) == 1


def test_no_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none: no such folder; want one with pictures$"):
        ImageFolder(tmp_path / "none")
