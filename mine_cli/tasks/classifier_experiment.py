"""``task=classifier`` made ready to run: the judge of images, kept where runs look for it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from mine_cli.data.images import ImageLabel
from mine_cli.errors import BadInput
from mine_cli.networks.classifier import save_classifier
from mine_cli.results.folder import RunFolder
from mine_cli.tasks import build
from mine_cli.tasks.classifier import Classify
from mine_cli.tasks.common import sections
from mine_cli.training.device import autocast, device

__all__ = ["ClassifierJob"]


class ClassifierJob:
    """A classifier of digits (or clothes) for the metrics of ``task=gan``."""

    charts: Mapping[str, Any] = {}

    def __init__(self, cfg: DictConfig) -> None:
        self.cfg = cfg
        self.dataset = build.dataset_of(cfg)
        if not isinstance(self.dataset, ImageLabel):
            raise BadInput(
                f"dataset: task=classifier wants dataset=image_label, not "
                f"{type(self.dataset).__name__}"
            )
        if self.dataset.shuffle_labels:
            raise BadInput("dataset.shuffle_labels=true: task=classifier wants the true labels")
        self.path = Path(cfg.task.path).expanduser()
        self.warnings: list[str] = []
        self.task: Classify | None = None

    def check(self) -> None:
        self.dataset.rows()

    def listing(self) -> dict[str, str]:
        cfg = self.cfg
        count = sum(p.numel() for p in self.start(torch.device("cpu")).classifier.parameters())
        return {
            "dataset": f"{self.dataset.name}: 60,000 images to train, 10,000 to test",
            "classifier": f"{count:,} parameters, to be kept as {self.path}",
            "training": f"{cfg.trainer.steps} steps of {cfg.trainer.batch_size} images on "
            f"{device(cfg.trainer.device)}",
        }

    def alike(self) -> None:
        return None

    def start(self, where: torch.device) -> Classify:
        rows = self.dataset.rows()
        trainer_conf: Any = OmegaConf.to_object(self.cfg.trainer)
        self.task = Classify(
            trainer_conf,
            rows.x,
            rows.z.argmax(1),
            self.dataset.name,
            seed=self.cfg.seed,
            where=where,
            autocast=partial(autocast, where, self.cfg.trainer.dtype),
            num_train=len(rows) * 6 // 7,  # 60,000; the test images come last
        )
        return self.task

    def head(self) -> dict[str, Any]:
        return {
            "estimate": None,
            "true_mi": None,
            "true_mi_note": "",
            **sections(self.cfg, "dataset"),
            "classifier": str(self.path),
        }

    def files(self) -> list[Path]:
        return build.files_of(self.dataset)

    def content(self) -> str | None:
        return None

    def begin(self, files: RunFolder) -> None:
        """Nothing beside the configuration."""

    def look(self, folder: Path, step: int) -> Mapping[str, Path]:
        return {}

    def after(self, result: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Keeps a classifier that is good enough where `dataset.classifier` looks for it."""
        if result["status"] != "ok" or self.task is None:
            return {}
        accuracy = result["metrics"]["accuracy"]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save_classifier(self.path, self.task.classifier, self.dataset.name, accuracy)
        return {}

    def pictures(self, folder: Path) -> Mapping[str, Path]:
        return {}

    def settings(self) -> dict[str, Any]:
        return {"dataset": self.dataset.name, "seed": self.cfg.seed, "lr": self.cfg.trainer.lr}

    def compared(self, result: Mapping[str, Any]) -> dict[str, float | None]:
        return {"result/accuracy": result["metrics"].get("accuracy")}
