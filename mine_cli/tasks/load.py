"""Finished runs, loaded: the term of an estimate, a generator, an autoencoder, a classifier."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy
import torch
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor, nn

from mine_cli.config.compose import import_from
from mine_cli.config.resume import at_home, read_yaml
from mine_cli.config.schemas import SECTIONS
from mine_cli.config.trust import trusted_folders
from mine_cli.data.margins import Standardise, margins_of
from mine_cli.data.tables.coding import Coding
from mine_cli.errors import BadInput, error_lines
from mine_cli.estimator.combination import Combination, Critic, columns
from mine_cli.estimator.evaluation import Crossing, Evaluation
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.encoders import Bottleneck
from mine_cli.results import checkpoint
from mine_cli.results.files import read_json
from mine_cli.tasks import build
from mine_cli.tasks.adversarial.samples import Latent
from mine_cli.tasks.ali.autoencoder import Autoencoder, autoencoder
from mine_cli.tasks.infobottleneck.trained_bottleneck import TrainedBottleneck
from mine_cli.tasks.mi_estimate.fold import CLOSED_FORMS
from mine_cli.training.task import State
from mine_cli.training.training import UNFIT

__all__ = [
    "FinishedTerm",
    "Sampler",
    "finished_term",
    "load",
    "load_autoencoder",
    "load_classifier",
    "load_generator",
    "term_of",
]


def load(folder: str | Path, trust: bool = False) -> "FinishedTerm":
    """The MI term of a finished run, to score new rows with `FinishedTerm.pointwise`.

    Rows are given as they were to the run, arrays and frames too: classes are one-hot coded and
    columns standardised as they were there. A run with several folds gives the mean of its
    networks' log-ratios.

    Arguments:
        folder: of the run.
        trust: vouches for the folder: classes that its configuration names are imported and
            built, whoever wrote it. A run of one's own with parts of one's own needs no word.

    Raises:
        BadInput: the folder holds no run of this program, none that kept a network, a damaged
            file, or names code that is not the user's own.

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
    cfg, best = finished(Path(folder), "mi-estimate", trust)
    if cfg.dataset.get("given"):
        told = "given is the difference of two terms, neither of which scores x with z alone"
        raise BadInput(f"{folder}: an estimate with dataset.{told}")
    with fitting(Path(folder)):
        return term_of(cfg, best, codings_in(Path(folder)))


def term_of(cfg: DictConfig, best: State, codings: Mapping[str, Coding]) -> "FinishedTerm":
    """The MI term of a finished estimate.

    Arguments:
        cfg: its configuration.
        best: what `MIEstimate.best` has kept.
        codings: how x and z became numbers.
    """
    x_shape, z_shape = (tuple(shape) for shape in best["shapes"])
    term = partial(build.term, cfg, x_shape, z_shape, seed=cfg.seed)
    states = best.get("folds") or of_old(best)
    return finished_term(states, (x_shape, z_shape), codings, term)


def finished_term(
    states: Sequence[State],
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    codings: Mapping[str, Coding],
    make_term: Callable[..., MutualInformation] | None = None,
) -> "FinishedTerm":
    """The MI term of the folds of a finished estimate.

    Arguments:
        states: what `Fold.best` has kept of each.
        shapes: of one x and of one z.
        codings: how x and z became numbers.
        make_term: makes the run's term, untrained; None where every critic is in closed form, and
            the bound that of Donsker and Varadhan.
    """
    first = None if make_term is None else make_term()
    scorers = [Scorer(state, make_term) for state in states]
    bound, marginals = ("dv", None) if first is None else (first.bound, first.marginals)
    seed = 0 if first is None else first.seed
    loaded = FinishedTerm(Committee(scorers, *shapes), bound, marginals, seed=seed)
    loaded.codings, loaded.shapes = dict(codings), dict(zip("xz", shapes, strict=True))
    # The committee takes each network's own constant off.
    loaded.calibrated.fill_(True)
    loaded.casts = False  # rows are standardised as precisely as they are given
    loaded.eval()
    return loaded


def codings_in(folder: Path) -> dict[str, Coding]:
    """How a run coded its columns; nothing of one from before this was kept."""
    path = folder / "columns.json"
    if not path.exists():
        return {}
    return {side: Coding.read(saved) for side, saved in read_json(path).items()}


