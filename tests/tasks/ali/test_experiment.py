"""``task=ali`` made ready: what is refused, told, drawn, loaded and kept of its folder."""

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

import mine_cli
from mine_cli.data import streamed
from mine_cli.errors import BadInput
from mine_cli.networks.classifier import DigitClassifier, save_classifier
from mine_cli.networks.fully_connected import Encoder, Generator
from mine_cli.tasks import registry
from mine_cli.tasks.adversarial.samples import Latent
from mine_cli.tasks.ali.autoencoder import Autoencoder, GaussianEncoder
from mine_cli.tasks.ali.training import ALI
from mine_cli.tasks.registry import experiment_of
from mine_cli.tasks.run import run, run_experiment
from tests import composition
from tests.ali_folders import encoded_run
from tests.data.test_folder import cut_short, pictures
from tests.image_folders import write_images

SMALL = (
    "task=ali", "generator.widths=[6]", "encoder.widths=[6]", "discriminator.widths=[4]",
    "network.widths=[3]", "trainer.device=cpu", "trainer.progress=false",
    "trainer.tensorboard=false", "dataset.n=200",
)  # fmt: skip
FEW = ("trainer.steps=4", "trainer.batch_size=32", "task.samples=100", "task.evaluator_steps=3")


def composed(*overrides: str, without: str = "") -> DictConfig:
    return composition.composed(*(word for word in (*SMALL, *overrides) if word != without))


