"""What is said of jobs that are trained alone."""

from pathlib import Path

from omegaconf import OmegaConf

from mine_cli.sweep.grouping import Work, constant, subject


def work(number: int, *overrides: str) -> Work:
    cfg = OmegaConf.create({"hydra": {"overrides": {"task": [*overrides]}}})
    return Work(number, cfg, Path(str(number)))


def test_a_single_job_is_named_by_what_was_swept() -> None:
    works = [work(k + 4, "folds=1", f"bound={bound}") for k, bound in enumerate(("mine", "dv"))]
    assert constant(works) == {"folds=1"}
    assert subject(works[1:], constant(works)) == "job 5 (bound=dv) is"
    assert subject(works, constant(works)) == "2 jobs are"
    assert subject([work(0)], set()) == "job 0 is"
    assert constant(works[:1]) == set()
