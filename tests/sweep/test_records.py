"""What an earlier attempt left of a job counts for that very job alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from mine_cli.errors import BadInput
from mine_cli.sweep.records import (
    check_same,
    finished,
    read_record,
    recorded,
    resumable,
    start_over,
    write_record,
)  # fmt: skip


def result(folder: Path, **found: Any) -> None:
    (folder / "result.json").write_text(json.dumps({"status": "ok", "fingerprint": "a"} | found))


def checkpoint(folder: Path) -> None:
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.pt").write_bytes(b"")


def test_nothing_there_is_in_nobodys_way(tmp_path: Path) -> None:
    assert recorded(tmp_path) is None
    check_same(tmp_path, "a")
    assert finished(tmp_path, True) is None
    assert not resumable(tmp_path, "a")


def test_a_result_counts_for_its_own_job(tmp_path: Path) -> None:
    result(tmp_path)
    check_same(tmp_path, "a")
    found = finished(tmp_path, True)
    assert found is not None
    assert found["status"] == "ok"
    with pytest.raises(BadInput, match="another configuration, data or code"):
        check_same(tmp_path, "b")


def test_what_diverged_is_run_again_unless_told_otherwise(tmp_path: Path) -> None:
    result(tmp_path, status="diverged")
    assert finished(tmp_path, True) is None
    assert finished(tmp_path, False) is not None
    assert not resumable(tmp_path, "a")


def test_a_result_that_cannot_be_read_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(BadInput):
        check_same(tmp_path, "a")


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_a_checkpoint_is_gone_on_from_by_its_own_job(status: str, tmp_path: Path) -> None:
    checkpoint(tmp_path)
    write_record(tmp_path, status, fingerprint="a")
    assert resumable(tmp_path, "a")
    assert not resumable(tmp_path, "b")
    with pytest.raises(BadInput):
        check_same(tmp_path, "b")


def test_what_failed_gives_way_to_what_was_mended(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    write_record(tmp_path, "failed", fingerprint="a", error="no such file")
    check_same(tmp_path, "b")
    assert resumable(tmp_path, "a")
    assert not resumable(tmp_path, "b")


def test_a_record_says_all_that_it_may_say(tmp_path: Path) -> None:
    write_record(tmp_path, "failed", error="broken", seconds=1.5)
    assert read_record(tmp_path) == {
        "status": "failed", "error": "broken", "seconds": 1.5, "objective": None,
        "fingerprint": None,
    }  # fmt: skip


def test_starting_over_keeps_configuration_and_log(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    result(tmp_path, status="diverged")
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "mine-run.log").write_text("before")
    (tmp_path / "metrics.csv").write_text("step\n")
    start_over(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hydra", "mine-run.log"]
