"""``task=classifier`` made ready to run: what it takes, and when its classifier is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor

from mine_cli.errors import BadInput
from mine_cli.networks.classifier import ACCURATE, DigitClassifier, load_classifier
from mine_cli.tasks import registry, run
from tests import composition
from tests.image_folders import write_images

Composer = Callable[..., DictConfig]


class Images:
    """A data set of one's own."""

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.rand(n, 1, 28, 28, generator=generator), torch.zeros(n, 10)


@pytest.fixture
def composed(tmp_path: Path) -> Composer:
    """A short training on 300 images, in a folder with a cache of its own."""
    write_images(tmp_path / "images")

    def composed(*overrides: str) -> DictConfig:
        settings = [
            "task=classifier", f"data_dir={tmp_path / 'images'}", f"cache_dir={tmp_path / 'new'}",
            "trainer.steps=4", "trainer.batch_size=16", "trainer.device=cpu",
            "trainer.progress=false", "trainer.tensorboard=false",
        ]  # fmt: skip
        return composition.composed(*settings, *overrides)

    return composed


def test_it_wants_images_and_labels(composed: Composer) -> None:
    cfg = composed()
    cfg.dataset = {"_target_": f"{__name__}.Images"}
    with pytest.raises(BadInput) as caught:
        registry.checked(cfg)
    line = "dataset: task=classifier wants dataset=image_label, not Images"
    assert caught.value.faults == (line,)


def test_it_wants_true_labels(composed: Composer) -> None:
    with pytest.raises(BadInput) as caught:
        registry.checked(composed("dataset.shuffle_labels=true"))
    line = "dataset.shuffle_labels=true: task=classifier wants the true labels"
    assert caught.value.faults == (line,)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_it_is_kept_where_stacks_look_for_it(name: str, composed: Composer) -> None:
    path = composed(f"dataset.name={name}").task.path
    for dataset in ("stacked_mnist", "digits"):
        chosen = ["task=gan", f"dataset={dataset}", f"dataset.name={name}"]
        cfg = composition.composed(*chosen, f"cache_dir={Path(path).parent}")
        assert cfg.dataset.classifier == path


def test_a_dry_run_tells_what_is_trained_and_where_it_goes(composed: Composer) -> None:
    cfg = composed()
    told = registry.experiment_of(cfg).listing()
    count = sum(parameter.numel() for parameter in DigitClassifier().parameters())
    assert told["classifier"] == f"{count:,} parameters, to be kept as {cfg.task.path}"
    assert told["training"] == "4 steps of 16 images on cpu"
    assert "nothing was written" in registry.dry_run(registry.experiment_of(cfg))
    assert not Path(cfg.task.path).parent.exists()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_a_good_classifier_is_kept(
    name: str, composed: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ACCURATE, name, 0.0)
    cfg = composed(f"dataset.name={name}")
    result = run.run(registry.checked(cfg), tmp_path / "run")
    assert result["status"] == "ok"
    assert result["classifier"] == cfg.task.path
    kept = load_classifier(Path(cfg.task.path), name)
    assert kept.accuracy == result["metrics"]["accuracy"] == result["objective"]
    assert result["metrics"]["test_images"] == 300 - 300 * 6 // 7


def test_an_inaccurate_one_is_not(composed: Composer, tmp_path: Path) -> None:
    """An earlier one stays as it was."""
    cfg = composed()
    path = Path(cfg.task.path)
    assert run.run(registry.checked(cfg), tmp_path / "run")["status"] == "inaccurate"
    assert not path.exists()
    path.parent.mkdir()
    path.write_bytes(b"an earlier one")
    assert run.run(registry.checked(cfg), tmp_path / "again")["status"] == "inaccurate"
    assert path.read_bytes() == b"an earlier one"
