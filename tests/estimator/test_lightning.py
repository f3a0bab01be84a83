"""The callback that trains and logs the term of a LightningModule."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mine_cli.errors import BadInput
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.mlp import MLP

lightning = pytest.importorskip("lightning", reason="the extra lightning is not installed")

ROWS, BATCH = 256, 64


class Module(lightning.LightningModule):
    def __init__(self, returns: bool = True) -> None:
        super().__init__()
        self.returns = returns
        self.encoder = torch.nn.Linear(3, 2)
        self.mi = MutualInformation(MLP((3,), (2,), widths=[8]), lr=1e-2)

    def training_step(self, x: Tensor, index: int) -> Any:
        z = self.encoder(x)
        loss = z.square().mean() + self.mi.minimise(x, z)
        return {"loss": loss, "x": x, "z": z} if self.returns else loss

    def validation_step(self, x: Tensor, index: int) -> Any:
        return {"x": x, "z": self.encoder(x)}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fitted(module: Module, folder: Path, epochs: int, **options: Any) -> Any:
    from mine_cli.estimator.lightning import TrainStatistics

    rows = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(rows, batch_size=BATCH)
    trainer = lightning.Trainer(
        max_epochs=epochs, callbacks=[TrainStatistics(rows=100)], accelerator="cpu",
        logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=folder, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(module, loader, loader, **options)
    return trainer


def test_the_term_is_trained_and_logged_and_a_checkpoint_holds_all_of_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole, first = Module(), Module()
    first.load_state_dict(whole.state_dict())
    second = Module()
    trainer = fitted(whole, tmp_path, epochs=3)
    assert whole.mi.steps == 3 * ROWS // BATCH
    assert {"mi/batch", "mi/estimate", "mi/standard_error"} <= trainer.logged_metrics.keys()
    fitted(first, tmp_path, epochs=1).save_checkpoint(tmp_path / "first.ckpt")
    fitted(second, tmp_path, epochs=3, ckpt_path=tmp_path / "first.ckpt")
    for (name, wanted), found in zip(
        whole.state_dict().items(), second.state_dict().values(), strict=True
    ):
        assert torch.equal(wanted, found), name


def test_a_module_that_lacks_what_it_needs_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r'training_step: want it to return \{"loss": loss'):
        fitted(Module(returns=False), tmp_path, epochs=1)
    module = Module()
    module.mi = torch.nn.Linear(2, 2)  # type: ignore[assignment]
    module.training_step = lambda x, index: {"loss": module.encoder(x).mean(), "x": x, "z": x}
    with pytest.raises(BadInput, match=r"Module\.mi: want a MutualInformation, not Linear"):
        fitted(module, tmp_path, epochs=1)
