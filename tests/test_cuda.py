"""On an NVIDIA GPU: the same estimate as on the CPU, half precision and resuming included."""

import math
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mine_cli.results.files import read_json
from tests.config.test_resume import last_step
from tests.devices import NEEDS_GPU
from tests.image_folders import write_images

pytestmark = NEEDS_GPU
SETTINGS = (
    "trainer.steps=1500", "trainer.tensorboard=false", "references=none", "hydra.run.dir=run",
    "dataset.n=20000", "task.patience=null",
)  # fmt: skip


def mine_run(cwd: Path, *arguments: str, folder: str = "run") -> dict[str, Any]:
    """A run from nothing: a process that has used a GPU cannot be forked."""
    entry = [sys.executable, "-P", "-m", "mine_cli", *arguments]
    done = subprocess.run(entry, cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return read_json(cwd / folder / "result.json")


def kill_at(folder: Path, step: int, *arguments: str) -> None:
    """Starts a run and kills it once it has come to a step."""
    entry = [sys.executable, "-P", "-m", "mine_cli", *arguments]
    with subprocess.Popen(entry, cwd=folder, stderr=subprocess.DEVNULL) as process:
        while last_step(folder / "run") < step and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (folder / "run" / "result.json").exists()


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
    kill_at(tmp_path, 200, *SETTINGS, *options)
    result = mine_run(tmp_path, "resume=run", f"trainer.device={device}")
    assert result["steps"] == 1500
    assert abs(result["error"]) < 0.1


# Adversarial networks

ON_GPU = "trainer.device=cuda"
POINTS = (
    "task=gan", "trainer.steps=300", "trainer.evaluate_every=100", "trainer.checkpoint_every=50",
    "trainer.log_every=10", "trainer.tensorboard=false", "task.pairs=20000", "hydra.run.dir=run",
)  # fmt: skip
IMAGES = (
    *POINTS, "dataset=stacked_mnist", "data_dir=images", "cache_dir=cache", "task.samples=1000",
    "generator.channels=[64,32,16,8]", "discriminator.channels=[8,16,32,64]",
)  # fmt: skip


def check_generated(run_folder: Path, shape: tuple[int, ...]) -> None:
    """A finished run whose metrics are finite and whose samples were kept."""
    result = read_json(run_folder / "result.json")
    assert result["status"] in ("ok", "collapsed", "modes_missing", "low_quality")
    assert result["steps"] == 300
    metrics = {name: result["metrics"][name] for name in ("modes", "kl", "js", "kl_floor")}
    assert all(math.isfinite(value) for value in metrics.values())
    assert math.isfinite(result["estimate"])
    for name in ("data", "00000000", "00000100", "00000200", "00000300"):
        with np.load(run_folder / "samples" / f"{name}.npz") as arrays:
            assert arrays["x"].shape == shape
            assert np.isfinite(arrays["x"]).all()


@pytest.mark.parametrize(
    "options",
    [
        ("trainer.dtype=float32",),
        ("trainer.dtype=bfloat16",),
        ("trainer.compile=true", "trainer.dtype=bfloat16"),
        ("bound=infonce", "network=separable", "task.generator_steps=2"),
    ],
    ids=["float32", "bfloat16", "compile", "infonce"],
)
def test_points_are_generated(options: tuple[str, ...], tmp_path: Path) -> None:
    result = mine_run(tmp_path, *POINTS, *options, ON_GPU)
    check_generated(tmp_path / "run", (2500, 2))
    assert result["device"] == torch.cuda.get_device_name(0)
    assert result["peak_memory"] > 0


@pytest.mark.parametrize(
    "options",
    [("task.generator_steps=2",), ("trainer.compile=true", "trainer.dtype=bfloat16")],
    ids=["float32", "compile"],
)
def test_stacks_are_generated_and_judged(options: tuple[str, ...], tmp_path: Path) -> None:
    """By a classifier that is trained there too."""
    write_images(tmp_path / "images", legible=True)
    where = ("data_dir=images", "cache_dir=cache", ON_GPU)
    training = ("trainer.steps=200", "trainer.batch_size=64", "hydra.run.dir=judge")
    mine_run(tmp_path, "task=classifier", *where, *training, folder="judge")
    result = mine_run(tmp_path, *IMAGES, *options, ON_GPU)
    check_generated(tmp_path / "run", (64, 3, 28, 28))
    assert result["network"]["_target_"] == "mine_cli.networks.conv.ConditionedConv"
    assert 0 < result["metrics"]["confidence"] <= 1


def test_killed_adversarial_training_goes_on(tmp_path: Path) -> None:
    kill_at(tmp_path, 120, *POINTS, ON_GPU)
    mine_run(tmp_path, "resume=run")
    check_generated(tmp_path / "run", (2500, 2))


# Information bottlenecks

LABELLED = (
    "task=infobottleneck", "data_dir=images", "trainer.steps=200", "trainer.batch_size=50",
    "trainer.lr=1e-3", "trainer.evaluate_every=100", "trainer.checkpoint_every=40",
    "trainer.log_every=10", "trainer.tensorboard=false", "task.average=0.9",
    "encoder.widths=[128,128]", "hydra.run.dir=run",
)  # fmt: skip


@pytest.mark.parametrize("method", ["none", "vib", "mine_gaussian", "mine_additive"])
@pytest.mark.parametrize(
    "options",
    [(), ("trainer.dtype=bfloat16",), ("trainer.compile=true",)],
    ids=["float32", "bfloat16", "compile"],
)
def test_bottlenecks_learn(options: tuple[str, ...], method: str, tmp_path: Path) -> None:
    write_images(tmp_path / "images", train=2000, test=300, legible=True)
    result = mine_run(tmp_path, *LABELLED, f"method={method}", *options, ON_GPU)
    assert result["status"] == "ok"
    assert result["metrics"]["error_averaged"] < 0.1
    assert (result["estimate"] is not None) == method.startswith("mine")


@pytest.mark.parametrize("method", ["vib", "mine_gaussian"])
def test_bottlenecks_of_a_sweep_learn_together(method: str, tmp_path: Path) -> None:
    """Each ends as it does alone, but for rounding."""
    write_images(tmp_path / "images", train=2000, test=300, legible=True)
    swept = ("method.beta=1e-3,1e-1", "seed=0,1", "hydra.sweep.dir=sweep")
    entry = [sys.executable, "-P", "-m", "mine_cli", "-m", *LABELLED, f"method={method}", ON_GPU]
    subprocess.run([*entry, *swept], cwd=tmp_path, check=True, timeout=600)
    assert read_json(tmp_path / "sweep" / "groups.json")["groups"] == [["0", "1", "2", "3"]]
    alone = mine_run(tmp_path, *LABELLED, f"method={method}", ON_GPU, "method.beta=1e-1", "seed=0")
    beside = read_json(tmp_path / "sweep" / "2" / "result.json")
    assert beside["status"] == alone["status"] == "ok"
    for name in ("error", "i_zy"):
        assert beside["metrics"][name] == pytest.approx(alone["metrics"][name], abs=0.05)


def test_a_killed_bottleneck_goes_on(tmp_path: Path) -> None:
    write_images(tmp_path / "images", train=2000, test=300, legible=True)
    kill_at(tmp_path, 80, *LABELLED, ON_GPU)
    assert mine_run(tmp_path, "resume=run")["steps"] == 200
