import gzip
import hashlib
import math
import socket
import struct
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from mine_cli.data.images import ImageHalves, ImageLabel
from mine_cli.errors import BadInput

FILES = (
    "train-images-idx3-ubyte",
    "t10k-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-labels-idx1-ubyte",
)
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
DIGITS = (np.arange(50) % 10).astype(np.uint8)


def idx(values: np.ndarray) -> bytes:
    return (
        struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fifty small MNIST images, packed, with md5 sums that fit; and a network that is down."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    sums = []
    parts = (IMAGES[:40], IMAGES[40:], DIGITS[:40], DIGITS[40:])
    for name, values in zip(FILES, parts, strict=True):
        content = gzip.compress(idx(values))
        (raw / f"{name}.gz").write_bytes(content)
        sums.append((f"{name}.gz", hashlib.md5(content).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", sums)

    def down(*_: object, **__: object) -> None:
        raise URLError("no network here")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", down)
    return tmp_path


def test_packed_files_are_read_in_place(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    rows = ImageLabel("mnist", folder).rows()
    assert rows.x.shape == (50, 1, 28, 28)
    assert rows.x.dtype == rows.z.dtype == torch.float32
    assert torch.equal((rows.x[:, 0] * 255).round().to(torch.uint8), torch.from_numpy(IMAGES))
    assert rows.x.max() <= 1
    assert torch.equal(rows.z.argmax(1), torch.from_numpy(DIGITS).long())
    assert rows.z_categorical
    assert rows.true_mi == pytest.approx(math.log(10))
    assert "function of the image" in rows.true_mi_note
    assert sorted(folder.rglob("*")) == before


def test_unpacked_files_are_read_too(folder: Path) -> None:
    expected = ImageLabel("mnist", folder).rows()
    for path in (folder / "MNIST" / "raw").iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert torch.equal(ImageLabel("mnist", folder).rows().x, expected.x)


def test_without_a_network_the_files_and_their_folder_are_named(folder: Path) -> None:
    raw = folder / "MNIST" / "raw"
    (raw / f"{FILES[1]}.gz").unlink()
    (raw / f"{FILES[2]}.gz").unlink()
    timeout = socket.getdefaulttimeout()
    with pytest.raises(BadInput) as caught:
        ImageLabel("mnist", folder).rows()
    (told,) = caught.value.faults
    assert "\n" not in told
    assert told.startswith(f"{raw}: {FILES[1]}.gz, {FILES[2]}.gz missing")
    assert "MNIST/raw" in told
    assert socket.getdefaulttimeout() == timeout


def test_a_folder_that_cannot_be_filled(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(BadInput, match=r"FashionMNIST/raw: train-images-idx3-ubyte.gz"):
        ImageHalves("fashion_mnist", tmp_path / "data").rows()


def test_absent_files_are_downloaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = folder / "MNIST" / "raw"
    content = (raw / f"{FILES[0]}.gz").read_bytes()
    (raw / f"{FILES[0]}.gz").unlink()

    def up(url: str, download_root: str, filename: str, **_: Any) -> None:
        packed = raw / filename
        if not packed.exists():
            packed.write_bytes(content)
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", up)
    assert len(ImageLabel("mnist", folder).rows()) == 50


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (f"{FILES[0]}.gz", b"cut", "md5"),
        (FILES[0], idx(IMAGES[:40])[:-1], "not a whole IDX file"),
        (FILES[0], b"", "not readable"),
        (FILES[0], idx(IMAGES[:30]), "want them fetched anew"),
        (FILES[1], idx(IMAGES[40:, :9]), "want them fetched anew"),
        (FILES[2], idx(IMAGES[:40]), "want them fetched anew"),
        (FILES[3], idx(DIGITS[40:] + 9), "want them fetched anew"),
    ],
)
def test_damaged_files(folder: Path, name: str, content: bytes, told: str) -> None:
    (folder / "MNIST" / "raw" / name).write_bytes(content)
    with pytest.raises(BadInput, match=told):
        ImageLabel("mnist", folder).rows()
