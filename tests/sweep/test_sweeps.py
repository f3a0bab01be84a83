"""Sweeps as a user starts them: refused early, collected, gone on with; each in a process."""

import csv
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mine_cli.cli.arguments import for_hydra
from mine_cli.config.trust import seal
from mine_cli.errors import BadInput
from mine_cli.sweep.folder import content_of
from tests.program import run, started

SMOKE = (
    "trainer=smoke", "trainer.device=cpu", "trainer.tensorboard=false", "references=none",
    "task.select_rows=300", "task.report_rows=500", "task.pairs=10000",
)  # fmt: skip
# Independent data and no patience to lose: every job ends `ok` after a moment.
QUIET = (*SMOKE, "dataset.rho=0", "trainer.lr=1e-5")
THREE = (
    "-m", *SMOKE, "seed=0,1,2", "trainer.steps=60", "trainer.checkpoint_every=5", "sweep_dir=sweep"
)  # fmt: skip
# A bound that fails, or diverges, where the environment names its number.
OWN_BOUND = """\
import os

from mine_cli.bounds import DV


class Bound(DV):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def loss(self, t_joint, t_marginal):
        if os.environ.get("FAILS") == str(self.number):
            raise FileNotFoundError(2, "No such file", "absent.txt")
        loss = super().loss(t_joint, t_marginal)
        return loss * float("nan") if os.environ.get("DIVERGES") == str(self.number) else loss
"""

Sweep = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """`mine-run ARGUMENTS` in a folder with a bound of one's own."""
    (tmp_path / "my_conf" / "bound").mkdir(parents=True)
    (tmp_path / "my_conf" / "own.py").write_text(OWN_BOUND)
    (tmp_path / "my_conf" / "bound" / "own.yaml").write_text("_target_: own.Bound\nnumber: 0\n")

    def sweep(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return run(tmp_path, *arguments, env=env)

    return sweep


def rows(folder: Path) -> list[dict[str, str]]:
    """results.csv but for the timings."""
    with (folder / "results.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def statuses(folder: Path) -> list[str]:
    return [row["status"] for row in rows(folder)]


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "job.json").read_text())


def test_faults_of_all_jobs_are_told_before_there_is_a_folder(
    sweep: Sweep, tmp_path: Path
) -> None:
    done = sweep("-m", "dataset.rho=0.5,0.9,1.5", "bound=mine,foo", "seed=0,1")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "mine-run: jobs 2 to 3, 6 to 7, 10 to 11 (bound=foo): bound=foo: no such option; "
        "want one of dv, infonce, js, mine, mine_f, smile, tuba",
        "mine-run: jobs 8 to 9 (dataset.rho=1.5 bound=mine): dataset.rho=1.5: must lie strictly "
        "between -1 and 1, or null",
    ]
    assert done.stdout.splitlines()[0] == "composing and checking 12 jobs"
    assert [path.name for path in tmp_path.iterdir()] == ["my_conf"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("trainer.lr=0.1,fast",),
            "job 1 (trainer.lr=fast): trainer.lr=fast: Value 'fast'",
        ),
        (("dataset=gaussian,arrays",), "job 1 (dataset=arrays): dataset.path: missing"),
        (("seed=1,2", "objective=accuracy"), "jobs 0 to 1: objective=accuracy: want one of"),
        (
            ("encoder=null,gaussian",),
            "job 0 (encoder='null'): encoder=null: no such option",
        ),
        (("seed=range(0)",), "the sweep has no jobs"),
        (
            ("seed=1,2", "hydra.launcher.processes=0"),
            "hydra.launcher.processes=0: must be a whole number of at least 1, or null",
        ),
        (
            ("seed=1,2", "hydra.launcher.memory_gb=much"),
            "hydra.launcher.memory_gb=much: must be a positive number, or null",
        ),
        (("seed=1,2", "resume=folder"), "-m: cannot change when a run is resumed"),
    ],
)
def test_a_sweep_with_a_fault_makes_no_folder(
    arguments: tuple[str, ...], said: str, sweep: Sweep, tmp_path: Path
) -> None:
    done = sweep("-m", *arguments)
    assert done.returncode == 2, done.stderr
    assert f"mine-run: {said}" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["my_conf"]


