import json
import time
from pathlib import Path

import pytest

from mine_cli.sweep.job import end


@pytest.mark.parametrize(("trained", "attempt"), [(120.0, 2.0), (1.0, 30.0), (None, 5.0)])
def test_the_seconds_of_a_resumed_job_are_those_of_all_attempts(
    tmp_path: Path, trained: float | None, attempt: float
) -> None:
    if trained is not None:
        (tmp_path / "result.json").write_text(json.dumps({"status": "ok", "seconds": trained}))
    end(tmp_path, "finished", {"objective": 0.5}, time.perf_counter() - attempt)
    record = json.loads((tmp_path / "job.json").read_text())
    assert record["status"] == "finished"
    assert record["seconds"] == pytest.approx(max(trained or 0.0, attempt), abs=1.0)
