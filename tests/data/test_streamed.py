"""Pictures decoded while it trains: the same whoever decodes them, and nobody stays behind."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mine_cli.data import streamed
from mine_cli.data.streamed import Batches, Stream
from tests.data.test_folder import cut_short, pictures, reds

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the pictures are too many: small folders would be decoded once, by nobody else."""
    monkeypatch.setattr(streamed, "KEPT_BYTES", 0)


def seed_of(number: int) -> int:
    return 100 + number


def stream(folder: Path, workers: int = 0, size: int = 8) -> Stream:
    files = sorted(folder.glob("*.png"))
    return Stream(Batches(files, 32, size, seed_of), workers)


def batches(found: Stream, n: int) -> list[Tensor]:
    taken = [found.next(CPU)[0] for _ in range(n)]
    found.close()
    return taken


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(map(torch.equal, a, b))


@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_changes_no_bit(workers: int, tmp_path: Path) -> None:
    cut_short(pictures(tmp_path) / "003.png")
    alone, helped = stream(tmp_path), stream(tmp_path, workers)
    for _ in range(9):
        (a, lost), (b, also_lost) = alone.next(CPU), helped.next(CPU)
        assert torch.equal(a, b)
        assert lost == also_lost
    helped.close()


def test_kept_pictures_are_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures(tmp_path)
    expected = batches(stream(tmp_path), 9)
    monkeypatch.setattr(streamed, "KEPT_BYTES", 20 * 3 * 32**2)
    kept = stream(tmp_path, workers=2)
    assert kept.workers == 0
    assert same(batches(kept, 9), expected)
    for file in tmp_path.iterdir():
        file.unlink()
    kept.go_to(0)
    assert same(batches(kept, 9), expected)
    pictures(tmp_path)
    monkeypatch.setattr(streamed, "KEPT_BYTES", 20 * 3 * 32**2 - 1)
    assert stream(tmp_path, workers=2).workers == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_goes_on_where_it_is_told_to(workers: int, tmp_path: Path) -> None:
    pictures(tmp_path)
    expected = batches(stream(tmp_path), 9)
    found = stream(tmp_path, workers)
    assert same(batches(found, 2), expected[:2])
    found.go_to(5)
    assert same(batches(found, 4), expected[5:])
    assert found.taken == 9


def test_every_picture_is_drawn_equally_often(tmp_path: Path) -> None:
    pictures(tmp_path)
    drawn = torch.tensor([red for x in batches(stream(tmp_path), 250) for red in reds(x)])
    counts = drawn.bincount(minlength=20)
    # 100 of each on average, with a standard deviation of 9.7.
    assert counts.min() > 100 - 5 * 9.7
    assert counts.max() < 100 + 5 * 9.7


def test_another_picture_stands_in_for_a_broken_one(tmp_path: Path) -> None:
    cut_short(pictures(tmp_path) / "003.png")
    found, lost = stream(tmp_path), set()
    for _ in range(20):
        pixels, broken = found.next(CPU)
        assert len(pixels) == 8
        assert 3 not in reds(pixels)
        lost |= {*broken}
    assert lost == {3}


def test_a_folder_that_is_gone_gives_short_batches(tmp_path: Path) -> None:
    found = stream(pictures(tmp_path))
    for file in tmp_path.iterdir():
        file.unlink()
    pixels, broken = found.next(CPU)
    assert len(pixels) == 0
    assert len(broken) == 80


def test_only_for_a_gpu_memory_is_pinned(tmp_path: Path) -> None:
    found = stream(pictures(tmp_path))
    assert not found.loader(CPU).pin_memory
    assert found.loader(torch.device("cuda")).pin_memory


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_gpu_gets_the_same_pictures(workers: int, tmp_path: Path) -> None:
    expected, found = batches(stream(pictures(tmp_path)), 5), stream(tmp_path, workers)
    for batch in expected:
        pixels = found.next(torch.device("cuda"))[0]
        assert pixels.is_cuda
        assert torch.equal(pixels.cpu(), batch)
    assert next(found._coming)[0].is_pinned()
    found.close()


def test_no_global_random_number_is_drawn(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    batches(stream(pictures(tmp_path), workers=1), 2)
    assert torch.equal(torch.get_rng_state(), before)


# Nobody stays behind


def workers_of(found: Stream) -> list[int]:
    found.next(CPU)
    return [child.pid for child in multiprocessing.active_children() if child.pid]


def gone(pids: list[int], seconds: float = 3.0) -> bool:
    """Whether none of these processes runs any more, soon."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(map(running, pids)):
            return True
        time.sleep(0.02)
    return False


def running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_closing_ends_the_workers(tmp_path: Path) -> None:
    found = stream(pictures(tmp_path), workers=2)
    pids = workers_of(found)
    assert len(pids) == 2
    found.close()
    assert gone(pids, 0.1)
    found.close()
    assert len(workers_of(found)) == 2  # others, which end when the stream is forgotten
    del found
    assert not multiprocessing.active_children()


def test_a_signal_leaves_the_workers_to_the_training(tmp_path: Path) -> None:
    found = stream(pictures(tmp_path), workers=2)
    pids = workers_of(found)
    for number in (signal.SIGINT, signal.SIGTERM):
        for pid in pids:
            os.kill(pid, number)
    for _ in range(20):
        found.next(CPU)
    assert all(map(running, pids))
    found.close()
    assert gone(pids, 0.1)


def stream_and_tell(folder: Path, pids: multiprocessing.SimpleQueue) -> None:
    streamed.KEPT_BYTES = 0
    pids.put(workers_of(stream(folder, workers=2)))
    time.sleep(60)


def test_a_killed_training_takes_its_workers_along(tmp_path: Path) -> None:
    """Before the seconds that another run would wait for its folder."""
    context = multiprocessing.get_context("fork")
    pids = context.SimpleQueue()
    training = context.Process(target=stream_and_tell, args=(pictures(tmp_path), pids))
    training.start()
    workers = pids.get()
    assert len(workers) == 2
    assert training.pid is not None
    os.kill(training.pid, signal.SIGKILL)
    training.join()
    assert gone(workers)
