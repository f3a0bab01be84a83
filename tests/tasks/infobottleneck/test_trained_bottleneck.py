"""A finished run of ``task=infobottleneck``, loaded: it predicts what the run reported."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import mine_cli
from mine_cli.api import composed, keep_configuration
from mine_cli.errors import BadInput
from mine_cli.tasks import run as runs
from mine_cli.tasks.registry import checked

FEW = (
    "trainer.steps=200", "trainer.batch_size=50", "trainer.lr=0.01", "trainer.device=cpu",
    "trainer.progress=false", "trainer.tensorboard=false", "encoder.widths=[16]",
    "encoder.features=3", "encoder.std=0.1", "encoder.gain=1", "task.attacked_rows=20",
    "task.pairs=4000",
    "task.pairs_during_training=4000",
)  # fmt: skip
NAMES = ["high", "low"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows far from mean 0 and variance 1, with a test file, and a run on them."""
    desk = tmp_path_factory.mktemp("bottleneck")
    rng = np.random.default_rng(0)
    for name, n in (("train", 400), ("test", 200)):
        x = rng.normal(50, 20, size=(n, 4)).astype(np.float32)
        np.savez(desk / f"{name}.npz", x=x, z=np.array(NAMES)[(x[:, 0] < 50).astype(int)])
    cfg = composed(
        [
            "task=infobottleneck", "method=mine_gaussian", "dataset=arrays",
            f"dataset.path={desk / 'train.npz'}", f"dataset.test_path={desk / 'test.npz'}", *FEW,
        ]
    )  # fmt: skip
    keep_configuration(cfg, desk / "run")
    runs.run(checked(cfg), desk / "run")
    return desk


def test_it_predicts_what_the_run_reported(desk: Path) -> None:
    classifier = mine_cli.load_classifier(desk / "run")
    rows = np.load(desk / "test.npz")
    found = classifier.predict_proba(rows["x"])
    assert found.shape == (200, 2)
    torch.testing.assert_close(found.sum(1), torch.ones(200))
    assert classifier.classes == NAMES
    error = (np.array(NAMES)[found.argmax(1).numpy()] != rows["z"]).mean()
    reported = json.loads((desk / "run" / "result.json").read_text())["metrics"]["error_averaged"]
    # Other draws of z: some rows at the border may change sides, on raw values nearly half would.
    assert error == pytest.approx(reported, abs=0.05)
    assert error < 0.2
    assert torch.equal(found, classifier.predict_proba(rows["x"]))
    assert not torch.equal(found, classifier.predict_proba(rows["x"], seed=1))


def test_codes_are_drawn_around_the_one_without_noise(desk: Path) -> None:
    classifier = mine_cli.load_classifier(desk / "run")
    x = np.load(desk / "test.npz")["x"]
    clean = classifier.encode(x)
    assert clean.shape == (200, 3)
    draws = torch.stack([classifier.encode(x, seed=seed) for seed in range(200)])
    error = draws.std(0) / 200**0.5
    assert (((draws.mean(0) - clean) / error).abs() < 5.5).all()


def test_what_does_not_fit_is_refused(desk: Path) -> None:
    classifier = mine_cli.load_classifier(desk / "run")
    with pytest.raises(
        BadInput, match=r"x has rows of shape \(3,\); the run was trained on \(4,\)"
    ):
        classifier.predict_proba(np.zeros((5, 3)))
    with pytest.raises(BadInput, match="a run of task=infobottleneck; want one of task=gan"):
        mine_cli.load_generator(desk / "run")
