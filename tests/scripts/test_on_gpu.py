"""The script for a GPU, dry-run on a CPU: two sizes, an end of time, a record, and going on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image_folders import write_images

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "on_gpu.py"
SMALL = (
    "trainer.device=cpu", "trainer.compile=false", "trainer.dtype=float32", "trainer.steps=4",
    "trainer.batch_size=8", "trainer.evaluate_every=2", "task.samples=100", "task.pairs=200",
    "generator.channels=[8,8,4,4]", "discriminator.channels=[4,4,8,8]", "network.channels=[4,4]",
    "dataset.n=200", "trainer.tensorboard=false", "hydra.launcher.processes=1",
)  # fmt: skip


def on_gpu(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "data_dir=images", "runs=runs", *SMALL, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_a_dry_run_writes_the_record_and_goes_on(tmp_path: Path) -> None:
    write_images(tmp_path / "images", legible=True)
    judge = ("task.path=runs/classifier.pt", "trainer.steps=200", "trainer.batch_size=64")
    command = [sys.executable, "-m", "mine_cli", "task=classifier", "data_dir=images", *judge]
    subprocess.run([*command, "hydra.run.dir=judge"], cwd=tmp_path, check=True)

    nothing = on_gpu(tmp_path, "minutes=1")  # all of it is kept for the record
    assert nothing.returncode == 1
    assert nothing.stderr.endswith("on_gpu: nothing was evaluated; the same command goes on\n")

    done = on_gpu(tmp_path, "minutes=9")
    assert done.returncode == 0, done.stderr
    place = tmp_path / "runs" / "record" / "table1_meg"
    origin = json.loads((place / "record.json").read_text())
    assert origin["statuses"].keys() <= {"ok", "collapsed"}
    assert origin["jobs"] == 4
    assert origin["command"].startswith("python scripts/on_gpu.py data_dir=images runs=runs ")
    lines = (place / "over_steps.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 2 * 3  # sizes, arms, evaluations
    assert "full: modes of 1,000" in (place.parent / "README.md").read_text()
    again = on_gpu(tmp_path, "minutes=9")
    assert again.returncode == 0, again.stderr
    assert (place / "over_steps.csv").read_text().splitlines() == lines


@pytest.mark.slow
def test_a_dry_run_of_the_bottlenecks_writes_their_table_and_goes_on(tmp_path: Path) -> None:
    """Nine methods, two seeds and two epochs."""
    write_images(tmp_path / "images", legible=True)
    few = (
        "trainer.device=cpu", "trainer.dtype=float32", "seed=0,1", "trainer.batch_size=50",
        "trainer.log_every=5", "encoder.widths=[16]", "encoder.features=8",
        "task.samples=2", "task.attacked_rows=20", "task.pairs=2000",
        "task.pairs_during_training=2000", "trainer.tensorboard=false",
    )  # fmt: skip
    command = [sys.executable, str(SCRIPT), "table3_ib", "data_dir=images", "runs=runs", *few]
    epochs = ("trainer.steps=10", "trainer.evaluate_every=5", "minutes=9")
    for _ in range(2):
        done = subprocess.run([*command, *epochs], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        place = tmp_path / "runs" / "record" / "table3_ib"
        lines = (place / "errors.csv").read_text().splitlines()
        assert len(lines) == 1 + 9 * 2
        assert json.loads((place / "record.json").read_text())["jobs"] == 18
    other = subprocess.run([*command, "table4"], cwd=tmp_path, capture_output=True, text=True)
    assert other.stderr.startswith("on_gpu: table3_ib table4: want one of table1_meg, table3_ib")