@pytest.mark.slow
def test_a_job_that_fails_and_one_that_diverges_are_named_and_run_again(
    sweep: Sweep, tmp_path: Path
) -> None:
    """Twelve jobs: ten count at once; the other two, once the cause is gone, alone are run."""
    command = (
        "-cd", "my_conf", "-m", *QUIET, "bound=own", "bound.number=range(12)", "sweep_dir=sweep",
    )  # fmt: skip
    folder = tmp_path / "sweep"
    done = sweep(*command, FAILS="3", DIVERGES="7")
    assert done.returncode == 1
    others = ["ok"] * 10
    assert statuses(folder) == [*others[:3], "failed", *others[3:6], "diverged", *others[6:]]
    assert "absent.txt: No such file" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr == "mine-run: sweep/number=3: absent.txt: No such file\n"
    assert "FileNotFoundError" not in done.stdout
    table = done.stdout[done.stdout.rindex("sweep of 12 jobs") :]
    assert "sweep/number=3/mine-run.log" in table
    assert "sweep/number=7/mine-run.log" in table
    assert "mine-run resume=sweep" in table
    assert (
        "Traceback (most recent call last)" in (folder / "number=3" / "mine-run.log").read_text()
    )
    assert record(folder / "number=3")["status"] == "failed"
    assert record(folder / "number=3")["error"] == "absent.txt: No such file"

    logs = {path: path.read_bytes() for path in folder.glob("*/mine-run.log")}
    results = {path: path.read_bytes() for path in folder.glob("*/result.json")}
    done = sweep(*command)
    assert done.returncode == 0, done.stderr
    assert statuses(folder) == ["ok"] * 12
    changed = {p.parent.name for p in results if p.read_bytes() != results[p]}
    assert changed == {"number=7"}
    trained = {p.parent.name for p in logs if b"step 20/20" in p.read_bytes()[len(logs[p]) :]}
    assert trained == {"number=3", "number=7"}
    assert (folder / "sweep.png").exists()


@pytest.mark.slow  # three sweeps
def test_what_diverged_stays_so_if_told(sweep: Sweep, tmp_path: Path) -> None:
    """And fails no sweep."""
    command = ("-cd", "my_conf", "-m", *QUIET, "bound=own", "bound.number=0,1", "sweep_dir=sweep")
    done = sweep(*command, DIVERGES="1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("loss not finite") == 1  # below the table
    assert statuses(tmp_path / "sweep") == ["ok", "diverged"]
    done = sweep("resume=sweep", "retry_diverged=false")
    assert done.returncode == 0, done.stderr
    assert "step" not in done.stdout.split("sweep of 2 jobs")[0]
    done = sweep("resume=sweep")
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "sweep") == ["ok", "ok"]
    assert "nothing left to run" not in done.stdout
    assert "nothing left to run" in sweep("resume=sweep").stdout
    assert "nothing left to run" in sweep("resume=sweep", "hydra/launcher=basic").stdout


@pytest.mark.slow  # several sweeps
def test_another_command_or_other_files_are_not_overwritten(sweep: Sweep, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    assert sweep("-m", *QUIET, "seed=0,1", "sweep_dir=sweep").returncode == 0
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    done = sweep("-m", *QUIET, "seed=0,2", "sweep_dir=sweep")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("mine-run: sweep_dir=sweep: holds another sweep, mine-run -m trainer=")
    # The same overrides, but of jobs that are made otherwise.
    (folder / "seed=1" / "result.json").write_text('{"status": "ok", "fingerprint": "other"}')
    done = sweep("resume=sweep")
    assert done.returncode == 2
    assert "what job 1 (seed=1) left there is of another configuration" in done.stderr
    (folder / "seed=1" / "result.json").write_bytes(before[folder / "seed=1" / "result.json"])
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before

    done = sweep("-m", *QUIET, "seed=0,1", "sweep_dir=my_conf")
    assert done.returncode == 2
    assert "sweep_dir=my_conf: holds other files and no sweep" in done.stderr
    assert sorted(p.name for p in (tmp_path / "my_conf").iterdir()) == ["bound", "own.py"]


def undisturbed(tmp_path: Path, *command: str) -> tuple[Path, Path]:
    """A folder in which the sweep has come to its end, and one for another attempt."""
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    assert run(folders[0], *command).returncode == 0
    return folders


@pytest.mark.slow  # three sweeps
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)],
)
def test_an_interrupted_sweep_goes_on_to_the_same_end(
    number: int, code: int, tmp_path: Path
) -> None:
    first, second = undisturbed(tmp_path, *THREE)
    with started(second, *THREE) as program:
        saved = second / "sweep" / "seed=1" / "checkpoints" / "last.pt"
        program.wait_until(saved.exists)
        program.signal(number)
        assert program.wait() == code, program.stderr
        assert "mine-run resume=sweep" in program.stdout
    assert record(second / "sweep" / "seed=1")["status"] == "interrupted"
    assert set(statuses(second / "sweep")) == {"interrupted"}
    done = run(second, "resume=sweep")
    assert done.returncode == 0, done.stderr
    assert rows(second / "sweep") == rows(first / "sweep")


