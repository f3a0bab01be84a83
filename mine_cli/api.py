"""The program from Python: the same code path and defaults as the command line."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor, nn

from mine_cli import build, checkpoint, runs
from mine_cli.arguments import quoted
from mine_cli.config import conf_dir, import_from, validate
from mine_cli.data.arrays import from_memory
from mine_cli.errors import BadInput, Diverged
from mine_cli.estimator import MutualInformation
from mine_cli.jobs.mi_estimate import MIEstimateJob
from mine_cli.refusals import refusal
from mine_cli.resume import saved_import_folders
from mine_cli.schemas import SECTIONS
from mine_cli.sweep.folder import saved_sweep
from mine_cli.tasks.gan import Latent

__all__ = ["Estimate", "Sampler", "estimate", "load", "load_generator"]

# What the command line knows and a call from Python has no use for.
NOT_HERE = {
    "dataset": "x and z are the data",
    "dataset.path": "x and z are the data",
    "dataset.x": "x and z are the data",
    "dataset.z": "x and z are the data",
    "dataset.categorical": "want categorical=[...]",
    "resume": "want mine-run resume=FOLDER in a terminal",
    "dry_run": "nothing is written without a folder",
}


class Overrides(TypedDict, total=False):
    """The keys that a type checker lets :func:`estimate` take beside its parameters.

    At run time it takes every key of the configuration. One with a dot is no Python name: a type
    checker takes it in ``options: dict[str, Any] = {"trainer.steps": 1000}``, as ``**options``.
    """

    marginals: str
    task: str
    trainer: str
    experiment: str
    deterministic: bool
    units: str
    references: str
    folds: int
    split: str
    objective: str | None
    retry_diverged: bool
    data_dir: str | Path
    cache_dir: str | Path


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
    curve: list[float] = field(repr=False)
    result: dict[str, Any] = field(repr=False)


def estimate(
    x: Any,
    z: Any,
    bound: str = "mine",
    network: str = "mlp",
    seed: int = 0,
    *,
    folder: str | Path | None = None,
    categorical: Sequence[str] = (),
    groups: Any = None,
    **overrides: Unpack[Overrides],
) -> Estimate:
    """Estimate the mutual information of paired rows x ``[n, ...]`` and z ``[n, ...]``, in nats.

    Arguments:
        x, z: NumPy arrays or torch tensors with as many rows.
        bound, network, seed: as on the command line.
        folder: where to keep the run (metrics, checkpoints, result); nothing is written without.
        categorical: ``["x"]``, ``["z"]`` or both: classes, one-hot coded.
        groups: labels ``[n]`` of rows that no split may part.
        overrides: any other key, ``folds=5`` or ``**{"trainer.steps": 1000}``; groups too.
            See :class:`Overrides` for what a type checker makes of them.

    Raises:
        BadInput: for data, a key or a value that cannot be used, with every fault in it.

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
    faults = [f"{key}: {why}" for key, why in NOT_HERE.items() if key in given]
    if faults:
        raise BadInput(*faults)
    if groups is not None:
        given = {"split": "groups:groups", **given}
    cfg = composed(["dataset=arrays", "dataset.path=memory", *map(override, given.items())])
    job = MIEstimateJob(cfg, from_memory(x, z, categorical, groups))
    with undisturbed():
        job.check()
        if folder is not None:
            keep_configuration(cfg, Path(folder))
        try:
            result = runs.run_job(job, None if folder is None else Path(folder))
        except Diverged as error:
            result = {"status": "diverged", "note": str(error), "curve": []}
    curve, _ = result.pop("curve"), result.pop("objective", None)
    kept = {key: result.get(key) for key in ("standard_error", "lower_bound")}
    return Estimate(
        mi=result.get("estimate"), status=result["status"], curve=curve, result=result, **kept
    )


@contextmanager
def undisturbed() -> Iterator[None]:
    """Puts the caller's random streams and number of threads back, which a run sets for itself."""
    python, with_numpy, with_torch = (
        random.getstate(),
        numpy.random.get_state(),
        checkpoint.random_state(),
    )
    deterministic, threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    try:
        yield
    finally:
        random.setstate(python)
        numpy.random.set_state(with_numpy)
        checkpoint.restore_random_state(with_torch)
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)


def override(item: tuple[str, Any]) -> str:
    """One Hydra override, KEY=VALUE, from a Python value."""
    key, value = item
    return f"{key}={written(value)}"


