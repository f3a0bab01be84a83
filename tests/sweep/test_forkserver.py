"""The server that a sweep's processes come from."""

import subprocess
import sys

import pytest

from mine_cli.sweep import forkserver

PROGRAM = """
import sys
from multiprocessing.forkserver import _forkserver
from mine_cli.sweep import forkserver as forks
if __name__ == "__main__":
    forks.get_ready()
    assert not {"torch", "matplotlib"} & set(sys.modules)
    ready = _forkserver._forkserver_pid
    with forks.context().Pool(1) as pool:
        modules = {*pool.apply(eval, ("list(__import__('sys').modules)",))}
        assert {*forks.NEEDED, "mine_cli.sweep.worker"} <= modules
        assert pool.apply(eval, ("__import__('gc').get_freeze_count()",)) > 0
    assert ready is not None
    assert _forkserver._forkserver_pid == ready
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such server")
def test_it_imports_before_it_is_asked_for_a_process() -> None:
    """And this process need not import what the others need."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no such server")
def test_ctrl_c_while_it_imports_is_none_of_its_business() -> None:
    program = """
import os, signal, time
from mine_cli.sweep import forkserver as forks
if __name__ == "__main__":
    forks.get_ready()
    time.sleep(0.5)
    signal.signal(signal.SIGINT, lambda *_: None)
    os.killpg(0, signal.SIGINT)
    with forks.context().Pool(1) as pool:
        print(pool.apply(abs, (-1,)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, start_new_session=True
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_elsewhere_processes_import_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    forkserver.get_ready()
    assert forkserver.context().get_start_method() == "spawn"
