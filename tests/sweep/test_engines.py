"""The same sweep through other launchers and a search, each where its extra is installed."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import run

pytestmark = pytest.mark.slow

SMALL = (
    "trainer=smoke", "trainer.device=cpu", "trainer.tensorboard=false", "references=none",
    "task.select_rows=300", "task.report_rows=500", "task.pairs=10000", "sweep_dir=sweep",
)  # fmt: skip
LAUNCHERS = {
    "joblib": ("hydra_joblib_launcher", "hydra.launcher.n_jobs=2"),
    "submitit_local": ("hydra_submitit_launcher", "hydra.launcher.cpus_per_task=1"),
    "ray": ("hydra_ray_launcher", "+hydra.launcher.ray.init.num_cpus=2"),
}
SEARCH = (
    "-m", "hydra/sweeper=optuna", "hydra.sweeper.n_jobs=1", "hydra.sweeper.sampler.seed=1", *SMALL
)  # fmt: skip
FAILING = """\
from mine_cli.bounds import DV


class Bound(DV):
    def loss(self, t_joint, t_marginal):
        raise RuntimeError("broken")
"""


def need(plugin: str) -> None:
    if importlib.util.find_spec(f"hydra_plugins.{plugin}") is None:
        pytest.skip(f"{plugin} is not installed: pip install 'mine-run[sweep]' or its launcher")


def rows(folder: Path) -> list[dict[str, str]]:
    """results.csv but for the timings."""
    with (folder / "results.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`mine-run ARGUMENTS` started from nothing: launchers start processes of their own."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "mine_cli", *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def by_hydras_own(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """What four jobs find one after another, with a thread each."""
    folder = tmp_path_factory.mktemp("basic")
    done = run(folder, "-m", "hydra/launcher=basic", "bound=mine,dv", "seed=0,1", *SMALL)
    assert done.returncode == 0, done.stderr
    return rows(folder / "sweep")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_other_launchers_find_the_same_bit_for_bit(
    launcher: str, by_hydras_own: list[dict[str, str]], tmp_path: Path
) -> None:
    plugin, option = LAUNCHERS[launcher]
    need(plugin)
    command = ("-m", f"hydra/launcher={launcher}", option, "bound=mine,dv", "seed=0,1", *SMALL)
    done = alone(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "sweep") == by_hydras_own
    assert "sweep of 4 jobs" in done.stdout

    (tmp_path / "sweep" / "bound=mine,seed=1" / "result.json").unlink()
    (tmp_path / "sweep" / "bound=mine,seed=1" / "checkpoints" / "last.pt").unlink()
    before = (tmp_path / "sweep" / "bound=mine,seed=0" / "result.json").stat().st_mtime_ns
    done = alone(tmp_path, "resume=sweep")
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "sweep") == by_hydras_own
    assert (tmp_path / "sweep" / "bound=mine,seed=0" / "result.json").stat().st_mtime_ns == before


def test_a_search_of_ten_trials_names_the_best(tmp_path: Path) -> None:
    need("hydra_optuna_sweeper")
    command = (*SEARCH, "hydra.sweeper.n_trials=10", "bound=choice(mine,dv,js)", "trainer.lr=1e-2")
    done = run(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "sweep")
    assert len(found) == 10
    best = min(found, key=lambda row: abs(float(row["error"])))
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("  best trial"))
    assert f"bound={best['bound']}" in line

    results = {p: p.stat().st_mtime_ns for p in tmp_path.glob("sweep/*/result.json")}
    done = run(tmp_path, "resume=sweep")
    assert done.returncode == 0, done.stderr
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("sweep/*/result.json")} == results
    assert rows(tmp_path / "sweep") == found

    done = run(tmp_path, *command, "hydra.sweeper.sampler.seed=null")
    assert done.returncode == 2
    assert "comes to the same trials again" in done.stderr


def test_a_search_for_what_is_no_number_of_a_result_fails(tmp_path: Path) -> None:
    need("hydra_optuna_sweeper")
    command = (*SEARCH, "hydra.sweeper.n_trials=2", "trainer.lr=interval(1e-4,1e-2)")
    done = run(tmp_path, *command, "objective=estimat")
    assert done.returncode == 1
    assert {row["status"] for row in rows(tmp_path / "sweep")} == {"failed"}
    assert "objective=estimat: want one of estimate," in done.stdout
    assert "best trial       none" in done.stdout


def test_a_search_goes_on_after_a_trial_that_fails(tmp_path: Path) -> None:
    """And goes up where it is told to."""
    need("hydra_optuna_sweeper")
    (tmp_path / "my_conf" / "bound").mkdir(parents=True)
    (tmp_path / "my_conf" / "own.py").write_text(FAILING)
    (tmp_path / "my_conf" / "bound" / "own.yaml").write_text("_target_: own.Bound\n")
    done = run(
        tmp_path, "-cd", "my_conf", *SEARCH, "hydra.sweeper.n_trials=6", "bound=choice(own,mine)",
        "hydra.sweeper.direction=maximize", "objective=estimate",
        "trainer.lr=choice(1e-4,1e-2)",
    )  # fmt: skip
    assert done.returncode == 1
    found = rows(tmp_path / "sweep")
    assert {row["status"] for row in found if row["bound"] == "own"} == {"failed"}
    assert "Traceback" not in done.stderr
    best = max((row for row in found if row["estimate"]), key=lambda row: float(row["estimate"]))
    record = json.loads((tmp_path / "sweep" / best["job"] / "job.json").read_text())
    assert record["objective"] == pytest.approx(float(best["estimate"]))
    assert f"best trial       job {best['job']}" in done.stdout
