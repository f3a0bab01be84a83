"""Planning a sweep: no job is built twice, and nothing that was built is kept."""

import weakref
from collections import Counter
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from mine_cli.config.compose import conf_dir
from mine_cli.data.gaussian import Gaussian
from mine_cli.errors import BadInput
from mine_cli.results.files import write_json
from mine_cli.sweep import sweeper
from mine_cli.sweep.planning import PlannedJob, Planner
from tests.inside import answer

SMALL = ("trainer=smoke", "trainer.device=cpu", "task.select_rows=30", "task.report_rows=50")
built: Counter[int] = Counter()
alive: "weakref.WeakSet[Law]" = weakref.WeakSet()


class Law(Gaussian):
    """Notes that it was built."""

    def __init__(self, number: int, dim: int = 2) -> None:
        super().__init__(dim=dim)
        built[number] += 1
        alive.add(self)


def planned(number: int, sweep: Path, *overrides: str, **law: int) -> PlannedJob:
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("config", [*SMALL, *overrides], return_hydra_config=True)
    with open_dict(cfg):
        own = {"_target_": f"{__name__}.Law", "number": number, **law}
        OmegaConf.update(cfg, "dataset", own, merge=False)
        cfg.hydra.sweep.subdir = str(number)
    return PlannedJob(number, [*overrides], cfg, sweep)


@pytest.fixture(autouse=True)
def forgotten() -> None:
    built.clear()


@pytest.mark.slow
def test_a_thousand_jobs_are_built_once_each_and_keep_no_thousand_data_sets(
    tmp_path: Path,
) -> None:
    """Forty suffice: what is kept does not depend on how many there are."""
    planner = Planner()
    jobs = [planned(number, tmp_path) for number in range(40)]
    for job in jobs:
        planner.check(job)
        assert len(alive) <= 2
    assert built == dict.fromkeys(range(40), 1)
    (shape,) = {id(job.shape): job.shape for job in jobs}.values()
    assert shape is not None
    assert shape.jobs == 40
    assert shape.own is not None
    assert shape.own > 1000


def test_of_jobs_that_differ_in_the_seed_two_are_built(tmp_path: Path) -> None:
    """The second tells the size of its shape; a lone one has nobody to share memory with."""
    planner = Planner()
    jobs = [planned(0, tmp_path, f"seed={seed}") for seed in range(5)]
    planner.check(jobs[0])
    assert jobs[0].shape is not None
    assert jobs[0].shape.own is None
    for job in jobs[1:]:
        planner.check(job)
    assert built[0] == 1  # the data set itself is the same
    assert jobs[0].shape.jobs == 5
    assert jobs[0].shape.own is not None


def test_a_job_knows_its_steps_where_the_data_decide_them(tmp_path: Path) -> None:
    planner = Planner()
    words = ("trainer.steps=null", "trainer.steps=null", "trainer.steps=7")
    jobs = [planned(n, tmp_path, word, f"seed={n}") for n, word in enumerate(words)]
    for job in jobs:
        planner.check(job)
    assert jobs[0].steps == jobs[1].steps > 7
    assert jobs[2].steps == 7


def test_a_job_whose_folder_holds_one_has_a_fingerprint(tmp_path: Path) -> None:
    jobs = [planned(number, tmp_path) for number in range(2)]
    write_json(jobs[1].folder / "result.json", {"status": "ok", "fingerprint": "other"})
    planner = Planner(sizes=False)
    for job in jobs:
        planner.check(job)
    assert jobs[0].fingerprint is None
    assert jobs[1].fingerprint not in (None, "other")
    assert built == {0: 1, 1: 1}


def test_a_fault_is_every_job_s_that_has_it(tmp_path: Path) -> None:
    planner = Planner()
    for seed in range(2):
        with pytest.raises(BadInput, match="objective=accuracy: want one of"):
            planner.check(planned(0, tmp_path, f"seed={seed}", "objective=accuracy"))
    assert built[0] == 1


def test_the_processes_are_got_ready_once_a_job_has_no_fault_that_shows(tmp_path: Path) -> None:
    """Before that it would be for nothing."""
    begun: list[int] = []
    planner = Planner(begin=lambda: begun.append(len(built)))
    with pytest.raises(BadInput):
        planner.check(planned(0, tmp_path, "trainer.lr=0"))
    assert begun == []
    planner.check(planned(1, tmp_path))
    assert begun == [0]


@pytest.mark.parametrize(
    ("words", "begun"),
    [(["seed=0,1"], True), (["dry_run=true"], False), (["trainer.lr=0"], False)],
)
def test_no_process_is_got_ready_where_none_will_train(
    words: list[str], begun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ready: list[bool] = []
    monkeypatch.setattr(sweeper, "get_ready", lambda: ready.append(True))
    monkeypatch.setattr(sweeper, "launch", lambda *_: [])
    answer(["-m", *SMALL, *words, "sweep_dir=sweep"])
    assert any(ready) == begun
