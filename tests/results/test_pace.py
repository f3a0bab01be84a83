"""What is said while something takes long."""

import pytest

from mine_cli.results import pace
from mine_cli.results.pace import Pace, in_words


def test_it_is_said_at_once_and_then_whenever_it_was_silent_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    caplog.set_level("INFO", "mine_cli")
    going = Pace("composing 520 jobs")
    for second in range(12):
        now[0] = float(second)
        going.reached(f"{second} done")
    assert caplog.messages == ["composing 520 jobs", "5 done", "10 done"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.01, "0.1 seconds"), (42, "42 seconds"), (600, "10 minutes"), (9000, "2.5 hours")],
)
def test_times_in_words(seconds: float, said: str) -> None:
    assert in_words(seconds) == said
