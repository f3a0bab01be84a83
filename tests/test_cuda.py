"""On an NVIDIA GPU: the same estimate as on the CPU, half precision and resuming included."""

import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from mine_cli.results import read_json
from tests.test_resume import last_step

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
SETTINGS = (
    "trainer.steps=1500", "trainer.tensorboard=false", "references=none", "hydra.run.dir=run",
    "dataset.n=20000", "task.patience=null",
)  # fmt: skip


def mine_run(folder: Path, *arguments: str) -> dict[str, Any]:
    """A run from nothing: a process that has used a GPU cannot be forked."""
    entry = [sys.executable, "-P", "-m", "mine_cli", *arguments]
    done = subprocess.run(entry, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return read_json(folder / "run" / "result.json")


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The CPU's result; each is run once."""

    @cache
    def on_cpu(*options: str) -> dict[str, Any]:
        return mine_run(tmp_path_factory.mktemp("cpu"), *SETTINGS, *options, "trainer.device=cpu")

    return on_cpu


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "options",
    [
        ("bound=mine",),
        ("bound=infonce", "network=separable"),
        ("bound=dv", "network=noisy_mlp", "network.widths=[100,100]"),
        ("bound=mine_f", "folds=2"),
    ],
    ids=["mine", "infonce", "noisy", "folds"],
)
def test_the_estimate_agrees_with_the_cpus(
    options: tuple[str, ...], dtype: str, on_cpu: Any, tmp_path: Path
) -> None:
    """Within two standard errors, on the same rows: batches and rounding differ."""
    cpu = on_cpu(*options)
    options += ("trainer.device=cuda", f"trainer.dtype={dtype}")
    gpu = mine_run(tmp_path, *SETTINGS, *options)
    assert abs(cpu["estimate"] - gpu["estimate"]) < 2 * cpu["standard_error"]
    assert gpu["standard_error"] == pytest.approx(cpu["standard_error"], rel=0.2)
    assert gpu["status"] in ("ok", "not_converged")
    assert gpu["device"] == torch.cuda.get_device_name(0)
    assert gpu["dtype"] == dtype
    assert gpu["peak_memory"] > 0


def test_auto_takes_the_gpu(tmp_path: Path) -> None:
    result = mine_run(tmp_path, "trainer=smoke", *SETTINGS[1:])
    assert result["device"] == torch.cuda.get_device_name(0)


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_killed_run_resumes_on_the_gpu_or_on_the_cpu(device: str, tmp_path: Path) -> None:
    options = ("trainer.device=cuda", "trainer.checkpoint_every=50", "trainer.log_every=10")
    entry = [sys.executable, "-P", "-m", "mine_cli", *SETTINGS, *options]
    with subprocess.Popen(entry, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        while last_step(tmp_path / "run") < 200 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "run" / "result.json").exists()
    result = mine_run(tmp_path, "resume=run", f"trainer.device={device}")
    assert result["steps"] == 1500
    assert abs(result["error"]) < 0.1