class Flat(nn.Module):
    """A network that makes rows of three numbers, whatever is wanted of it."""

    def __init__(self, *shapes: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class Column(nn.Module):
    """A discriminator with a column of logits."""

    def __init__(self, *shapes: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.linear(x + z)


class Pairs:
    """A data set for another task."""

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.randn(n, 2, generator=generator), torch.randn(n, 2, generator=generator)


def own(section: str, part: type, *overrides: str) -> DictConfig:
    cfg = composed(*overrides)
    cfg[section] = {"_target_": f"{__name__}.{part.__name__}"}
    return cfg


# What is refused


@pytest.mark.parametrize(
    ("cfg", "line"),
    [
        (
            lambda: own("encoder", Flat),
            r"^encoder: codes of shape \(3,\); want \(2,\): the latent has task.latent_dim=2$",
        ),
        (
            lambda: own("encoder", Flat, "task.sigma=null"),
            r"^encoder: codes of shape \(3,\); want \(4,\): the latent has task.latent_dim=2$",
        ),
        (lambda: own("generator", Flat), r"^generator: makes samples of shape \(3,\); the data"),
        (
            lambda: own("discriminator", Column),
            r"^discriminator: logits of 4 pairs have shape \[4, 1\]; want \[4\]$",
        ),
        (
            lambda: own("discriminator", Column, "task.latent_dim=3"),
            r"^discriminator: Column cannot take \[4, 2\] and \[4, 3\]: The size",
        ),
        (
            lambda: own("dataset", Pairs),
            r"^dataset: Pairs has no draw\(n, generator\): task=ali wants samples, not pairs",
        ),
    ],
)
def test_what_cannot_be_trained_is_one_line(cfg: Any, line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        registry.checked(cfg())
    assert len(str(caught.value).splitlines()) == 1


def of_images(*overrides: str) -> DictConfig:
    return composed(*overrides, without="dataset.n=200")


def test_a_classifier_that_cannot_judge_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path)
    there = ("dataset=mnist", f"data_dir={tmp_path}", f"cache_dir={tmp_path}")
    with pytest.raises(BadInput, match="no such file; train one first: mine-run task=classifier"):
        registry.checked(of_images(*there))
    save_classifier(tmp_path / "classifier_mnist.pt", DigitClassifier(), "mnist", 0.5)
    with pytest.raises(BadInput, match=r"reads 50.0% of the test images of mnist right: want"):
        registry.checked(of_images(*there))
    save_classifier(tmp_path / "classifier_mnist.pt", DigitClassifier(), "mnist", 0.99)
    with pytest.raises(BadInput, match=r"dataset.permute=true: the classifier that judges reads"):
        registry.checked(of_images(*there, "dataset.permute=true"))
    registry.checked(of_images(*there))


# What is told and kept


def test_a_dry_run_tells_shapes_and_counts() -> None:
    told = experiment_of(composed("method.beta=0.5", "task.latent_dim=3")).listing()
    assert told["method"] == "ali_mine, weight 0.5"
    assert told["latent"] == "3 normal"
    # BatchNorm's gain and bias in place of a bias.
    assert told["generator"] == f"Generator, {3 * 6 + 2 * 6 + 6 * 2 + 2} parameters"
    assert told["encoder"] == f"Encoder, sigma 0, {2 * 6 + 2 * 6 + 6 * 3 + 3} parameters"
    assert told["discriminator"] == f"Perceptron, {5 * 4 + 4 + 4 + 1} parameters"


def test_equal_conditions_for_every_method() -> None:
    """The same networks from the same random stream, whatever the method."""
    methods = ("ali", "ali_mine", "alice_l2", "alice_adversarial")
    models = [experiment_of(composed(f"method={method}")).model() for method in methods]  # type: ignore[attr-defined]
    for model in models[1:]:
        for a, b in zip(models[0].parameters(), model.parameters(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(("sigma", "said"), [("0", "infinite"), ("1", "not known")])
def test_the_truth_is_infinite_or_not_known(sigma: str, said: str) -> None:
    head = experiment_of(composed(f"task.sigma={sigma}")).head()
    assert head["true_mi"] is None
    assert head["true_mi_note"].startswith(said)
    assert head["ali"]["latent_dim"] == 2


@pytest.mark.slow
def test_a_folder_of_pictures_trains_and_its_warnings_are_told(tmp_path: Path) -> None:
    pictures(tmp_path / "p", 30)
    (tmp_path / "p" / "broken.jpg").write_bytes(b"no picture")
    cut_short(tmp_path / "p" / "007.png")
    cfg = of_images(
        "dataset=image_folder", f"dataset.path={tmp_path / 'p'}", "dataset.side=32", *FEW,
        "generator.tanh=true",
    )  # fmt: skip
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    OmegaConf.save(cfg, tmp_path / "run" / ".hydra" / "config.yaml")
    result = run(registry.checked(cfg), tmp_path / "run")
    assert result["warnings"] == [
        "dataset: 1 of 31 pictures cannot be read, left out: broken.jpg",
        "dataset: 1 of 30 pictures turned out to be broken, left out: 007.png",
    ]
    assert 0 <= result["metrics"]["ms_ssim"] < 1
    assert result["metrics"].get("own_mode") is None
    x = mine_cli.load_autoencoder(tmp_path / "run").sample(2)
    assert x.shape == (2, 3, 32, 32)


def test_an_exception_leaves_no_worker_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "KEPT_BYTES", 0)
    cfg = of_images(
        "dataset=image_folder", f"dataset.path={pictures(tmp_path / 'p', 30)}", *FEW,
        "dataset.side=32", "generator.tanh=true",
    )  # fmt: skip
    step, workers = ALI.train_step, []

    def failing(ali: ALI, number: int) -> dict[str, Tensor]:
        step(ali, number)
        workers.extend(multiprocessing.active_children())
        raise ZeroDivisionError

    monkeypatch.setattr(ALI, "train_step", failing)
    with pytest.raises(ZeroDivisionError):
        run_experiment(registry.checked(cfg), None)
    assert len(workers) == 2
    assert multiprocessing.active_children() == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ali") / "run"
    cfg = composed(*FEW)
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(cfg, folder / ".hydra" / "config.yaml")
    run(registry.checked(cfg), folder)
    return folder


def test_an_autoencoder_is_the_one_that_was_judged(finished: Path) -> None:
    model = mine_cli.load_autoencoder(finished)
    assert not model.training
    kept = np.load(finished / "samples" / "00000004.npz")
    rows = torch.from_numpy(kept["rows"])
    assert torch.allclose(model.encode(rows), torch.from_numpy(kept["code"]), atol=1e-6)
    assert torch.allclose(model.reconstruct(rows), torch.from_numpy(kept["rebuilt"]), atol=1e-6)
    assert torch.equal(model.decode(model.encode(rows)), model.reconstruct(rows))
    assert torch.equal(model.sample(5, seed=1), model.sample(5, seed=1))
    assert not torch.equal(model.sample(5, seed=1), model.sample(5, seed=2))


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "list"])
def test_an_autoencoder_takes_rows_of_any_kind_of_number(finished: Path, kind: str) -> None:
    model = mine_cli.load_autoencoder(finished)
    rows = np.array([[0.5, -1.0], [2.0, 0.25]])
    code = model.encode(torch.from_numpy(rows).float())
    given = rows.tolist() if kind == "list" else rows.astype(kind)
    assert torch.equal(model.encode(given), code)
    assert torch.equal(model.decode(code.double().numpy()), model.decode(code))


@pytest.mark.parametrize(
    ("x", "line"),
    [
        (np.zeros((4, 3)), r"x: shape \(4, 3\); want rows of \(2,\)"),
        (np.zeros(2), r"x: shape \(2,\); want rows of \(2,\)"),
        (np.array([[0.0, np.nan]]), "x: has numbers that are not finite"),
    ],
    ids=["wider", "one row", "a gap"],
)
def test_rows_that_no_encoder_takes_are_one_line(
    finished: Path, x: np.ndarray[Any, Any], line: str
) -> None:
    with pytest.raises(BadInput, match=line):
        mine_cli.load_autoencoder(finished).encode(x)


def test_codes_of_another_width_and_pixels_of_bytes_are_one_line(finished: Path) -> None:
    with pytest.raises(BadInput, match=r"z: shape \(3, 9\); want rows of"):
        mine_cli.load_autoencoder(finished).decode(np.zeros((3, 9)))
    encoder = GaussianEncoder(Encoder((1, 4, 4), 3))
    images = Autoencoder(encoder, Generator(3, (1, 4, 4)), Latent(3), (1, 4, 4)).eval()
    with pytest.raises(BadInput, match=r"x: pixels up to 255; want images in \[-1, 1\]"):
        images.encode(np.full((2, 1, 4, 4), 255, dtype=np.uint8))


def test_another_tasks_folder_is_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a run of task=ali; want one of task=gan"):
        mine_cli.load_generator(finished)
    with pytest.raises(BadInput, match="not a run of mine-run"):
        mine_cli.load_autoencoder(tmp_path)


# Methods side by side


@pytest.mark.parametrize(
    ("changes", "drawn"),
    [
        ({"method": "ali"}, True),
        ({"method": "ali", "dataset": {"seed": 1}}, True),
        ({"method": "ali_mine"}, False),
        ({"method": "ali", "ali": {"clip": "none"}}, False),
        ({"method": "ali", "trainer": {"steps": 5}}, False),
        ({"method": "ali", "discriminator": {"widths": [5]}}, False),
    ],
)
def test_methods_alone_are_compared(changes: dict[str, Any], drawn: bool, tmp_path: Path) -> None:
    encoded_run(tmp_path / "0")
    encoded_run(tmp_path / "1", seed=1, **changes)
    registry.after_sweep_job(DictConfig({"task": {"name": "ali"}}), tmp_path)
    assert (tmp_path / "compare.png").exists() == drawn
