"""A disk that fills anywhere: one line a run or a job, exit 1, and all goes on later."""

import resource
from functools import partial
from pathlib import Path

import pytest

from tests.program import run

QUICK = (
    "trainer=smoke", "trainer.device=cpu", "references=none", "trainer.steps=20",
    "trainer.checkpoint_every=5", "task.select_rows=300", "task.report_rows=500",
    "task.pairs=10000",
)  # fmt: skip


def limited(size: int) -> None:
    """Lets no file be larger, in this process and those that it starts: a write fails in the
    middle, as on a disk with so many bytes left."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def check_run(folder: Path, size: int) -> None:
    done = run(folder, *QUICK, "hydra.run.dir=run", before=partial(limited, size), drawn=True)
    assert done.returncode == 1, done.stderr
    check_words(done.stderr, 1)
    if (folder / "run" / "checkpoints" / "last.pt").exists():
        again = run(folder, "resume=run")
        assert again.returncode == 0, again.stderr


def check_sweep(folder: Path, size: int) -> None:
    before = partial(limited, size)
    done = run(folder, "-m", *QUICK, "seed=0,1,2", "sweep_dir=sweep", before=before, drawn=True)
    assert done.returncode == 1, done.stderr
    check_words(done.stderr, 3 + 1)  # and that of the table
    if (folder / "sweep" / "sweep.json").exists() and size > 2000:
        again = run(folder, "resume=sweep")
        assert again.returncode == 0, again.stderr
        assert "sweep of 3 jobs: 3 " in again.stdout


def check_words(said: str, most: int) -> None:
    lines = said.splitlines()
    assert 0 < len(lines) <= most, said
    assert all(line.startswith("mine-run: ") for line in lines), said
    assert "File too large" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("size", [3000, 30_000])
def test_a_run_on_a_full_disk(size: int, tmp_path: Path) -> None:
    check_run(tmp_path, size)


@pytest.mark.slow
@pytest.mark.parametrize("size", [30_000])
def test_a_sweep_on_a_full_disk_names_it_once_a_job(size: int, tmp_path: Path) -> None:
    check_sweep(tmp_path, size)


@pytest.mark.long
@pytest.mark.parametrize("size", [*range(1500, 9000, 1500), *range(10_000, 60_000, 10_000)])
def test_disks_that_fill_anywhere(size: int, tmp_path: Path) -> None:
    for name, check in (("a", check_run), ("b", check_sweep)):
        (tmp_path / name).mkdir()
        check(tmp_path / name, size)
