"""Folders of pictures that the tests make: cut, held out, and refused in a line."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from mine_cli.data.folder import ImageFolder, Leading, picture
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


def cut_short(file: Path) -> None:
    """Leaves the first half of a file: the header is whole, and the picture is not."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def reds(pixels: Tensor) -> list[int]:
    return pixels[:, 0, 0, 0].tolist()


def test_every_picture_is_cut_to_the_side_and_trains_or_is_held_out(tmp_path: Path) -> None:
    pictures(tmp_path / "here" / "deeper")  # folders below count
    data = ImageFolder(tmp_path / "here", side=32)
    assert (len(data), len(data.held_out)) == (20, 2)  # a tenth of 20
    train, aside = (Leading(files, 32).take(100) for files in (data.train, data.held_out))
    assert train.shape == (18, 3, 32, 32)
    assert train.dtype == torch.uint8
    assert sorted([*reds(train), *reds(aside)]) == list(range(20))
    assert data.warnings == []


def test_the_start_reads_headers_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred thousand pictures would take minutes to decode, and gigabytes to keep."""
    pictures(tmp_path)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)  # what decodes
    assert picture(tmp_path / "000.png", 32) is None
    assert len(ImageFolder(tmp_path, side=32)) == 20


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
    (tmp_path / "leads_nowhere.png").symlink_to(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("not looked at")
    (tmp_path / "folder.png").mkdir()
    write(torch.zeros(3, 10, 50, dtype=torch.uint8), tmp_path / "tiny.png")
    data = ImageFolder(tmp_path, side=32)
    assert sorted(data.warnings) == [
        "dataset: 1 of 16 pictures are smaller than 32 pixels, left out: tiny.png",
        "dataset: 3 of 16 pictures cannot be read, left out: broken.jpg, empty.png, "
        "leads_nowhere.png",
    ]
    assert len(data) == 12


def test_a_picture_of_too_many_pixels_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow refuses, by an error of its own kind, what would fill the memory."""
    write(torch.zeros(3, 90, 90, dtype=torch.uint8), pictures(tmp_path) / "vast.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 90 * 90 // 2 - 1)
    (line,) = ImageFolder(tmp_path, side=32).warnings
    assert line == "dataset: 1 of 21 pictures cannot be read, left out: vast.png"


def test_what_turns_out_broken_is_skipped(tmp_path: Path) -> None:
    files = sorted(pictures(tmp_path).iterdir())
    cut_short(files[1])
    files[3].unlink()
    leading = Leading(files, 32)
    assert reds(leading.take(2)) == [0, 2]
    assert leading.broken == [files[1]]
    assert reds(leading.take(4)) == [0, 2, 4, 5]
    assert reds(leading.take(3)) == [0, 2, 4]
    assert leading.broken == [files[1], files[3]]


def test_other_pictures_are_other_content(tmp_path: Path) -> None:
    """A folder may have moved; a picture more or less is another split."""
    first = ImageFolder(pictures(tmp_path / "a"), side=32).content
    (tmp_path / "a" / "notes.txt").write_text("not looked at")
    (tmp_path / "a").rename(tmp_path / "b")
    assert ImageFolder(tmp_path / "b", side=32).content == first
    (tmp_path / "b" / "000.png").rename(tmp_path / "b" / "999.png")
    renamed = ImageFolder(tmp_path / "b", side=32).content
    cut_short(tmp_path / "b" / "999.png")
    assert len({first, renamed, ImageFolder(tmp_path / "b", side=32).content}) == 3


def test_the_same_seed_holds_the_same_pictures_out(tmp_path: Path) -> None:
    pictures(tmp_path)
    first, again, other = (ImageFolder(tmp_path, 32, 0.5, seed=seed) for seed in (0, 0, 1))
    assert (first.held_out, first.train) == (again.held_out, again.train)
    assert first.held_out != other.held_out


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
