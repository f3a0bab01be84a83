"""The digit classifier: its shape, and a file that is either what was written or refused."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mine_cli.errors import BadInput
from mine_cli.networks.classifier import DigitClassifier, load_classifier, save_classifier
from mine_cli.results import checkpoint


def test_images_become_logits_and_every_parameter_gets_a_gradient() -> None:
    classifier = DigitClassifier()
    logits = classifier(torch.rand(32, 1, 28, 28))
    assert logits.shape == (32, 10)
    (logits * torch.randn(32, 10)).sum().backward()
    for name, parameter in classifier.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_training_and_evaluating_it_are_one_function() -> None:
    classifier, x = DigitClassifier(), torch.rand(8, 1, 28, 28)
    assert torch.equal(classifier.train()(x), classifier.eval()(x))
    assert torch.allclose(classifier(x[:3]), classifier(x)[:3], atol=1e-6)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path, classifier = tmp_path / "cache" / "classifier.pt", DigitClassifier()
    mark = save_classifier(path, classifier, "mnist", 0.9931)
    found = load_classifier(path)
    x = torch.rand(5, 1, 28, 28)
    assert torch.equal(found(x), classifier(x))
    for one in (found, classifier):
        assert (one.name, one.accuracy, one.fingerprint) == ("mnist", 0.9931, mark)
    assert not found.training
    assert not any(parameter.requires_grad for parameter in found.parameters())
    assert not found(x).requires_grad


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    def mark(classifier: DigitClassifier, name: str = "mnist", accuracy: float = 0.99) -> str:
        return save_classifier(tmp_path / "any.pt", classifier, name, accuracy)

    classifier = DigitClassifier()
    first = mark(classifier)
    assert len(first) == 64
    assert mark(classifier.to(memory_format=torch.contiguous_format)) == first
    assert mark(load_classifier(tmp_path / "any.pt")) == first
    assert len({first, mark(classifier, "fashion_mnist"), mark(classifier, accuracy=0.98)}) == 3
    assert mark(DigitClassifier()) != first


def test_a_missing_file_says_how_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "none.pt"
    with pytest.raises(BadInput) as caught:
        load_classifier(path)
    wanted = "no such file; train one first: mine-run task=classifier"
    assert str(caught.value) == f"dataset.classifier={path}: {wanted}"
    with pytest.raises(BadInput, match=r"task=classifier dataset\.name=fashion_mnist$"):
        load_classifier(path, "fashion_mnist")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flip(path: Path) -> None:
    """One bit in the midst of the weights."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        state = checkpoint.load(path)
        change(state)
        checkpoint.save(path, state)

    return changed


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("harm", "line"),
    [
        (truncate, "not a readable classifier"),
        (flip, "not a readable classifier|a damaged classifier"),
        (folder, "not a readable classifier"),
        (
            lambda path: path.write_bytes(pickle.dumps({"kind": "x"}, 2)),
            "not a readable classifier",
        ),
        (lambda path: torch.save({"weights": {}}, path), "not a readable classifier"),
        (lambda path: checkpoint.save(path, {"step": 1, "task": {}}), "a checkpoint of a run"),
        (edit(lambda s: s.update(name="fashion_mnist")), "of fashion_mnist, not mnist"),
        (edit(lambda s: s.pop("name")), "a classifier of None, not mnist"),
        (edit(lambda s: s.update(accuracy=0.999)), "a damaged classifier"),
        (edit(lambda s: s.pop("accuracy")), "a damaged classifier"),
        (edit(lambda s: s["weights"]["layers.0.bias"].add_(1e-3)), "a damaged classifier"),
        (edit(lambda s: s["weights"].popitem()), "a damaged classifier"),
        (edit(lambda s: s.update(weights=None)), "a damaged classifier"),
    ],
)
def test_what_was_not_written_so_is_refused_in_one_line(
    tmp_path: Path, harm: Callable[[Path], object], line: str
) -> None:
    path = tmp_path / "classifier.pt"
    save_classifier(path, DigitClassifier(), "mnist", 0.99)
    harm(path)
    with pytest.raises(
        BadInput, match=rf"^dataset.classifier=.*classifier.pt: .*({line})"
    ) as found:
        load_classifier(path)
    assert len(str(found.value).splitlines()) == 1
    assert str(found.value).endswith("mine-run task=classifier")