class FinishedTerm(MutualInformation):
    """The term of a finished run: takes rows as `mine_cli.estimate` does, and codes them alike.

    `codings` and `shapes` are those of x and of z in the run. A tensor is taken as it is: numbers,
    with classes one-hot coded in the order of ``codings[side].classes``, which is ascending.
    """

    codings: dict[str, Coding]
    shapes: dict[str, tuple[int, ...]]

    def pointwise(self, x: object, z: object) -> Tensor:
        """Returns the log-ratio of each row ``[n]``, in nats; see `MutualInformation.pointwise`.

        Arguments:
            x, z: ``[n, ...]``, as of `mine_cli.estimate`: arrays, tensors, frames with the run's
                columns; classes as text or numbers, or one-hot coded.

        Raises:
            BadInput: for other columns, and for a class that the run did not have.
        """
        return super().pointwise(self.coded(x, "x"), self.coded(z, "z"))

    def evaluate(self, x: object, z: object, **options: Unpack[Crossing]) -> Evaluation:
        """Evaluates the bound on rows that the run has not seen, given as to `pointwise`."""
        return super().evaluate(self.coded(x, "x"), self.coded(z, "z"), **options)

    def coded(self, values: object, side: str) -> Tensor:
        """Returns rows as the networks know them."""
        if isinstance(values, Tensor):
            return values
        shape = tuple(getattr(values, "shape", (0,)))[1:]
        numbers = isinstance(values, numpy.ndarray) and values.dtype.kind in "biuf"
        if numbers and (shape == self.shapes[side] or side not in self.codings):
            return torch.from_numpy(values)
        if side not in self.codings:
            raise BadInput(f"{side}: want a tensor: the run kept no word of how it was coded")
        return self.codings[side](side, values)


def load_generator(folder: str | Path, trust: bool = False) -> "Sampler":
    """The generator of a ``task=gan`` run as it was judged last: the average, if one was kept.

    Arguments:
        folder, trust: as of `load`.

    Raises:
        BadInput: the folder holds no such run, none that was ever judged, a damaged file, or
            names code that is not the user's own.
    """
    cfg, best = finished(Path(folder), "gan", trust)
    with fitting(Path(folder)):
        latent = Latent(best["latent_dim"], cfg.task.latent, best["code_dim"])
        generator = build.module(cfg.generator, "generator", 0, latent.dim, tuple(best["shape"]))
        generator.load_state_dict(best["generator"])
    return Sampler(generator, latent).eval()


def load_classifier(folder: str | Path, trust: bool = False) -> TrainedBottleneck:
    """The classifier of a ``task=infobottleneck`` run: the averaged weights, if they were kept.

    ``predict_proba(x)`` gives probabilities, ``encode(x)`` codes; images are in [-1, 1], rows of a
    table as they stand in it.

    Arguments:
        folder, trust: as of `load`.

    Raises:
        BadInput: the folder holds no such run, none that was ever judged, a damaged file, or
            names code that is not the user's own.
    """
    cfg, best = finished(Path(folder), "infobottleneck", trust)
    if "shape" not in best:
        raise BadInput(f"{folder}: a run of a version that did not keep the shape of its rows")
    with fitting(Path(folder)):
        encoder = build.module(cfg.encoder, "encoder", 0, tuple(best["shape"]))
        num_classes, features = best["bottleneck"]["decoder.weight"].shape
        bottleneck = Bottleneck(encoder, features, num_classes)
        bottleneck.load_state_dict(best["bottleneck"])
        scale = best["scale"] and Standardise(**best["scale"])
    return TrainedBottleneck(
        bottleneck, best["shape"], best["classes"], scale, cfg.task.samples
    ).eval()


def load_autoencoder(folder: str | Path, trust: bool = False) -> Autoencoder:
    """The encoder and generator of a ``task=ali`` run as they were judged last.

    Their averages, if those were kept; in evaluation mode, on the CPU.

    Arguments:
        folder, trust: as of `load`.

    Raises:
        BadInput: the folder holds no such run, none that was ever judged, a damaged file, or
            names code that is not the user's own.
    """
    cfg, best = finished(Path(folder), "ali", trust)
    with fitting(Path(folder)):
        latent = Latent(best["latent_dim"], cfg.task.latent)
        model = autoencoder(cfg, tuple(best["shape"]), latent)
        model.load_state_dict(best["model"])
    return model.eval()


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


