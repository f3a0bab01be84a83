import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mine_cli.data.images import (
    CLOTHES,
    ImageHalves,
    ImageLabel,
    LabelledImages,
    label_entropy,
)
from mine_cli.data.labelled import overlap
from mine_cli.data.mnist import load
from mine_cli.errors import BadInput
from tests.image_folders import write_images


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), train=60, test=20)


def test_shuffled_labels(folder: Path) -> None:
    plain = ImageLabel("mnist", folder).rows()
    first, again, other = (
        ImageLabel("mnist", folder, shuffle_labels=True, seed=seed).rows() for seed in (0, 0, 1)
    )
    assert first.true_mi == 0
    assert "shuffled" in first.true_mi_note
    assert torch.equal(first.z, again.z)
    assert not torch.equal(first.z, other.z)
    assert not torch.equal(first.z, plain.z)
    assert torch.equal(first.z.sum(0), plain.z.sum(0))
    assert torch.equal(first.x, plain.x)


def test_halves(folder: Path) -> None:
    images = ImageLabel("mnist", folder).rows().x
    left = ImageHalves("mnist", folder).rows()
    assert left.x.shape == left.z.shape == (80, 1, 28, 14)
    assert torch.equal(torch.cat([left.x, left.z], 3), images)
    upper = ImageHalves("mnist", folder, axis="vertical").rows()
    assert torch.equal(torch.cat([upper.x, upper.z], 2), images)
    assert upper.true_mi is None
    assert upper.true_mi_note


@pytest.mark.parametrize("kind", [ImageLabel, ImageHalves, LabelledImages])
def test_the_files_that_are_read(kind: type, folder: Path, tmp_path: Path) -> None:
    files = kind("mnist", folder).files
    assert len(files) == 4
    assert {file.parent for file in files} == {folder / "MNIST" / "raw"}
    packed = write_images(tmp_path) / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    packed.rename(packed.with_name(f"{packed.name}.gz"))
    assert packed.with_name(f"{packed.name}.gz") in kind("mnist", tmp_path).files
    assert kind("mnist", tmp_path / "none").files == []


def test_label_entropy() -> None:
    assert label_entropy(torch.tensor([0, 0, 1, 3])) == pytest.approx(1.5 * math.log(2))
    assert label_entropy(torch.zeros(9, dtype=torch.int64)) == 0


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_parts_are_those_of_the_files(name: str, folder: Path) -> None:
    data = LabelledImages(name, folder).labelled()
    images, labels = load(name, folder)
    assert data.x.shape == (60, 1, 28, 28)
    assert data.test_x.shape == (20, 1, 28, 28)
    assert torch.allclose(torch.cat([data.x, data.test_x]), images * 2 - 1, atol=1e-6)
    assert torch.equal(torch.cat([data.y, data.test_y]), labels)
    assert (data.num_classes, data.bounds, data.warnings) == (10, (-1.0, 1.0), [])
    assert (data.x.min(), data.x.max()) == (-1, 1)


def test_names_of_the_classes(folder: Path) -> None:
    assert LabelledImages("mnist", folder).labelled().names == list("0123456789")
    assert LabelledImages("fashion_mnist", folder).labelled().names == list(CLOTHES)


def test_one_permutation_for_all_images(folder: Path) -> None:
    plain = LabelledImages("mnist", folder).labelled()
    moved = LabelledImages("mnist", folder, permute=True).labelled()
    assert not torch.equal(moved.x, plain.x)
    where = LabelledImages("mnist", folder, permute=True).permuted(
        torch.arange(784.0).view(1, 1, 28, 28)
    )
    assert torch.equal(where.flatten().sort().values, torch.arange(784.0))
    back = where.flatten().long().argsort()
    for found, true in ((moved.x, plain.x), (moved.test_x, plain.test_x)):
        assert torch.equal(found.flatten(1)[:, back].view_as(true), true)
    assert torch.equal(moved.y, plain.y)
    assert torch.equal(moved.test_y, plain.test_y)


def test_the_permutation_follows_the_seed(folder: Path) -> None:
    first, again, other = (
        LabelledImages("mnist", folder, permute=True, seed=seed).labelled() for seed in (1, 1, 2)
    )
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x, other.x)
    plain, also_plain = (LabelledImages("mnist", folder, seed=seed).labelled() for seed in (1, 2))
    assert torch.equal(plain.x, also_plain.x)


def test_the_files_are_read_once(folder: Path) -> None:
    data = LabelledImages("mnist", folder)
    assert data.labelled() is data.labelled()


def test_unknown_names() -> None:
    with pytest.raises(BadInput, match=r"dataset.name=cifar: want mnist or fashion_mnist"):
        ImageLabel("cifar")
    with pytest.raises(BadInput, match=r"dataset.axis=x: want horizontal or vertical"):
        ImageHalves(axis="x")
    with pytest.raises(BadInput, match=r"dataset.name=cifar: want mnist or fashion_mnist"):
        LabelledImages("cifar")


@pytest.mark.parametrize(
    ("name", "truth", "mean"), [("mnist", 2.3012, 0.1309), ("fashion_mnist", math.log(10), 0.2868)]
)
def test_the_real_images(name: str, truth: float, mean: float) -> None:
    data_dir = Path(os.environ.get("MINE_RUN_DATA", "data"))
    if not (data_dir / {"mnist": "MNIST"}.get(name, "FashionMNIST")).is_dir():
        pytest.skip(f"{name} is not under {data_dir} (MINE_RUN_DATA names the folder)")
    rows = ImageLabel(name, data_dir).rows()
    assert len(rows) == 70_000
    assert rows.true_mi == pytest.approx(truth, abs=1e-4)
    assert rows.x.mean().item() == pytest.approx(mean, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "folder_name"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_the_real_labelled_images(name: str, folder_name: str) -> None:
    data_dir = Path(os.environ.get("MINE_RUN_DATA", "data"))
    if not (data_dir / folder_name).is_dir():
        pytest.skip(f"{name} is not under {data_dir} (MINE_RUN_DATA names the folder)")
    data = LabelledImages(name, data_dir).labelled()
    assert (len(data.x), len(data.test_x)) == (60_000, 10_000)
    assert data.y.bincount().min() > 5_000
    assert overlap(data.x, data.test_x) == 0


@pytest.mark.slow
def test_other_data_need_not_wait_for_torchvision() -> None:
    look = "import sys, mine_cli.tasks.registry; assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", look], check=True)