def killed(folder: Path) -> None:
    """SIGKILL for every process that was started in a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").resolve() == folder.resolve():
                os.kill(int(process.name), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc to find processes")
@pytest.mark.parametrize("row", [1, pytest.param(5, marks=pytest.mark.long)])
def test_a_sweep_killed_with_all_its_processes_goes_on_to_the_same_end(
    row: int, tmp_path: Path
) -> None:
    """Also where one job had saved and another had not."""
    command = (
        "-m", *SMOKE, "seed=range(6)", "trainer.steps=200", "trainer.checkpoint_every=20",
        "sweep_dir=sweep",
    )  # fmt: skip
    first, second = undisturbed(tmp_path, *command)
    with started(second, *command) as program:
        metrics = second / "sweep" / "seed=1" / "metrics.csv"
        program.wait_until(lambda: metrics.exists() and metrics.read_text().count("\n") > row)
        killed(second)
        program.wait()
    done = run(second, "resume=sweep")
    assert done.returncode == 0, done.stderr
    assert rows(second / "sweep") == rows(first / "sweep")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The table of a sweep that nothing disturbs."""
    folder = tmp_path_factory.mktemp("three")
    assert run(folder, *THREE).returncode == 0
    return rows(folder / "sweep")


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc to find processes")
@pytest.mark.parametrize("seed", range(30))
def test_a_sweep_killed_anywhere(seed: int, three: list[dict[str, str]], tmp_path: Path) -> None:
    """All of its processes at once, or the sweep alone."""
    draw, folder = random.Random(seed), tmp_path / "desk"
    folder.mkdir()
    with started(folder, *THREE) as program:
        job, lines = f"seed={draw.choice('012')}", draw.randrange(8)
        metrics = folder / "sweep" / job / "metrics.csv"
        program.wait_until(lambda: metrics.exists() and metrics.read_text().count("\n") >= lines)
        time.sleep(draw.uniform(0, 0.1))
        killed(folder) if draw.random() < 0.5 else program.signal(signal.SIGKILL)
        program.wait()
    done = run(folder, "resume=sweep")
    assert done.returncode == 0, done.stderr
    assert rows(folder / "sweep") == three
    jobs = [folder / "sweep" / f"seed={n}" for n in range(3)]
    assert all((job / "figures" / "curve.png").exists() for job in jobs)


@pytest.mark.slow
@pytest.mark.parametrize("job", ["seed=0", pytest.param("seed=2", marks=pytest.mark.long)])
def test_a_killed_sweep_goes_on_to_the_same_end(job: str, tmp_path: Path) -> None:
    first, second = undisturbed(tmp_path, *THREE)
    with started(second, *THREE) as program:
        program.wait_until((second / "sweep" / job / "checkpoints" / "last.pt").exists)
        program.signal(signal.SIGKILL)
        program.wait()
    done = run(second, "resume=sweep")
    assert done.returncode == 0, done.stderr
    assert rows(second / "sweep") == rows(first / "sweep")
    parts = [int(part) for part in re.findall(r"(\d+) % of [\d,]+ steps", done.stdout)]
    assert parts == sorted(set(parts))
    assert parts[-1] == 100


@pytest.mark.slow
def test_fused_bottlenecks_are_drawn_in_one_table(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    z = random.integers(2, size=300)
    np.savez(tmp_path / "two.npz", x=random.normal(size=(300, 3)) + z[:, None], z=z)
    options = (
        "task=infobottleneck", "dataset=arrays", "dataset.path=two.npz", "method=vib",
        "encoder.widths=[8]", "encoder.features=2", "trainer=smoke", "trainer.batch_size=20",
        "trainer.device=cpu", "trainer.tensorboard=false", "task.pairs=2000", "hydra.sweep.dir=s",
    )  # fmt: skip
    done = run(tmp_path, "-m", *options, "method.beta=1e-3,1e-1")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "s" / "groups.json").read_text())["groups"] == [
        ["beta=0.001", "beta=0.1"]
    ]
    assert statuses(tmp_path / "s") == ["ok", "ok"]
    for name in ("results.csv", "summary.csv", "sweep.png", "table.png", "plane.png"):
        assert f" s/{name}\n" in done.stdout


@pytest.mark.slow  # three sweeps
def test_encoders_are_the_same_whoever_trains_them(tmp_path: Path) -> None:
    """One process after another, two side by side, or Hydra's own launcher."""
    options = (
        "-m", "task=ali", "seed=0,1,2", "trainer=smoke",
        "trainer.device=cpu", "trainer.tensorboard=false", "trainer.batch_size=32",
        "task.samples=100", "task.pairs=2000", "task.evaluator_steps=3", "generator.widths=[8]",
        "encoder.widths=[8]", "discriminator.widths=[8]", "network.widths=[8]",
    )  # fmt: skip
    ways = {
        "one": ("hydra.launcher.processes=1",),
        "two": ("hydra.launcher.processes=2",),
        "basic": ("hydra/launcher=basic",),
    }
    for name, launcher in ways.items():
        done = run(tmp_path, *options, *launcher, f"sweep_dir={name}")
        assert done.returncode == 0, done.stderr
    found = [rows(tmp_path / name) for name in ways]
    assert len({row["estimate"] for row in found[0]}) == 3
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_a_sweep_has_one_folder_that_its_time_names(tmp_path: Path) -> None:
    """Where nothing else names it."""
    done = run(tmp_path, "-m", *QUIET, "seed=0,1,2")
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "outputs" / "multirun").iterdir()
    assert statuses(folder) == ["ok"] * 3
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {
        "seed=0",
        "seed=1",
        "seed=2",
    }


