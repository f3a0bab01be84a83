"""Training the judge: it learns, never from the test images, and goes on where it was cut off."""

import copy
import math
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mine_cli.config.schemas import TrainerConf
from mine_cli.data.mnist import load
from mine_cli.tasks.classifier import Classify, shifted
from mine_cli.training.trainer import Trainer
from mine_cli.training.training import Training

TRAINER = TrainerConf(
    steps=60, batch_size=32, lr=3e-3, weight_decay=0.0, evaluate_every=30, progress=False
)
TRAIN, TEST = 256, 100
MNIST = Path(os.environ.get("MINE_RUN_DATA", "data"))


def patterns(n: int) -> tuple[Tensor, Tensor]:
    """Ten coarse patterns under noise, a class each."""
    fixed = torch.Generator().manual_seed(3)
    coarse = torch.rand(10, 1, 7, 7, generator=fixed)
    labels = torch.arange(n) % 10
    noise = torch.rand(n, 1, 28, 28, generator=fixed)
    return 0.7 * interpolate(coarse, size=28)[labels] + 0.3 * noise, labels


def task_of(seed: int = 0, conf: TrainerConf = TRAINER, **change: Tensor) -> Classify:
    images, labels = patterns(TRAIN + TEST)
    parts = {"images": images, "labels": labels} | change
    return Classify(conf, **parts, seed=seed, num_train=TRAIN)


def weights(task: Classify) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in task.parameters()]


def same(one: Classify, other: Classify) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_it_learns_and_reports_the_test_images() -> None:
    task = task_of()
    before = task.evaluate(0)
    Trainer([Training(task, TRAINER)]).fit()
    result = task.result()
    assert result["status"] == "ok"
    assert result["metrics"]["accuracy"] > 0.98
    assert result["metrics"]["test_images"] == TEST
    after = task.evaluate(60)
    assert set(after) == {"classifier/accuracy", "classifier/loss"}
    assert after["classifier/accuracy"] == result["metrics"]["accuracy"]
    assert before["classifier/loss"] == pytest.approx(math.log(10), abs=0.1)


def test_its_metrics_are_accuracy_and_cross_entropy() -> None:
    task = task_of()
    images, labels = patterns(TRAIN + TEST)
    log_shares = task.classifier(images[TRAIN:]).log_softmax(1)
    found = task.evaluate(0)
    truth = labels[TRAIN:]
    loss = -log_shares.gather(1, truth[:, None]).mean().item()
    right = sum(int(a == b) for a, b in zip(log_shares.argmax(1), truth, strict=True)) / TEST
    assert found["classifier/loss"] == pytest.approx(loss, abs=1e-5)
    assert found["classifier/accuracy"] == pytest.approx(right)


def test_the_test_images_train_nothing() -> None:
    images, _ = patterns(TRAIN + TEST)
    poisoned = images.clone()
    poisoned[TRAIN:] = math.nan
    clean, other = task_of(), task_of(images=poisoned)
    for step in range(1, 6):
        clean.train_step(step)
        other.train_step(step)
    assert same(clean, other)


def test_a_seed_is_one_classifier_and_leaves_the_global_stream_alone() -> None:
    before = torch.get_rng_state()
    one, same_seed, other = task_of(seed=1), task_of(seed=1), task_of(seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    for task in (one, same_seed, other):
        task.train_step(1)
    assert same(one, same_seed)
    assert not same(one, other)


def test_a_resumed_training_is_the_uninterrupted_one() -> None:
    whole, cut = task_of(), task_of()
    for step in range(1, 6):
        whole.train_step(step)
        cut.train_step(step)
    cut.evaluate(5)
    state = copy.deepcopy(cut.state_dict())
    resumed = task_of(seed=9)
    resumed.load_state_dict(state)
    assert resumed.result() == cut.result()
    for step in range(6, 14):
        expected, found = whole.train_step(step), resumed.train_step(step)
        assert torch.equal(expected["train/loss"], found["train/loss"])
    assert same(whole, resumed)


@pytest.mark.parametrize(
    ("name", "accuracy", "loss", "status"),
    [
        ("mnist", 0.98, 0.1, "ok"),
        ("mnist", 0.9799, 0.1, "inaccurate"),
        ("fashion_mnist", 0.88, 0.3, "ok"),
        ("fashion_mnist", 0.87, 0.3, "inaccurate"),
        ("mnist", 0.1, math.nan, "diverged"),
    ],
)
def test_the_status_says_whether_it_is_fit_to_judge(
    name: str, accuracy: float, loss: float, status: str
) -> None:
    task = task_of()
    task.name, task.found = name, {"accuracy": accuracy, "loss": loss}
    assert task.result()["status"] == status


def test_an_image_is_moved_whole_and_every_way_is_taken() -> None:
    images = torch.zeros(2000, 1, 8, 8)
    images[:, 0, 3, 4] = 1
    images[:, 0, 2, 4] = 0.5
    moved = shifted(images, 2, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    bright = (moved == 1).nonzero()[:, 2:]
    half = (moved == 0.5).nonzero()[:, 2:]
    assert len(bright) == 2000
    assert torch.equal(half, bright - torch.tensor([1, 0]))
    assert {tuple(place) for place in bright.tolist()} == {
        (3 + down, 4 + right) for down in range(-2, 3) for right in range(-2, 3)
    }
    # What is moved out is gone: zeros come in, nothing wraps around.
    edge = torch.zeros(100, 1, 8, 8)
    edge[:, :, 0] = 1
    rows = shifted(edge, 1, torch.Generator().manual_seed(0)).sum(-1).squeeze(1)
    assert not rows[:, 2:].any()


def test_no_shift_leaves_images_as_they_are() -> None:
    images = torch.rand(5, 1, 28, 28)
    assert torch.equal(shifted(images, 0, torch.Generator()), images)


@pytest.mark.slow
@pytest.mark.skipif(
    not (MNIST / "MNIST" / "raw").is_dir(),
    reason="no MNIST: put its four .gz files into MNIST/raw of the folder MINE_RUN_DATA names",
)
def test_it_reads_99_percent_of_mnist() -> None:
    conf = TrainerConf(steps=1500, batch_size=128, lr=3e-3, weight_decay=0.0, progress=False)
    task = Classify(conf, *load("mnist", MNIST), name="mnist")
    Trainer([Training(task, conf)]).fit()
    assert task.result()["metrics"]["accuracy"] >= 0.99
