import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from mine_cli.data import digits
from mine_cli.data.digits import Digits, StackedMNIST
from mine_cli.data.samples import Verdict
from mine_cli.errors import BadInput
from mine_cli.networks.classifier import DigitClassifier, save_classifier
from mine_cli.tasks.adversarial.metrics import mode_metrics
from tests.devices import each_device

PER_DIGIT = 60
LABELS = torch.arange(10).repeat(PER_DIGIT)
MNIST = Path(os.environ.get("MINE_RUN_DATA", "data"))


class RowReader(nn.Module):
    """Reads the digit d off lit rows 2d and 2d + 1, but some of the first digits as 9."""

    def __init__(self, misread: int = 0, sharpness: float = 20.0) -> None:
        super().__init__()
        self.misread, self.sharpness, self.most = misread, sharpness, 0
        self.register_buffer("where", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[1:] == (1, 28, 28)
        assert 0 <= x.min() <= x.max() <= 1
        assert x.device == self.where.device
        self.most = max(self.most, len(x))
        lit = x[:, 0, :20].reshape(len(x), 10, -1).mean(2)
        lit[:, : self.misread] = 0
        lit[:, 9] += 1e-3 * self.misread
        return self.sharpness * lit


def images_of(labels: Tensor) -> Tensor:
    """One image a label, [n, 1, 28, 28], of levels k / 255, no two alike."""
    x = torch.zeros(len(labels), 28, 28)
    level = torch.randint(128, 256, (len(labels), 2, 28), generator=Generator().manual_seed(0))
    for i, label in enumerate(labels.tolist()):
        x[i, 2 * label : 2 * label + 2] = level[i] / 255
    return x[:, None]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RowReader]:
    """Six hundred images in place of MNIST, and a classifier of them, of a kind one chooses."""

    def known(labels: Tensor = LABELS, **kind: Any) -> RowReader:
        classifier = RowReader(**kind)
        monkeypatch.setattr(digits, "load", lambda name, folder: (images_of(labels), labels))
        monkeypatch.setattr(digits, "load_classifier", lambda path, name: classifier)
        return classifier

    return known


def seeded(seed: int = 0, device: str = "cpu") -> Generator:
    return Generator(device).manual_seed(seed)


def score(law: StackedMNIST | Digits, x: Tensor) -> dict[str, Any]:
    return mode_metrics(law.judge(x), law.true_histogram)


@each_device
@pytest.mark.parametrize("n", [128_000, None], ids=["fixed", "fresh"])
def test_stacks_are_three_images_of_the_set(known: Any, n: int | None, device: str) -> None:
    known()
    law = StackedMNIST(classifier="some.pt", n=n)
    x = law.draw(200, seeded(device=device))
    assert x.shape == (200, 3, 28, 28)
    assert x.dtype == torch.float32
    assert x.device.type == device
    assert x.min() == -1
    assert 0.95 < x.max() <= 1
    # Every channel is one of the images, to the last bit.
    images = (images_of(LABELS) * 255).round().to(torch.uint8).flatten(1)
    channels = ((x.cpu() + 1) * 127.5).round().to(torch.uint8).reshape(600, -1)
    together = torch.cat([images, channels]).unique(dim=0)
    assert len(together) == len(images)
    assert len(channels.unique(dim=0)) > 300


def test_what_a_stack_is_worth(known: Any) -> None:
    known()
    law = StackedMNIST(classifier="some.pt")
    assert (law.modes, law.shape, law.image) == (1000, (3, 28, 28), True)
    assert law.files == [Path("some.pt")]
    assert law.true_histogram.dtype == torch.float64
    assert law.true_histogram.tolist() == [1 / 1000] * 1000


