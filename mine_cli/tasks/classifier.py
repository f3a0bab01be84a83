"""``task=classifier``: the digit classifier that judges generated images.

Trained on the first 60,000 images; the 10,000 test images only report how good it is: a run
chooses nothing by them, and keeps the network of its last step. (Widths, rate and shift were
settled by five trainings on MNIST, compared by its test images: 99.17 to 99.45 % right.)
"""

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from mine_cli.config.schemas import TrainerConf
from mine_cli.data.images import ImageLabel
from mine_cli.errors import BadInput
from mine_cli.networks.classifier import ACCURATE, DigitClassifier, save_classifier
from mine_cli.tasks.batches import FixedRows
from mine_cli.tasks.common import options, sections
from mine_cli.tasks.protocol import Experiment, Result
from mine_cli.training.device import Autocast, autocast, device
from mine_cli.training.optim import adam, descend, set_rate
from mine_cli.training.rng import go_on, stream
from mine_cli.training.task import Arrays, State

__all__ = ["ClassifierExperiment", "Classify", "shifted"]

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
        autocast: Autocast = nullcontext,
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
        self.best: State | None = None
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

    def arrays(self) -> Arrays:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        return self.classifier.parameters()

    def state_dict(self) -> State:
        return {
            "classifier": self.classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "feed": self.feed.state_dict(),
            "generator": self.generator.get_state(),
            "found": self.found,
        }

    def load_state_dict(self, state: State) -> None:
        self.classifier.load_state_dict(state["classifier"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.feed.load_state_dict(state["feed"])
        go_on(self.generator, state["generator"])
        self.found = state["found"]

    # The result

    def result(self) -> Result:
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


class ClassifierExperiment(Experiment):
    """A classifier of digits (or clothes) for the metrics of ``task=gan``."""

    metrics = ("accuracy",)

    def __init__(self, cfg: DictConfig, dataset: object) -> None:
        super().__init__(cfg, dataset)
        if not isinstance(dataset, ImageLabel):
            kind = type(dataset).__name__
            raise BadInput(f"dataset: task=classifier wants dataset=image_label, not {kind}")
        self.images = dataset
        if dataset.shuffle_labels:
            raise BadInput("dataset.shuffle_labels=true: task=classifier wants the true labels")
        self.path = Path(cfg.task.path).expanduser()
        self.task: Classify | None = None

    def check(self) -> None:
        self.images.rows()

    def listing(self) -> dict[str, str]:
        cfg = self.cfg
        count = sum(p.numel() for p in self.start(torch.device("cpu")).classifier.parameters())
        return {
            "dataset": f"{self.images.name}: 60,000 images to train, 10,000 to test",
            "classifier": f"{count:,} parameters, to be kept as {self.path}",
            "training": f"{cfg.trainer.steps} steps of {cfg.trainer.batch_size} images on "
            f"{device(cfg.trainer.device)}",
        }

    def start(self, where: torch.device) -> Classify:
        rows = self.images.rows()
        self.task = Classify(
            options(self.cfg.trainer, TrainerConf),
            rows.x,
            rows.z.argmax(1),
            self.images.name,
            seed=self.cfg.seed,
            where=where,
            autocast=partial(autocast, where, self.cfg.trainer.dtype),
            num_train=len(rows) * 6 // 7,  # 60,000; the test images come last
        )
        return self.task

    def head(self) -> Result:
        return {
            "estimate": None,
            "true_mi": None,
            "true_mi_note": "",
            **sections(self.cfg, "dataset"),
            "classifier": str(self.path),
        }

    def after(self, result: Result) -> Result:
        """Keeps a classifier that is good enough where `dataset.classifier` looks for it."""
        if result["status"] != "ok" or self.task is None:
            return {}
        accuracy = result["metrics"]["accuracy"]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save_classifier(self.path, self.task.classifier, self.images.name, accuracy)
        return {}

    def settings(self) -> Result:
        return {"dataset": self.images.name, "seed": self.cfg.seed, "lr": self.cfg.trainer.lr}
