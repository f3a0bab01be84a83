"""Terminals of all kinds: what cannot be shown is replaced, what cannot be written is said."""

import io
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from mine_cli.cli import console
from tests.inside import answer
from tests.program import run

QUICK = (
    "trainer=smoke", "trainer.device=cpu", "trainer.tensorboard=false", "references=none",
    "trainer.steps=2", "task.select_rows=300", "task.report_rows=500", "task.pairs=10000",
)  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "1 +- 2 >= x-sigma ?"),
        ("cp1252", "1 ± 2 >= x-sigma ?"),
        ("utf-8", "1 ± 2 ≥ x−σ 日"),
    ],
)
def test_what_a_terminal_lacks_is_replaced_and_nothing_dropped(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    console.any_terminal()
    print("1 ± 2 ≥ x−σ 日")
    sys.stdout.flush()
    assert written.getvalue().decode(encoding) == shown + "\n"


def ascii_only() -> None:
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(encoding="ascii", errors="strict")


def test_a_run_on_an_ascii_terminal_shows_its_summary(tmp_path: Path) -> None:
    done = run(tmp_path, *QUICK, "hydra.run.dir=run", before=ascii_only)
    assert done.returncode == 0, done.stderr
    assert " +- " in done.stdout
    assert "±" in (tmp_path / "run" / "mine-run.log").read_text(encoding="utf-8")


def closed(*names: str) -> None:
    """As Python finds it where a shell has closed a stream: `mine-run >&-`."""
    for name in names:
        os.close(getattr(sys, name).fileno())
        setattr(sys, name, None)


@pytest.mark.parametrize("names", [("stdout",), ("stderr",), ("stdout", "stderr")])
def test_closed_streams_cost_nothing(names: tuple[str, ...], tmp_path: Path) -> None:
    done = run(tmp_path, *QUICK, "hydra.run.dir=run", before=partial(closed, *names))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "run" / "result.json").exists()
    done = run(tmp_path, "seed=-1", before=partial(closed, *names))
    assert done.returncode == 2


def full(*names: str) -> None:
    for name in names:
        os.dup2(os.open("/dev/full", os.O_WRONLY), getattr(sys, name).fileno())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a Linux device")
@pytest.mark.parametrize("word", ["--help", "--version", "dry_run=true"])
def test_a_full_output_is_said_and_is_exit_1(word: str, tmp_path: Path) -> None:
    done = run(tmp_path, word, "trainer=smoke", before=partial(full, "stdout"))
    assert done.returncode == 1
    assert done.stderr.startswith("mine-run: ")
    assert done.stderr.endswith("No space left on device\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a Linux device")
def test_a_run_whose_output_is_lost_keeps_its_files(tmp_path: Path) -> None:
    done = run(tmp_path, *QUICK, "hydra.run.dir=run", before=partial(full, "stdout"))
    assert done.returncode == 1
    assert done.stderr == "mine-run: standard output: No space left on device\n"
    assert (tmp_path / "run" / "result.json").exists()
    done = run(tmp_path, "seed=-1", before=partial(full, "stdout", "stderr"))
    assert done.returncode == 2


def gone() -> None:
    os.rmdir(os.getcwd())


def test_a_working_directory_that_was_deleted_is_said(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = run(tmp_path / "gone", *QUICK, before=gone)
    assert done.returncode == 2
    assert done.stderr == "mine-run: the working directory is gone; cd to another one\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said"),
    [("x" * 300, "File name too long"), ("dangling", "dangling is a link that leads nowhere")],
)
@pytest.mark.parametrize("key", ["hydra.run.dir", "sweep_dir"])
def test_folders_that_cannot_be(key: str, name: str, said: str, desk: Path) -> None:
    (desk / "dangling").symlink_to("nowhere")
    sweep = ["-m", "seed=0,1"] if key == "sweep_dir" else []
    code, _, err = answer([*sweep, "trainer=smoke", f"{key}={name}"])
    assert (code, err.count("\n")) == (2, 1), err
    assert err.startswith(f"mine-run: {key}={name}: ")
    assert said in err
    assert [path.name for path in desk.iterdir()] == ["dangling"]


@pytest.mark.parametrize(
    ("subdir", "said"),
    [
        ("..", "not a folder right inside"), ("../x", "not a folder right inside"),
        ("/elsewhere", "not a folder right inside"), ("a/b", "not a folder right inside"),
        (".", "not a folder right inside"), ("same", "the folder of job 0 too"),
        ("${dataset.rho}", "the folder of job 0 too"), ("x" * 256, "more than 255 bytes"),
    ],
)  # fmt: skip
def test_the_folders_of_jobs_stay_inside_that_of_the_sweep(
    subdir: str, said: str, desk: Path
) -> None:
    words = ["-m", "trainer=smoke", "seed=0,1", "sweep_dir=sweep"]
    code, _, err = answer([*words, f"hydra.sweep.subdir='{subdir}'"])
    assert code == 2, err
    assert "hydra.sweep.subdir=" in err
    assert said in err
    assert not list(desk.iterdir())


def test_an_unknown_backend_is_of_no_interest(tmp_path: Path) -> None:
    done = run(tmp_path, *QUICK, "hydra.run.dir=run", env={"MPLBACKEND": "nonsense"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "figures" / "curve.png").exists()
