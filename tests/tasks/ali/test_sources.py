"""What ``task=ali`` draws of a folder of pictures, and what it tells of those that are broken."""

import logging
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from mine_cli.data import streamed
from mine_cli.data.folder import ImageFolder
from mine_cli.errors import BadInput, RunFailed
from mine_cli.tasks.ali.sources import Pictures
from tests.data.test_folder import cut_short, pictures

RANDOM = Generator()


def source(folder: Path, seed: int = 0, held_out: float = 0.1, workers: int = 0) -> Pictures:
    return Pictures(ImageFolder(folder, 32, held_out, workers), 8, seed)


def reds(x: Tensor) -> list[int]:
    return [round(value) for value in ((x[:, 0, 0, 0] + 1) * 127.5).tolist()]


def test_held_out_pictures_never_train(tmp_path: Path) -> None:
    found = source(pictures(tmp_path), held_out=0.3)
    aside, label = found.held_out(100, RANDOM)
    trained = {red for _ in range(50) for red in reds(found.draw(8, RANDOM))}
    assert label is None
    assert len(aside) == 6
    assert trained == set(range(20)) - set(reds(aside))
    assert set(reds(found.known(100, RANDOM)[0])) == trained
    assert torch.equal(found.held_out(2, RANDOM)[0], aside[:2])


def test_batches_are_of_the_seed_and_their_number_alone(tmp_path: Path) -> None:
    first, other = source(pictures(tmp_path)), source(tmp_path, seed=1)
    a, b = first.draw(8, RANDOM), first.draw(20, Generator().manual_seed(5))
    assert a.shape == (8, 3, 32, 32)
    assert a.dtype == torch.float32
    assert -1 <= a.min() <= a.max() <= 1
    assert b.shape == (20, 3, 32, 32)
    again = source(tmp_path)
    again.held_out(3, RANDOM)  # what is judged draws nothing
    again.known(3, RANDOM)
    assert torch.equal(again.draw(8, RANDOM), a)
    assert torch.equal(torch.cat([again.draw(8, RANDOM) for _ in range(3)])[:20], b)
    assert not torch.equal(other.draw(8, RANDOM), a)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_source_goes_on_as_if_never_stopped(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "KEPT_BYTES", 0)
    for file in ImageFolder(pictures(tmp_path), 32).train[:15]:
        cut_short(file)
    first, second = source(tmp_path, workers=workers), source(tmp_path, workers=workers)
    for _ in range(3):
        first.draw(8, RANDOM)
    second.load_state_dict(first.state_dict())
    assert second.found() == first.found() != []
    for n in (8, 20, 8):
        assert torch.equal(first.draw(n, RANDOM), second.draw(n, RANDOM))
    assert second.state_dict() == first.state_dict()
    first.close()
    second.close()


def test_a_broken_picture_is_told_once_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures(tmp_path)
    dataset = ImageFolder(tmp_path, 32)
    for file in (*dataset.train[:4], dataset.held_out[0]):
        cut_short(file)
    found = Pictures(dataset, 8, seed=0)
    assert found.found() == []
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            found.draw(8, RANDOM)
    aside, _ = found.held_out(100, RANDOM)
    assert len(aside) == 1
    (record,) = caplog.records
    assert "cannot be decoded, others take its place" in record.getMessage()
    (line,) = found.found()
    names = sorted(file.name for file in (*dataset.train[:4], dataset.held_out[0]))
    assert line == (
        f"dataset: 5 of 20 pictures turned out to be broken, left out: {', '.join(names[:3])}, ..."
    )


def test_a_folder_of_broken_pictures_is_refused(tmp_path: Path) -> None:
    for file in pictures(tmp_path).iterdir():
        cut_short(file)
    with pytest.raises(BadInput, match=r": none of the 2 held-out pictures can be decoded; want"):
        source(tmp_path)


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    found = source(pictures(tmp_path))
    for file in tmp_path.iterdir():
        file.unlink()
    for ask in (found.draw, found.known):
        with pytest.raises(RunFailed, match="pictures can no longer be decoded; want") as stop:
            ask(8, RANDOM)
        assert len(str(stop.value).splitlines()) == 1
