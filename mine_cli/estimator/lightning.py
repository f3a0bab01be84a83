"""Lightning: trains and logs the MI term of a `LightningModule`."""

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from mine_cli.errors import BadInput
from mine_cli.estimator.term import MutualInformation

__all__ = ["TrainStatistics"]


class TrainStatistics(Callback):
    """Trains a module's MI term after each batch, and evaluates it after each validation.

    ``training_step`` and ``validation_step`` return what the term is of, beside the loss:
    ``{"loss": loss, "x": x, "z": z}``. The loss itself adds ``self.mi.minimise(x, z)`` or
    ``maximise``. Logged are ``mi/batch`` (nats, of the training batch) and, of the validation
    rows, ``mi/estimate`` and ``mi/standard_error``. Lightning's own checkpoints hold the whole
    term.

    Arguments:
        name: of the module's attribute that is the term.
        rows: the most validation rows that are kept for an evaluation.

    Raises:
        BadInput: with one line, where the module has no such term or a step returns no x and z.
    """

    def __init__(self, name: str = "mi", rows: int = 10_000) -> None:
        self.name, self.rows = name, rows
        self.kept: list[tuple[Tensor, Tensor]] = []

    def term(self, module: LightningModule) -> MutualInformation:
        found = getattr(module, self.name, None)
        if not isinstance(found, MutualInformation):
            kind = type(module).__name__
            raise BadInput(f"{kind}.{self.name}: want a MutualInformation, not {found!r}")
        return found

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: object, *batch: object
    ) -> None:
        value = self.term(module).step(*self.sides(outputs, "training_step"))
        module.log("mi/batch", value.float())

    def on_validation_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: object, *batch: object
    ) -> None:
        if sum(len(x) for x, _ in self.kept) < self.rows:
            self.kept.append(self.sides(outputs, "validation_step"))

    def on_validation_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        x, z = (torch.cat(side)[: self.rows] for side in zip(*self.kept, strict=True))
        self.kept = []
        found = self.term(module).evaluate(x, z)
        module.log("mi/estimate", found.value, sync_dist=True)
        module.log("mi/standard_error", found.standard_error, sync_dist=True)

    def sides(self, outputs: object, what: str) -> tuple[Tensor, Tensor]:
        if not isinstance(outputs, dict) or not {"x", "z"} <= outputs.keys():
            raise BadInput(f'{what}: want it to return {{"loss": loss, "x": x, "z": z}}')
        return outputs["x"].detach(), outputs["z"].detach()
