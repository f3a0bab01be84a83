"""Every option of every group, composed from conf/, builds, trains a few steps and reports."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from mine_cli import runs
from mine_cli.config import conf_dir
from mine_cli.schemas import USES

KEYS = {
    "schema", "task", "status", "estimate", "standard_error", "lower_bound", "true_mi",
    "true_mi_note", "error", "fit_value", "fold_sd", "effective_sample_size", "marginal_pairs",
    "unit", "dataset", "network", "bound", "marginals", "seed", "steps", "seconds",
    "steps_per_second", "device", "dtype", "metrics", "references", "versions", "commit",
    "fingerprint",
}  # fmt: skip
QUICK = [
    "trainer.steps=6", "trainer.batch_size=32", "trainer.device=cpu", "trainer.progress=false",
    "trainer.log_every=2", "trainer.evaluate_every=3", "task.select_rows=60",
    "task.report_rows=80", "task.pairs=4000", "task.pairs_during_training=2000",
]  # fmt: skip
CONF = Path(conf_dir())
GROUPS = ("task", *USES["gan"], "trainer")
OPTIONS = [
    f"{group}={file.stem}" for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))
]
EXPERIMENTS = [
    str(file.relative_to(CONF / "experiment").with_suffix(""))
    for file in sorted((CONF / "experiment").rglob("*.yaml"))
]
BESIDE = {
    "dataset=arrays": ["dataset.path=data.npz"],
    "network=conv": ["dataset=image_label", "network=conv"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.npz and 300 images of noise, as MNIST and as Fashion-MNIST."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    np.savez(folder / "data.npz", x=x, z=x[:, :2] + rng.normal(size=(300, 2)))
    for name in ("MNIST", "FashionMNIST"):
        raw = folder / name / "raw"
        raw.mkdir(parents=True)
        for part, n in (("train", 250), ("t10k", 50)):
            images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
            labels = (np.arange(n) % 10).astype(np.uint8)
            (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def idx(values: np.ndarray[Any, Any]) -> bytes:
    """A file in the format of MNIST: magic number, shape, bytes."""
    head = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return head + values.tobytes()


def composed(overrides: list[str], data: Path) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        found = compose("config", [*overrides, f"data_dir={data}"])
    return found


def result_of(overrides: list[str], data: Path, folder: Path) -> dict[str, Any]:
    """result.json of a run, after a look at all that a run leaves."""
    cfg = composed(overrides, data)
    runs.run(cfg, folder)
    result = json.loads((folder / "result.json").read_text())
    assert result.keys() >= KEYS
    assert result["schema"] == 1
    assert result["task"] == "mi-estimate"
    assert result["unit"] == "nats"
    assert math.isfinite(result["estimate"])
    assert result["standard_error"] >= 0
    assert result["steps"] == cfg.trainer.steps
    assert len(result["fingerprint"]) == 64
    assert {"ksg", "gaussian"} == result["references"].keys()
    assert all("estimate" in found and found["note"] for found in result["references"].values())
    for name in ("metrics.csv", "figures/curve.png", "checkpoints/last.pt", "checkpoints/best.pt"):
        assert (folder / name).stat().st_size > 0
    assert any((folder / "tb").iterdir()) == cfg.trainer.tensorboard
    return result


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option(
    option: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    group, _, name = option.partition("=")
    result = result_of([option, *BESIDE.get(option, []), *QUICK], data, tmp_path)
    if group in ("dataset", "network", "bound", "marginals"):
        shown = result[group]["_target_"].rpartition(".")[2].lower()
        short = {"js": "jensenshannon"}.get(name, name)
        assert shown == short.replace("_", "")


@pytest.mark.parametrize("bound", sorted(file.stem for file in (CONF / "bound").glob("*.yaml")))
def test_every_bound_in_folds(bound: str, data: Path, tmp_path: Path) -> None:
    result = result_of([f"bound={bound}", "dataset.n=300", "folds=3", *QUICK], data, tmp_path)
    assert result["fold_sd"] > 0
    assert result["fit_value"] is not None
    assert result["metrics"]["report_rows"] == 300
    split = np.load(tmp_path / "split.npz")
    reported = np.concatenate([split[f"report_{k}"] for k in range(3)])
    assert sorted(reported) == list(range(300))


@pytest.mark.parametrize(
    "options",
    [
        ["dataset=image_label", "dataset.name=fashion_mnist", "dataset.shuffle_labels=true"],
        ["dataset=image_halves", "dataset.axis=vertical", "network=mlp"],
        ["dataset=functions", "dataset.f=cube", "dataset.n=300"],
        ["dataset.cube=true", "dataset.mi=2.0", "trainer.dtype=bfloat16"],
        ["marginals=derangement", "marginals.num=3", "network=noisy_mlp", "units=bits"],
        ["dataset.n=300", "split=blocks", "task.fractions=[0.5,0.25,0.25]", "task.patience=1"],
    ],
)
def test_settings_within_options(options: list[str], data: Path, tmp_path: Path) -> None:
    result_of([*QUICK, *options], data, tmp_path)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_in_a_few_steps(experiment: str, data: Path, tmp_path: Path) -> None:
    """`experiment=... trainer=smoke`, as one would look at it before a long run."""
    few = ["trainer=smoke", "trainer.steps=20", "task.patience=null", *QUICK[2:4], *QUICK[6:]]
    result = result_of([f"experiment={experiment}", *few], data, tmp_path)
    assert result["steps"] == 20


def test_the_truth_stands_beside_the_estimate(data: Path, tmp_path: Path) -> None:
    result = result_of(QUICK, data, tmp_path)
    assert result["true_mi"] == pytest.approx(-math.log(1 - 0.64))
    assert result["error"] == pytest.approx(result["estimate"] - result["true_mi"])
    assert "closed form" in result["true_mi_note"]
    assert result["marginal_pairs"] >= 4000