@each_device
def test_the_mode_is_the_three_digits_read_as_a_number(known: Any, device: str) -> None:
    known()
    law = StackedMNIST(classifier="some.pt")
    numbers = torch.tensor([0, 7, 42, 900, 123, 999])
    digit = torch.stack([numbers // 100, numbers // 10 % 10, numbers % 10], 1)
    x = images_of(digit.flatten()).reshape(6, 3, 28, 28) * 2 - 1
    verdict = law.judge(x.to(device))
    assert verdict.mode.device.type == device
    assert torch.equal(verdict.mode.cpu(), numbers)
    assert verdict.mode.dtype == torch.int64
    assert verdict.good is None
    shuffled = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(law.judge(shuffled.to(device)).mode.cpu(), numbers)


def test_confidence_is_the_mean_top_probability_of_the_channels(known: Any) -> None:
    known(sharpness=math.log(9.0))
    law = StackedMNIST(classifier="some.pt")
    x = -torch.ones(2, 3, 28, 28)
    x[0, 0, 0:2] = x[0, 1, 4:6] = 1.0
    verdict = law.judge(x)
    assert verdict.mode[0] == 20
    # One logit log 9 among nine zeros: half; nothing lit: a tenth.
    assert verdict.confidence.tolist() == pytest.approx([(0.5 + 0.5 + 0.1) / 3, 0.1])


def test_judging_needs_no_gradient_and_little_memory(known: Any) -> None:
    classifier = known()
    law = StackedMNIST(classifier="some.pt")
    x = law.draw(1000, seeded()).requires_grad_()
    verdict = law.judge(x)
    assert not verdict.confidence.requires_grad
    assert classifier.most <= 2048
    assert torch.equal(verdict.mode[:10], law.judge(x[:10]).mode)


def test_a_uniform_draw_over_the_stacks_scores_the_noise_floor(known: Any) -> None:
    known()
    law = StackedMNIST(classifier="some.pt", n=None)
    random = seeded()
    modes = [law.judge(law.draw(2000, random)).mode for _ in range(13)]
    metrics = mode_metrics(Verdict(torch.cat(modes)), law.true_histogram)
    assert metrics["modes"] == 1000
    assert metrics["kl_floor"] == pytest.approx(0.0193, abs=5e-5)
    assert metrics["kl"] == pytest.approx(0.0193, abs=0.003)
    assert metrics["high_quality"] is None


def test_one_stack_for_ever(known: Any) -> None:
    known()
    law = StackedMNIST(classifier="some.pt")
    metrics = score(law, law.draw(1, seeded()).expand(500, -1, -1, -1))
    assert metrics["modes"] == 1
    assert metrics["kl"] == pytest.approx(math.log(1000))
    assert metrics["confidence"] > 0.99


def test_fixed_stacks_are_drawn_once_and_then_with_replacement(known: Any) -> None:
    known()
    law, same, other = (StackedMNIST(classifier="c", n=50, seed=seed) for seed in (0, 0, 1))
    x = law.draw(500, seeded(3)).flatten(1)
    assert len(x.unique(dim=0)) == 50  # each is left out with probability e^-10
    assert torch.equal(x, same.draw(500, seeded(3)).flatten(1))
    assert len(torch.cat([x, other.draw(500, seeded(3)).flatten(1)]).unique(dim=0)) == 100
    fresh = StackedMNIST(classifier="c", n=None).draw(500, seeded(3)).flatten(1)
    assert len(fresh.unique(dim=0)) == 500


@each_device
def test_plain_digits(known: Any, device: str) -> None:
    labels = torch.cat([LABELS, torch.full((400,), 3)])
    known(labels=labels)
    law = Digits(classifier="some.pt")
    assert (law.modes, law.shape, law.image) == (10, (1, 28, 28), True)
    assert law.files == [Path("some.pt")]
    shares = [0.06, 0.06, 0.06, 0.46, *[0.06] * 6]
    assert law.true_histogram.tolist() == pytest.approx(shares, rel=1e-12)
    x = law.draw(3000, seeded(device=device))
    assert x.shape == (3000, 1, 28, 28)
    assert x.device.type == device
    metrics = score(law, x)
    assert metrics["modes"] == 10
    assert metrics["kl"] < 4 * metrics["kl_floor"]
    assert metrics["kl_floor"] == pytest.approx(9 / 6000, rel=0.05)
    assert torch.equal(x, law.draw(3000, seeded(device=device)))


@pytest.mark.parametrize("make", [StackedMNIST, Digits])
def test_a_classifier_that_misreads_is_refused(make: Any, known: Any) -> None:
    known(misread=1)
    told = (
        r"dataset.classifier=c.pt: reads 90.0% of the test images of mnist right: "
        r"want at least 98%; train it anew: mine-run task=classifier$"
    )
    with pytest.raises(BadInput, match=told):
        make(classifier="c.pt")
    make("fashion_mnist", classifier="c.pt")
    known(misread=2)
    told = r"80.0% .* fashion_mnist right: want at least 88%.*dataset.name=fashion_mnist$"
    with pytest.raises(BadInput, match=told):
        make("fashion_mnist", classifier="c.pt")


def test_only_the_test_images_measure_a_classifier(
    known: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digits, "TEST_IMAGES", 100)
    labels = torch.cat([torch.zeros(400, dtype=torch.int64), 1 + torch.arange(100) % 9])
    known(labels=labels, misread=1)
    StackedMNIST(classifier="c.pt")
    known(labels=labels.flip(0), misread=1)
    with pytest.raises(BadInput, match=r"reads 0.0% of the test images"):
        StackedMNIST(classifier="c.pt")


@pytest.mark.parametrize("make", [StackedMNIST, Digits])
def test_a_classifier_that_is_not_there_is_refused_before_the_images_are_read(
    make: Any, tmp_path: Path
) -> None:
    missing = tmp_path / "none.pt"
    told = rf"dataset.classifier={missing}: no such file.*mine-run task=classifier"
    with pytest.raises(BadInput, match=told) as caught:
        make(data_dir=tmp_path, classifier=missing)
    assert "\n" not in str(caught.value)
    with pytest.raises(BadInput, match=r"dataset.name=fashion_mnist$"):
        make("fashion_mnist", data_dir=tmp_path, classifier=missing)


def test_a_classifier_of_other_images_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_classifier(path, DigitClassifier(), "fashion_mnist", 0.9)
    with pytest.raises(BadInput, match=r"a classifier of fashion_mnist, not mnist"):
        StackedMNIST(data_dir=tmp_path, classifier=path)


def test_bad_parameters() -> None:
    with pytest.raises(BadInput) as caught:
        StackedMNIST("cifar", classifier="c.pt", n=0)
    assert caught.value.faults == (
        "dataset.name=cifar: want mnist or fashion_mnist",
        "dataset.n=0: want at least 1, or null for fresh draws",
    )
    with pytest.raises(BadInput, match=r"dataset.name=cifar: want mnist or fashion_mnist"):
        Digits("cifar", classifier="c.pt")


@pytest.mark.parametrize(("name", "mean"), [("mnist", 0.1309), ("fashion_mnist", 0.2868)])
def test_the_real_images(name: str, mean: float, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (MNIST / {"mnist": "MNIST"}.get(name, "FashionMNIST")).is_dir():
        pytest.skip(f"{name} is not under {MNIST} (MINE_RUN_DATA names the folder)")
    monkeypatch.setattr(digits, "load_classifier", lambda path, name: RowReader())
    monkeypatch.setitem(digits.ACCURATE, name, 0.0)
    law = StackedMNIST(name, MNIST, classifier="c.pt")
    x = law.draw(2000, seeded())
    assert x.min() == -1
    assert x.max() == 1
    assert ((x.mean() + 1) / 2).item() == pytest.approx(mean, abs=0.01)
