"""What is said of jobs that are trained alone."""

from pathlib import Path

from omegaconf import OmegaConf

from mine_cli.sweep.grouping import constant, subject
from mine_cli.sweep.planning import PlannedJob


def job(number: int, *overrides: str) -> PlannedJob:
    cfg = OmegaConf.create(
        {"hydra": {"overrides": {"task": [*overrides]}, "sweep": {"subdir": str(number)}}}
    )
    return PlannedJob(number, [*overrides], cfg, Path("sweep"))


def test_a_single_job_is_named_by_what_was_swept() -> None:
    jobs = [job(k + 4, "folds=1", f"bound={bound}") for k, bound in enumerate(("mine", "dv"))]
    assert constant(jobs) == {"folds=1"}
    assert subject(jobs[1:], constant(jobs)) == "job 5 (bound=dv) is"
    assert subject(jobs, constant(jobs)) == "2 jobs are"
    assert subject([job(0)], set()) == "job 0 is"
    assert constant(jobs[:1]) == set()
