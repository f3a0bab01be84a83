"""A process of a sweep; what it trains is tested by `test_launch` and `test_fused`."""

import signal
from multiprocessing import Pipe

import pytest

from mine_cli.errors import Interrupted
from mine_cli.sweep import worker
from mine_cli.sweep.worker import Group, work_on


def test_a_sweep_that_is_gone_is_no_reason_to_fail() -> None:
    sweep, news = Pipe()
    sweep.close()
    Group([], news).tell("ended", 3, 0.5)


def test_one_that_is_ended_before_it_begins_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def terminated(news: object) -> None:
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(worker, "with_the_sweep", terminated)
    monkeypatch.setattr("sys.path", [])
    _, news = Pipe()
    with pytest.raises(SystemExit) as stop:
        work_on([], news, [], None)
    assert stop.value.code == 143