def finished(folder: Path, task: str, trust: bool) -> tuple[DictConfig, State]:
    """The configuration of a run of a task, and the network that it reported."""
    config = folder / ".hydra" / "config.yaml"
    if not config.exists():
        raise BadInput(f"{folder}: not a run of mine-run; want a folder with .hydra/config.yaml")
    cfg = read_yaml(config)
    if cfg is None:
        raise BadInput(f"{config}: damaged: not YAML of a configuration")
    if any(section not in cfg for section in SECTIONS):
        raise BadInput(f"{folder}: not a run of mine-run; its configuration is another program's")
    with fitting(folder):
        if cfg.task.name != task:
            raise BadInput(f"{folder}: a run of task={cfg.task.name}; want one of task={task}")
    import_from(trusted_folders(folder, trust, words=("", "load(..., trust=True)")))
    return at_home(cfg), checkpoint.load(folder / "checkpoints" / "best.pt")


@contextmanager
def fitting(folder: Path) -> Iterator[None]:
    """Raises BadInput where a checkpoint and a configuration are not of one run."""
    try:
        yield
    except (*UNFIT, OmegaConfBaseException) as stop:
        what = f"{folder}: checkpoints/best.pt and .hydra/config.yaml do not go together"
        raise BadInput(f"{what}: {error_lines(stop)[0]}") from stop


def of_old(best: State) -> list[State]:
    """Returns the folds of a run from before there were several critics."""
    as_they_are = [(torch.zeros(()), torch.ones(()))] * 2
    return [
        {
            "margins": [("standard", *({"mean": m, "std": s} for m, s in scales or as_they_are))],
            "members": [state],
        }
        for state, scales in zip(best["members"], best["scales"], strict=True)
    ]


class Scorer(nn.Module):
    """The log-ratio of one fold: its critics at their best, on rows as the run was given them.

    Arguments:
        state: what `Fold.best` has kept.
        make_term: makes the run's term, untrained.
    """

    constant: Tensor

    def __init__(self, state: State, make_term: Callable[[], MutualInformation] | None) -> None:
        super().__init__()
        self.terms = [] if make_term is None else [make_term() for _ in state["members"]]
        for term, kept in zip(self.terms, state["members"], strict=True):
            term.load_state_dict(kept)
        self.margins = nn.ModuleList(
            margins_of(kind, side) for kind, *sides in state["margins"] for side in sides
        )
        networks: list[nn.Module] = [term.network for term in self.terms]
        views = [*range(len(networks))]
        for name, view, kept in state.get("fitted", ()):
            networks.append(CLOSED_FORMS[name].of(kept))
            views.append(view)
        if len(networks) == 1 and self.terms:
            self.network, constant = networks[0], self.terms[0].log_partition
        else:
            critics = [
                Critic(network, *columns(v, state["widths"]), limits)
                for network, v, limits in zip(networks, views, state["limits"], strict=True)
            ]
            self.network = Combination(critics, state["weights"])
            constant = torch.tensor(state["log_partition"])
        self.register_buffer("constant", constant)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Returns the log-ratios of paired rows ``[n]``, in nats."""
        sides = [self.seen(x, 0), self.seen(z, 1)]
        return self.network(*sides) - self.constant

    def seen(self, values: Tensor, side: int) -> Tensor:
        """Returns one side's rows on the margins of every critic, their columns side by side."""
        views = [margins(values) for margins in list(self.margins)[side::2]]
        return views[0] if len(views) < 2 else torch.cat(views, 1)


class Committee(nn.Module):
    """The mean log-ratio of a finished run's folds, on rows as the run was given them.

    Arguments:
        scorers: one for each fold.
        x_shape, z_shape: of one x and of one z.
    """

    def __init__(
        self, scorers: Sequence[Scorer], x_shape: tuple[int, ...], z_shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.scorers = nn.ModuleList(scorers)
        self.shapes = {"x": x_shape, "z": z_shape}

    def checked(self, values: Tensor, side: str) -> Tensor:
        """Returns one side's rows; ``[n]`` is one column."""
        if values.dim() == 1 and len(self.shapes[side]) == 1:
            values = values[:, None]
        if tuple(values.shape[1:]) != self.shapes[side]:
            raise BadInput(
                f"{side} has rows of shape {tuple(values.shape[1:])}; the run was trained on "
                f"{self.shapes[side]}"
            )
        return values

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Returns the log-ratios of paired rows ``[n]``, in nats."""
        x, z = self.checked(x, "x"), self.checked(z, "z")
        return torch.stack([scorer(x, z) for scorer in self.scorers], -1).mean(-1).float()