def written(value: Any) -> str:
    """A Python value in Hydra's grammar; text is quoted, whatever it holds."""
    if value is None:
        return "null"
    if isinstance(value, (str, Path)):
        return quoted(str(value))
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(written, value))}]"
    return str(value)


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration that the command line would compose, also inside another Hydra program.

    Raises:
        BadInput: for what Hydra refuses, and for every value that breaks a rule.
    """
    outer, version_base = GlobalHydra.instance().hydra, VersionBase.instance().version_base
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(conf_dir(), version_base="1.3"):
            cfg = compose("config", list(overrides))
    except (HydraException, OmegaConfBaseException) as stop:
        raise BadInput(refusal(stop) or " ".join(str(stop).split())) from stop
    finally:
        # Not the instance of before: Hydra put a copy in its place.
        GlobalHydra.instance().hydra = outer
        VersionBase.instance().version_base = version_base
    faults = validate(cfg)
    if faults:
        raise BadInput(*faults)
    return cfg


def keep_configuration(cfg: DictConfig, folder: Path) -> None:
    """The same .hydra/config.yaml that a run from the command line leaves."""
    if saved_sweep(folder) is not None:
        raise BadInput(f"folder={folder}: holds a sweep; want a new folder")
    if (folder / "result.json").exists() or (folder / ".hydra").exists():
        raise BadInput(f"folder={folder}: holds a run already; want a new folder")
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(cfg, folder / ".hydra" / "config.yaml")


def load(folder: str | Path) -> MutualInformation:
    """The MI term of a finished run, to score new rows with `MutualInformation.pointwise`.

    Rows are given as they were to the run (classes one-hot coded): the run's own standardisation
    is applied. A run with several folds gives the mean of its networks' log-ratios.

    Raises:
        BadInput: the folder holds no run of this program, or none that kept a network.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(1000, 1))
        >>> options = {"trainer.steps": 20, "trainer.progress": False, "references": "none"}
        >>> found = estimate(x, x**2, folder="my_run", **options)
        >>> term = load("my_run")
        >>> term.pointwise(torch.tensor(x), torch.tensor(x**2)).shape
        torch.Size([1000])
    """
    cfg, best = finished(Path(folder), "mi-estimate")
    x_shape, z_shape = (tuple(shape) for shape in best["shapes"])
    terms = []
    for state in best["members"]:
        terms.append(build.term(cfg, x_shape, z_shape, seed=cfg.seed))
        terms[-1].load_state_dict(state)
    committee = Committee(terms, best["scales"], x_shape, z_shape)
    loaded = MutualInformation(committee, terms[0].bound, terms[0].marginals, seed=cfg.seed)
    # The committee takes each network's own constant off.
    loaded.calibrated.fill_(True)
    return loaded.eval()


def load_generator(folder: str | Path) -> "Sampler":
    """The generator of a ``task=gan`` run as it was judged last: the average, if one was kept.

    Raises:
        BadInput: the folder holds no such run, or none that was ever judged.
    """
    cfg, best = finished(Path(folder), "gan")
    latent = Latent(best["latent_dim"], cfg.task.latent, best["code_dim"])
    generator = build.module(cfg.generator, "generator", 0, latent.dim, tuple(best["shape"]))
    generator.load_state_dict(best["generator"])
    return Sampler(generator, latent).eval()


class Sampler(nn.Module):
    """A trained generator and what it starts from: ``sampler(latent [n, dim])`` gives samples."""

    def __init__(self, generator: nn.Module, latent: Latent) -> None:
        super().__init__()
        self.generator, self.latent = generator, latent

    def forward(self, latent: Tensor) -> Tensor:
        return self.generator(latent)

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples on the generator's device, images in [-1, 1]."""
        device = next(self.generator.parameters()).device
        return self(self.latent.draw(n, torch.Generator(device).manual_seed(seed)))


def finished(folder: Path, task: str) -> tuple[DictConfig, dict[str, Any]]:
    """The configuration of a run of a task, and the network that it reported."""
    config = folder / ".hydra" / "config.yaml"
    if not config.exists():
        raise BadInput(f"{folder}: not a run of mine-run; want a folder with .hydra/config.yaml")
    cfg = OmegaConf.load(config)
    if not isinstance(cfg, DictConfig) or any(section not in cfg for section in SECTIONS):
        raise BadInput(f"{folder}: not a run of mine-run; its configuration is another program's")
    if cfg.task.name != task:
        raise BadInput(f"{folder}: a run of task={cfg.task.name}; want one of task={task}")
    best = checkpoint.load(folder / "checkpoints" / "best.pt")
    import_from(saved_import_folders(folder))
    return cfg, best


class Committee(nn.Module):
    """The mean log-ratio of a finished run's networks, on rows as the run was given them.

    Arguments:
        terms: one for each fold.
        scales: (mean, std) of x and of z that each was trained with; None: used as they are.
        x_shape, z_shape: of one x and of one z.
    """

    constants: Tensor

    def __init__(
        self,
        terms: Sequence[MutualInformation],
        scales: Sequence[Sequence[tuple[Tensor, Tensor]] | None],
        x_shape: tuple[int, ...],
        z_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList([term.network for term in terms])
        self.register_buffer("constants", torch.stack([term.log_partition for term in terms]))
        self.shapes = {"x": x_shape, "z": z_shape}
        as_they_are = [(torch.zeros(()), torch.ones(()))] * 2
        for r, scale in enumerate(scales):
            for side, (mean, std) in zip("xz", scale or as_they_are, strict=True):
                self.register_buffer(f"{side}_mean_{r}", mean)
                self.register_buffer(f"{side}_std_{r}", std)

    def scaled(self, values: Tensor, side: str, r: int) -> Tensor:
        """One side's rows as network r was trained on them, float32; ``[n]`` is one column."""
        if values.dim() == 1 and len(self.shapes[side]) == 1:
            values = values[:, None]
        if tuple(values.shape[1:]) != self.shapes[side]:
            raise BadInput(
                f"{side} has rows of shape {tuple(values.shape[1:])}; the run was trained on "
                f"{self.shapes[side]}"
            )
        mean, std = getattr(self, f"{side}_mean_{r}"), getattr(self, f"{side}_std_{r}")
        return ((values - mean) / std).float()

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Log-ratios of paired rows ``[n]``, in nats."""
        scores = [
            network(self.scaled(x, "x", r), self.scaled(z, "z", r))
            for r, network in enumerate(self.networks)
        ]
        return (torch.stack(scores, -1) - self.constants).mean(-1).float()