def test_a_sweep_s_folder_is_of_no_use_to_a_single_run(tmp_path: Path) -> None:
    done = run(tmp_path, *QUIET, "sweep_dir=sweep")
    assert done.returncode == 2
    assert "want -m" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_a_job_takes_from_hydra_is_its_own(tmp_path: Path) -> None:
    """Also where jobs are trained as one model."""
    done = run(tmp_path, "-m", *QUIET, "bound=mine,dv", "seed=${hydra:job.num}", "sweep_dir=sweep")
    assert done.returncode == 0, done.stderr
    folders = (tmp_path / "sweep" / f"bound={bound}" for bound in ("mine", "dv"))
    results = [json.loads((folder / "result.json").read_text()) for folder in folders]
    assert [result["seed"] for result in results] == [0, 1]
    assert [result["dataset"]["seed"] for result in results] == [0, 1]


@pytest.mark.slow  # two sweeps
def test_two_sweeps_do_not_share_a_folder(tmp_path: Path) -> None:
    command = ("-m", *QUIET, "seed=0,1", "hydra.sweep.dir=sweep", "trainer.steps=2000")
    with started(tmp_path, *command) as program:
        program.wait_until((tmp_path / "sweep" / "seed=0" / "job.json").exists)
        done = run(tmp_path, *command)
        assert done.returncode == 2
        assert "a sweep is running in it" in done.stderr
        program.signal(signal.SIGINT)
        assert program.wait() == 130


@pytest.mark.slow  # several sweeps
def test_another_sweeper_and_one_message_for_a_failure(sweep: Sweep, tmp_path: Path) -> None:
    """Hydra's own sweeper raises the first failure again, had it been raised."""
    done = sweep(
        "-cd", "my_conf", "-m", *QUIET, "bound=own", "bound.number=0,1", "sweep_dir=sweep",
        "hydra/sweeper=basic", FAILS="0",
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["mine-run: sweep/0: absent.txt: No such file"]
    assert statuses(tmp_path / "sweep") == ["failed", "ok"]
    assert json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"] == []
    done = sweep("resume=sweep")
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "sweep") == ["ok", "ok"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The least that `resume` takes for a sweep."""
    folder = tmp_path / "a sweep"
    folder.mkdir()
    keep(folder, Path.cwd())
    return folder


def keep(folder: Path, cwd: Path, *arguments: str) -> None:
    """Writes and seals a sweep.json."""
    arguments = arguments or ("-m", "seed=0,1")
    content: dict[str, Any] = {"schema": 1, "arguments": [*arguments], "cwd": str(cwd), "jobs": []}
    content["seal"] = seal(*content_of(content), make=True)
    (folder / "sweep.json").write_text(json.dumps(content))


def test_resume_of_a_sweep_is_its_own_command_again(saved: Path) -> None:
    where = f"hydra.sweep.dir='{saved}'"
    assert for_hydra([f"resume='{saved}'"]) == ["-m", "seed=0,1", where]
    given = for_hydra(["-m", f"resume='{saved}'", "units=bits", "hydra/launcher=joblib"])
    assert given == ["-m", "seed=0,1", "units=bits", "hydra/launcher=joblib", where]
    where = "hydra.sweep.dir='a'"
    assert for_hydra(["-m", "seed=0", "sweep_dir=a"]) == ["-m", "seed=0", where]


def test_a_resumed_sweep_changes_nothing_that_decides_numbers(saved: Path) -> None:
    with pytest.raises(BadInput) as caught:
        for_hydra([f"resume='{saved}'", "seed=0,1,2", "--info", "bound=dv", "units=bits"])
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "--info", "seed=0,1,2", "bound=dv",
    ]  # fmt: skip


def test_a_sweep_is_resumed_where_it_was_started(
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "there").mkdir()
    keep(saved, tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    assert for_hydra([f"resume='{saved.name}'"])[-1] == f"hydra.sweep.dir='{saved}'"
    assert Path.cwd() == tmp_path / "there"
    assert capsys.readouterr().err == f"mine-run: in {Path.cwd()}, where the sweep was started\n"
