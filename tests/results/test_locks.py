"""A folder belongs to one process at a time, but never to one that is gone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mine_cli.errors import BadInput
from mine_cli.results import locks

HOLDS = (
    "import sys, time, pathlib; from mine_cli.results import locks; "
    "locks.hold(pathlib.Path(sys.argv[1]), ''); print('held', flush=True); time.sleep(60)"
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(locks, "SECONDS_TO_SAVE", 0.0)
    yield
    locks.let_go()


def test_a_folder_is_held_once_until_it_is_let_go(tmp_path: Path) -> None:
    locks.hold(tmp_path, "a: first")
    with pytest.raises(BadInput, match=r"^a: busy; wait for its end, or name another$"):
        locks.hold(tmp_path, "a: busy")
    locks.let_go()
    locks.hold(tmp_path, "a: busy")
    assert list(tmp_path.iterdir()) == []


def test_who_shares_a_folder_keeps_out_who_does_not(tmp_path: Path) -> None:
    locks.hold(tmp_path, "", shared=True)
    locks.hold(tmp_path, "", shared=True)
    with pytest.raises(BadInput):
        locks.locked(tmp_path, "")


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BadInput):
            locks.hold(tmp_path, "")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    locks.hold(tmp_path, "")
