"""How far a sweep is: what is left to do, to its end, whatever was done before."""

import io
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf, open_dict

from mine_cli.sweep.launcher import Worker, WorkerPool
from mine_cli.sweep.planning import PlannedJob
from tests.sweep_folders import finish, record


def job(number: int, sweep: Path, progress: bool = False) -> PlannedJob:
    hydra = {"overrides": {"task": ["seed=0"]}, "sweep": {"subdir": str(number)}}
    trainer = {"steps": 100, "progress": progress}
    cfg = OmegaConf.create({"trainer": trainer, "retry_diverged": True, "hydra": hydra})
    return PlannedJob(number, ["seed=0"], cfg, sweep)


@pytest.fixture
def pool(tmp_path: Path) -> WorkerPool:
    """Two groups of two jobs of 100 steps each; job 0 has ended before."""
    jobs = [job(number, tmp_path) for number in range(4)]
    finish(jobs[0].folder)
    launcher: Any = SimpleNamespace(
        hydra_context=SimpleNamespace(callbacks=SimpleNamespace()), task_function=None
    )
    return WorkerPool([jobs[:2], jobs[2:]], tmp_path, 1, launcher)


def test_what_ended_before_is_not_counted_and_the_end_is_a_hundred(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pool.reached(60, [0, 1])  # goes on from a checkpoint, and takes along a job that had ended
    pool.reached(100, [0])
    pool.reached(100, [1])
    pool.reached(90, [2, 3])
    pool.reached(100, [2])  # stopped early
    pool.reached(100, [2])
    pool.reached(100, [3])
    parts = (20, 93, 100)
    assert caplog.messages == [f"{part} % of 300 steps" for part in parts]


def test_the_steps_of_a_job_that_trains_alone_are_read_from_its_metrics(
    pool: WorkerPool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    silent: Any = None
    group = pool.queue[1]
    pool.workers, pool.spoken = [Worker(group, silent, silent)], 0.0
    for folder, rows in zip([job.folder for job in group], ("0,1\n50,2\n", ""), strict=True):
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(f"step,mi/estimate\n{rows}")
    pool.still_at_work()
    assert pool.taken[group[0].number] == 50
    assert pool.taken[group[1].number] == 0
    assert any("16 % done" in message for message in caplog.messages)


def test_a_job_that_is_left_alone_is_named(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    silent: Any = None
    pool.constant = set()
    worker = Worker(pool.queue[0], silent, silent)
    pool.hear(worker, "alone", [1], "why")
    pool.hear(worker, "alone", [0, 1], "why")
    assert caplog.messages == [
        "job 1 (seed=0) is trained alone: why", "2 jobs are trained alone: why",
    ]  # fmt: skip


def test_a_job_that_diverged_is_told_once_and_one_that_failed_says_why(
    pool: WorkerPool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.chdir(tmp_path)
    silent: Any = None
    pool.callbacks, pool.constant = SimpleNamespace(on_job_end=lambda **_: None), set()
    for job in pool.queue[1]:
        with open_dict(job.cfg):
            job.cfg.hydra.sweeper = {}
    finish(tmp_path / "2", "diverged", note="the loss is not finite at step 40")
    record(tmp_path / "3", "failed", "RuntimeError: no")
    worker = Worker(pool.queue[1], silent, silent)
    pool.hear(worker, "ended", 2, None)
    pool.hear(worker, "ended", 3, None)
    assert [m for m in caplog.messages if "%" not in m] == [
        "#2 diverged: seed=0", "#3 failed: seed=0",
    ]  # fmt: skip
    assert capsys.readouterr().err == "mine-run: 3: RuntimeError: no\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_shares_no_line_and_is_not_drawn_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler, logger = logging.StreamHandler(terminal), logging.getLogger("mine_cli")
    logger.addHandler(handler)
    monkeypatch.setattr(logger, "level", logging.INFO)
    launcher: Any = SimpleNamespace(
        hydra_context=SimpleNamespace(callbacks=None), task_function=None
    )
    try:
        WorkerPool([], tmp_path, 1, launcher).run()
        assert terminal.getvalue() == ""
        pool = WorkerPool([[job(0, tmp_path, progress=True)]], tmp_path, 1, launcher)
        monkeypatch.setattr(pool, "start", lambda group: None)
        monkeypatch.setattr(pool, "listen", lambda: None)
        pool.run()
    finally:
        logger.removeHandler(handler)
    line = next(line for line in terminal.getvalue().splitlines() if "1 job in" in line)
    assert line == "1 job in 1 group, 1 at a time"
