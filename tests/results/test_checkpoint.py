"""Checkpoints are whole or not there, hold no code, and signals only set a flag."""

import contextlib
import errno
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from mine_cli.errors import BadInput, RunFailed
from mine_cli.results.checkpoint import latest, load, save
from mine_cli.training.interrupts import Interrupts
from mine_cli.training.rng import random_state, restore_random_state


def full_disk(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("exit 1",))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = {"step": 7, "task": {"weight": torch.randn(3), "curve": [0.1, 0.2], "name": "x"}}
    save(tmp_path / "checkpoints" / "last.pt", state)
    found = latest(tmp_path)
    assert found is not None
    assert found["step"] == 7
    assert torch.equal(found["task"]["weight"], state["task"]["weight"])
    assert found["task"]["curve"] == [0.1, 0.2]
    assert os.listdir(tmp_path / "checkpoints") == ["last.pt"]


def test_a_part_of_a_tensor_is_saved_alone(tmp_path: Path) -> None:
    whole = torch.randn(100, 50, 50)
    save(tmp_path / "last.pt", {"task": {"members": [{"weight": whole[3]}]}})
    assert (tmp_path / "last.pt").stat().st_size < 2 * whole[3].nbytes
    assert torch.equal(load(tmp_path / "last.pt")["task"]["members"][0]["weight"], whole[3])


def test_no_flipped_bit_is_taken_for_what_was_saved(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    state = {"step": 7, "task": {"weight": torch.randn(400, generator=generator)}}
    path = tmp_path / "last.pt"
    save(path, state)
    content = path.read_bytes()
    where = torch.randint(8 * len(content), (300,), generator=generator).tolist()
    tensor = content.index(state["task"]["weight"].numpy().tobytes())
    refused = 0
    for bit in [8 * tensor + 8 * 1600 * k // 40 + k % 8 for k in range(40)] + where:
        broken = bytearray(content)
        broken[bit // 8] ^= 1 << bit % 8
        path.write_bytes(broken)
        found = None
        with contextlib.suppress(BadInput):
            found = load(path)
        if found is None:
            refused += 1
        else:  # it lay in a gap, or in a name that nobody reads
            assert found["step"] == 7
            assert torch.equal(found["task"]["weight"], state["task"]["weight"])
    assert refused >= 40


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "empty"])
def test_the_checkpoint_before_a_damaged_one(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    last, earlier = (tmp_path / "checkpoints" / name for name in ("last.pt", "earlier.pt"))
    save(earlier, {"step": 1, "weight": torch.zeros(100)})
    save(last, {"step": 2, "weight": torch.ones(100)})
    found = latest(tmp_path)
    assert found is not None
    assert found["step"] == 2
    content = bytearray(last.read_bytes())
    content[content.index(torch.ones(100).numpy().tobytes()) + 3] ^= 1
    cut = {"flip": len(content), "cut": len(content) // 2, "empty": 0}.get(damage)
    last.unlink() if cut is None else last.write_bytes(content[:cut])
    found = latest(tmp_path)
    assert found is not None
    assert found["step"] == 1
    assert f"going on from {earlier}" in caplog.text


@pytest.mark.parametrize("quiet", [False, True])
def test_a_folder_without_a_checkpoint_starts_over_and_says_so(
    quiet: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert latest(tmp_path, quiet) is None
    told = f"{tmp_path / 'checkpoints'}: no checkpoint; the training starts over, at step 0"
    assert caplog.messages == ([] if quiet else [told])


def test_a_damaged_checkpoint_without_one_before_it_is_refused(tmp_path: Path) -> None:
    last = tmp_path / "checkpoints" / "last.pt"
    save(last, {"step": 2, "weight": torch.ones(100)})
    content = bytearray(last.read_bytes())
    content[content.index(torch.ones(100).numpy().tobytes()) + 3] ^= 1
    last.write_bytes(content)
    with pytest.raises(BadInput, match=r"last\.pt: damaged, the checksum of .* is another"):
        latest(tmp_path)


def test_nothing_saved_yet(tmp_path: Path) -> None:
    assert latest(tmp_path) is None


@pytest.mark.parametrize("broken", ["os.fsync", "os.replace"])
def test_full_disk_is_one_line_and_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "last.pt"
    save(path, {"step": 1})
    monkeypatch.setattr(broken, full_disk)
    with pytest.raises(RunFailed, match=r"^cannot write .*last\.pt: No space left") as failure:
        save(path, {"step": 2})
    assert "\n" not in str(failure.value)
    assert failure.value.exit_code == 1
    assert load(path)["step"] == 1
    assert os.listdir(tmp_path) == ["last.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a Linux device")
def test_disk_that_fills_in_the_middle_of_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.pt"
    save(path, {"step": 1})
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode: opened(Path("/dev/full"), "wb"))
    with pytest.raises(RunFailed, match="No space left on device"):
        save(path, {"step": 2, "weights": torch.zeros(100_000)})
    monkeypatch.undo()
    assert load(path)["step"] == 1
    assert os.listdir(tmp_path) == ["last.pt"]


@pytest.mark.parametrize("kind", ["absent", "text", "truncated", "other", "pickle", "code", "dir"])
def test_what_is_not_ours_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "last.pt"
    if kind == "text":
        path.write_text("hello")
    elif kind == "truncated":
        save(path, {"step": 1, "weights": torch.zeros(1000)})
        path.write_bytes(path.read_bytes()[:1000])
    elif kind == "other":
        torch.save({"state_dict": {}}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"step": 1}))
    elif kind == "code":
        torch.save(Malicious(), path)
    elif kind == "dir":
        path.mkdir()
    with pytest.raises(BadInput, match=r"last\.pt: .*expected a checkpoint written by mine-run"):
        load(path)


def test_random_state_goes_back() -> None:
    state = random_state()
    first = torch.rand(3)
    torch.rand(10)
    restore_random_state(state)
    assert torch.equal(torch.rand(3), first)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_sets_a_flag_and_handlers_go_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        assert interrupts.caught == 0
        signal.raise_signal(number)
        assert interrupts.caught == number
    assert signal.getsignal(number) is before


def test_nothing_is_caught_outside_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with Interrupts() as interrupts:
            seen.append((interrupts.caught, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, before)]


def test_second_signal_quits_at_once() -> None:
    program = (
        "import time; from mine_cli.training.interrupts import Interrupts\n"
        "with Interrupts() as interrupts:\n"
        "    print('ready', flush=True)\n"
        "    while not interrupts.caught: time.sleep(0.01)\n"
        "    print('caught', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for word in ("ready", "caught"):
        assert process.stdout.readline().strip() == word
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == -signal.SIGINT
    assert time.monotonic() - started < 30
    process.stdout.close()
