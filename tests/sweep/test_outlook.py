"""What a sweep would do, before it is done."""

from pathlib import Path

from mine_cli.sweep.outlook import outlook, seconds_of
from mine_cli.sweep.planning import Planner
from tests.sweep.test_planning import planned


class Launcher:
    processes, memory_gb = 2, None


def test_jobs_groups_and_time_are_told_and_nothing_written(tmp_path: Path) -> None:
    jobs = [planned(n, tmp_path, f"seed={n}", dim=2 if n < 4 else 3) for n in range(5)]
    planner = Planner()
    for job in jobs:
        planner.check(job)
    lines = outlook(jobs, Launcher()).splitlines()
    assert [line.split() for line in lines[:5]] == [[str(n), str(n)] for n in range(5)]
    assert lines[6] == "5 jobs"
    assert [line.partition(", about")[0] for line in lines[7:10]] == [
        "  2 jobs trained as one model",
        "  2 jobs trained as one model",
        "  job 4 alone",
    ]
    assert "of training, 2 at a time" in lines[10]
    assert lines[-1] == "Nothing was written."
    assert not any(tmp_path.iterdir())
    alone = outlook(jobs, None).splitlines()
    assert sum("alone" in line for line in alone) == 5


def test_time_grows_with_the_steps(tmp_path: Path) -> None:
    jobs = [planned(n, tmp_path, f"trainer.steps={steps}") for n, steps in ((0, 10), (1, 10_000))]
    few, many = (seconds_of([job]) for job in jobs)
    assert few is not None
    assert many is not None
    assert many > 20 * few
