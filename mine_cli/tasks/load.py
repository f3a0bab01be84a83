"""Finished runs, loaded: the term of an estimate, the generator of a GAN."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from mine_cli.config.compose import import_from
from mine_cli.config.resume import at_home, saved_import_folders
from mine_cli.config.schemas import SECTIONS
from mine_cli.errors import BadInput
from mine_cli.estimator.term import MutualInformation
from mine_cli.results import checkpoint
from mine_cli.tasks import build
from mine_cli.tasks.gan.training import Latent

__all__ = ["Sampler", "load", "load_generator"]


def load(folder: str | Path) -> MutualInformation:
    """The MI term of a finished run, to score new rows with `MutualInformation.pointwise`.

    Rows are given as they were to the run (classes one-hot coded): the run's own standardisation
    is applied. A run with several folds gives the mean of its networks' log-ratios.

    Raises:
        BadInput: the folder holds no run of this program, or none that kept a network.

    Example:
        >>> import numpy as np, torch
        >>> from mine_cli import estimate
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
    loaded.casts = False  # rows are standardised as precisely as they are given
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
    return at_home(cfg), best


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
