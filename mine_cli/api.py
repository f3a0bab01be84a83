"""The program from Python: the same code path and defaults as the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from mine_cli import build, checkpoint
from mine_cli.config import conf_dir
from mine_cli.data.arrays import from_memory
from mine_cli.errors import BadInput, Diverged
from mine_cli.estimator import MutualInformation

__all__ = ["Estimate", "estimate", "load"]


@dataclass(frozen=True)
class Estimate:
    """An estimate of mutual information, in nats.

    Arguments:
        mi: the bound on the report rows; None when training diverged.
        standard_error: of ``mi``, for these networks.
        lower_bound: a lower bound in expectation, which ``mi`` itself may not be.
        status: ``ok``, ``not_converged``, ``at_ceiling``, ``high_variance`` or ``diverged``.
        curve: the bound on the select rows at each evaluation.
        result: everything that result.json holds.
    """

    mi: float | None
    standard_error: float | None
    lower_bound: float | None
    status: str
    curve: list[float]
    result: dict[str, Any]


def estimate(
    x: Any,
    z: Any,
    bound: str = "mine",
    network: str = "mlp",
    seed: int = 0,
    folder: str | Path | None = None,
    **overrides: Any,
) -> Estimate:
    """Estimate the mutual information of paired rows x ``[n, ...]`` and z ``[n, ...]``, in nats.

    Arguments:
        x, z: NumPy arrays or torch tensors with as many rows.
        bound, network, seed: as on the command line.
        folder: where to keep the run (metrics, checkpoints, result); nothing is written without.
        overrides: any other key, ``folds=5`` or ``**{"trainer.steps": 1000}``; groups too.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(2000, 1))
        >>> z = x + rng.normal(size=(2000, 1))
        >>> e = estimate(x, z, **{"trainer.steps": 200, "trainer.progress": False})
        >>> 0.1 < e.mi < 0.6        # the truth is log(2) / 2 = 0.347
        True
    """
    given = {"bound": bound, "network": network, "seed": seed, **overrides}
    cfg = composed(["dataset=arrays", "dataset.path=memory", *map(override, given.items())])
    if not cfg.trainer.get("device"):
        raise BadInput("trainer.device: missing; want auto, cpu, cuda or mps")
    data = build.Data(from_memory(x, z))
    if folder is not None:
        keep_configuration(cfg, Path(folder))
    build.check_data(cfg, data)
    try:
        result = build.run_on(cfg, data, None if folder is None else Path(folder))
    except Diverged as error:
        result = {"status": "diverged", "note": str(error), "curve": []}
    curve = result.pop("curve")
    kept = {key: result.get(key) for key in ("standard_error", "lower_bound")}
    return Estimate(
        mi=result.get("estimate"), status=result["status"], curve=curve, result=result, **kept
    )


def override(item: tuple[str, Any]) -> str:
    """One Hydra override, KEY=VALUE, from a Python value."""
    key, value = item
    if value is None:
        return f"{key}=null"
    if isinstance(value, (list, tuple)):
        return f"{key}=[{','.join(map(str, value))}]"
    return f"{key}={value}"


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration that the command line would compose, also inside another Hydra program."""
    instance = GlobalHydra.instance()
    outer = instance.hydra
    instance.clear()
    try:
        with initialize_config_dir(conf_dir(), version_base="1.3"):
            return compose("config", list(overrides))
    finally:
        instance.hydra = outer


def keep_configuration(cfg: DictConfig, folder: Path) -> None:
    """The same .hydra/config.yaml that a run from the command line leaves."""
    if (folder / "result.json").exists() or (folder / ".hydra").exists():
        raise BadInput(f"folder={folder}: holds a run already; want a new folder")
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(cfg, folder / ".hydra" / "config.yaml")


def load(folder: str | Path) -> MutualInformation:
    """The MI term of a finished run, to score new rows with `MutualInformation.pointwise`.

    Rows are given as they were to the run: the run's own standardisation is applied. A run with
    several folds gives the mean of its networks' log-ratios.
    """
    folder = Path(folder)
    config = folder / ".hydra" / "config.yaml"
    if not config.exists():
        raise BadInput(f"{folder}: not a run of mine-run; want a folder with .hydra/config.yaml")
    cfg = OmegaConf.load(config)
    assert isinstance(cfg, DictConfig)
    best = checkpoint.load(folder / "checkpoints" / "best.pt")
    shapes = [tuple(shape) for shape in best["shapes"]]
    terms = []
    for state in best["members"]:
        terms.append(build.term(cfg, *shapes, seed=cfg.seed))
        terms[-1].load_state_dict(state)
    committee = Committee(terms, best["scales"])
    loaded = MutualInformation(committee, terms[0].bound, terms[0].marginals, seed=cfg.seed)
    # The committee takes each network's own constant off.
    loaded.calibrated.fill_(True)
    return loaded.eval()


class Committee(nn.Module):
    """The mean log-ratio of a finished run's networks, on rows as the run was given them.

    Arguments:
        terms: one for each fold.
        scales: (mean, std) of x and of z that each was trained with; None: used as they are.
    """

    def __init__(
        self,
        terms: Sequence[MutualInformation],
        scales: Sequence[Sequence[tuple[Tensor, Tensor]] | None],
    ) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)
        as_they_are = [(torch.zeros(()), torch.ones(()))] * 2
        for r, scale in enumerate(scales):
            for side, (mean, std) in zip("xz", scale or as_they_are, strict=True):
                self.register_buffer(f"{side}_mean_{r}", mean)
                self.register_buffer(f"{side}_std_{r}", std)

    def scaled(self, values: Tensor, side: str, r: int) -> Tensor:
        """One side's rows as network r was trained on them, float32."""
        mean, std = getattr(self, f"{side}_mean_{r}"), getattr(self, f"{side}_std_{r}")
        return ((values - mean) / std).float()

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Log-ratios of paired rows ``[n]``, in nats."""
        scores = [
            term.network(self.scaled(x, "x", r), self.scaled(z, "z", r)) - term.log_partition
            for r, term in enumerate(self.terms)
        ]
        return torch.stack(scores).mean(0).float()
