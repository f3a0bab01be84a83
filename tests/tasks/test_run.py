"""What comes after the training costs no result."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from mine_cli import figures
from mine_cli.results.folder import RunFolder
from mine_cli.sweep import records
from mine_cli.tasks import run as runs
from mine_cli.tasks.mi_estimate import baselines
from mine_cli.tasks.run import numbered
from tests.program import run

SMALL = (
    "trainer=smoke", "trainer.steps=20", "task.select_rows=100", "task.report_rows=200",
    "hydra.run.dir=run",
)  # fmt: skip


def fail(*arguments: Any, **options: Any) -> NoReturn:
    raise IndexError("index -1 is out of bounds")


def break_references() -> None:
    baselines.references = fail


def break_figures() -> None:
    figures.curve = fail


def break_tensorboard() -> None:
    RunFolder.hparams = fail  # type: ignore[method-assign]


def break_summary() -> None:
    runs.summary = fail


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (break_references, "references"),
        (break_figures, "figures"),
        (break_tensorboard, "TensorBoard"),
        (break_summary, "summary"),
    ],
)
def test_nothing_after_the_training_costs_the_result(
    broken: Callable[[], None], what: str, tmp_path: Path
) -> None:
    done = run(tmp_path, *SMALL, "trainer.tensorboard=true", before=broken)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"no {what}: IndexError: index -1 is out of bounds\n"
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert isinstance(result["estimate"], float)
    assert "complete" not in result
    if what != "summary":
        assert result["warnings"] == [done.stderr.rstrip()]


@pytest.mark.parametrize(
    "first", [49, *(pytest.param(n, marks=pytest.mark.slow) for n in (499, 1500))]
)
def test_a_variable_that_is_constant_in_its_first_rows(first: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 1))
    x[:first] = 0
    np.savez(tmp_path / "step.npz", x=x, z=x + rng.normal(size=(2000, 1)))
    data = ("dataset=arrays", "dataset.path=step.npz", "trainer.batch_size=64")
    done = run(tmp_path, *SMALL, *data)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "run" / "result.json").read_text())["references"]
    assert isinstance(found["gaussian"]["estimate"], float)


@pytest.mark.slow
def test_a_job_killed_between_result_and_figures_is_not_finished(tmp_path: Path) -> None:
    words = ("-m", "seed=0,1", *SMALL[:-1], "sweep_dir=sweep")
    assert run(tmp_path, *words).returncode == 0
    job = tmp_path / "sweep" / "seed=1"
    whole = json.loads((job / "result.json").read_text())
    (job / "result.json").write_text(json.dumps({**whole, "references": {}, "complete": False}))
    (job / "figures" / "curve.png").unlink()
    (job / "job.json").write_text(
        json.dumps({**records.read_record(job), "status": "running", "objective": None})
    )
    assert records.finished(job, True) is None
    done = run(tmp_path, "resume=sweep")
    assert done.returncode == 0, done.stderr
    assert (job / "figures" / "curve.png").exists()
    again = json.loads((job / "result.json").read_text())
    assert again["estimate"] == whole["estimate"]
    assert again["references"] == whole["references"]


def test_what_was_swept_is_a_number_where_it_writes_one() -> None:
    swept = {"dataset.rho": "0.5", "trainer.lr": "1e-3", "bound": "mine", "dataset.x": "[a,b]"}
    found = numbered(swept)
    assert found == {"dataset.rho": 0.5, "trainer.lr": 1e-3, "bound": "mine", "dataset.x": "[a,b]"}
