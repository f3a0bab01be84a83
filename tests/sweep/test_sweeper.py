"""Which jobs a fault is of, and which are handed to a launcher."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from mine_cli.config.overrides import unquoted
from mine_cli.errors import BadInput
from mine_cli.results.files import write_json
from mine_cli.sweep.planning import PlannedJob, but_for_seed
from mine_cli.sweep.sweeper import (
    fault_lines,
    folder_names,
    launch,
    missing,
    placed,
    ranges,
    told,
)

JOBS = [[f"bound={b}", f"seed={s}", "trainer=smoke"] for b in ("mine", "dv") for s in (0, 1)]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [([4], "4"), ([0, 1, 2], "0 to 2"), ([0, 2, 3, 9], "0, 2 to 3, 9"), ([1, 2], "1 to 2")],
)
def test_numbers_in_few_words(numbers: list[int], said: str) -> None:
    assert ranges(numbers) == said


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ([3], "job 3 (bound=dv seed=1)"),
        ([2, 3], "jobs 2 to 3 (bound=dv)"),
        ([0, 2], "jobs 0, 2 (seed=0)"),
        ([0, 1, 2, 3], "jobs 0 to 3"),
    ],
)
def test_jobs_are_named_by_what_they_share_of_the_swept(who: list[int], said: str) -> None:
    assert told(JOBS, who) == said


def test_a_sweep_of_one_job_names_all_that_it_was_given() -> None:
    assert told([["seed=1", "bound=dv"]], [0]) == "job 0 (seed=1 bound=dv)"


def test_of_a_refusal_the_first_lines_count() -> None:
    stop = ConfigCompositionException("Could not append to config.\nmore")
    stop.__cause__ = ValueError("no float\nfull_key: a")
    assert fault_lines(stop) == ["Could not append to config.: no float"]
    assert fault_lines(BadInput("one", "two")) == ["one", "two"]


def test_jobs_that_differ_in_the_seed_are_alike() -> None:
    alike = {
        but_for_seed(OmegaConf.create({"seed": seed, "dataset": {"seed": "${seed}"}, "rho": 0.5}))
        for seed in (1, 2)
    }
    assert len(alike) == 1
    own = OmegaConf.create({"seed": 1, "dataset": {"seed": 7}, "rho": 0.5})
    assert but_for_seed(own) not in alike
    assert own.seed == 1


def planned(count: int, sweep: Path = Path("sweep")) -> list[PlannedJob]:
    return [
        PlannedJob(
            number,
            [f"seed={number}"],
            OmegaConf.create(
                {"retry_diverged": True, "hydra": {"sweep": {"subdir": str(number)}}}
            ),
            sweep,
        )
        for number in range(count)
    ]


def finish(folder: Path, number: int, status: str = "ok") -> None:
    (folder / str(number)).mkdir()
    (folder / str(number) / "result.json").write_text(json.dumps({"status": status}))


def test_finished_jobs_at_both_ends_are_not_launched(tmp_path: Path) -> None:
    jobs = planned(6, tmp_path)
    assert missing(jobs) == jobs
    for number in (0, 3, 5):
        finish(tmp_path, number)
    finish(tmp_path, 4, "diverged")
    assert [job.number for job in missing(jobs)] == [1, 2, 3, 4]
    for job in jobs:
        job.cfg.retry_diverged = False
    assert [job.number for job in missing(jobs)] == [1, 2]
    for number in (1, 2):
        finish(tmp_path, number)
    assert missing(jobs) == []


class Launcher:
    """Notes what it is given."""

    planned: Any = None

    def __init__(self) -> None:
        self.given: list[tuple[list[Sequence[str]], int, int]] = []

    def launch(self, overrides: list[Sequence[str]], initial_job_idx: int) -> list[Any]:
        self.given.append((overrides, initial_job_idx, len(self.planned)))
        return overrides


@pytest.mark.parametrize(("size", "starts"), [(None, [2]), (2, [2, 4]), (3, [2])])
def test_batches_keep_their_numbers(size: int | None, starts: list[int]) -> None:
    sweeper: Any = SimpleNamespace(max_batch_size=size, launcher=Launcher())
    returned = launch(sweeper, planned(5)[2:])
    assert [start for _, start, _ in sweeper.launcher.given] == starts
    assert [job for batch in returned for job in batch] == [["seed=2"], ["seed=3"], ["seed=4"]]
    assert all(composed == len(jobs) for jobs, _, composed in sweeper.launcher.given)
    assert launch(sweeper, []) == []


def sweep_config(folder: Path, subdir: str = "${hydra.job.num}") -> Any:
    return OmegaConf.create({"hydra": {"sweep": {"dir": str(folder), "subdir": subdir}}})


def test_jobs_folders_are_called_by_what_was_swept_unless_told_otherwise(tmp_path: Path) -> None:
    names = ["bound=mine,seed=0", "bound=mine,seed=1", "bound=dv,seed=0", "bound=dv,seed=1"]
    assert folder_names(sweep_config(tmp_path / "new"), JOBS) == names
    assert folder_names(sweep_config(tmp_path / "new", "job_${hydra.job.num}"), JOBS) == []


def test_a_sweep_that_was_begun_keeps_its_folders(tmp_path: Path) -> None:
    """As of before they had names, or in names that would be others by now."""
    jobs = [{"folder": str(n), "overrides": job} for n, job in enumerate(JOBS)]
    write_json(tmp_path / "sweep.json", {"schema": 1, "arguments": [], "cwd": "", "jobs": jobs})
    assert folder_names(sweep_config(tmp_path), JOBS) == ["0", "1", "2", "3"]


def test_another_launcher_is_told_where_a_job_goes() -> None:
    (job,) = planned(1)
    job.subfolder = Path("x='a',y=[1,2]")
    (_, where) = placed(job)
    key, _, value = where.partition("=")
    assert key == "hydra.sweep.subdir"
    assert unquoted(value) == "x='a',y=[1,2]"
