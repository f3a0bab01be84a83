"""From a configuration to objects, and whether they fit: the only place that instantiates."""

import json
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mine_cli.bounds import OneFormula
from mine_cli.data import Rows, finite_rows
from mine_cli.data.split import group_column
from mine_cli.errors import BadInput
from mine_cli.estimator import MutualInformation
from mine_cli.machine import device
from mine_cli.scoring import group_shape
from mine_cli.tasks.feeds import stream
from mine_cli.tasks.parts import Parts, of_law, of_rows
from mine_cli.validation import validate

__all__ = ["Data", "check", "check_data", "data_of", "dry_run", "split", "term", "type_name"]

FEWEST_ROWS = 20  # to cross with one another in an evaluation


class Data:
    """A data set as configured: the object itself, and its rows if they are finite."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.rows: Rows | None = finite_rows(dataset)
        source = dataset if self.rows is None else self.rows
        self.true_mi: float | None = getattr(source, "true_mi", None)
        self.true_mi_note: str = getattr(source, "true_mi_note", "")
        self.files: list[Path] = list(getattr(dataset, "files", []))
        # What a fingerprint knows of rows that come from no file.
        self.content: str | None = getattr(dataset, "content", None)

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one x and of one z."""
        if self.rows is not None:
            x, z = self.rows.x, self.rows.z
        else:
            x, z = self.dataset.sample(2, torch.Generator().manual_seed(0))
        return tuple(x.shape[1:]), tuple(z.shape[1:])


# The checks before a run and the run itself need the same data: a large file is read once.
_latest: dict[str, Data] = {}


def data_of(cfg: DictConfig) -> Data:
    """The data set of a configuration; the latest one is kept."""
    conf = OmegaConf.to_container(cfg.dataset, resolve=True)
    column = group_column(cfg.split)
    key = json.dumps([conf, column], sort_keys=True, default=str)
    if key not in _latest:
        options = {} if column is None else {"group_column": column}
        found = Data(make(cfg.dataset, "dataset", **options))
        _latest.clear()
        _latest[key] = found
    return _latest[key]


def make(node: DictConfig, what: str, *args: Any, **options: Any) -> Any:
    """The object that a `_target_` names; what it refuses is one line."""
    try:
        return instantiate(node, *args, **options)
    except InstantiationException as error:
        if isinstance(error.__cause__, BadInput):
            raise error.__cause__ from None
        # The cause itself where the constructor failed; Hydra's own words where it found no class.
        told = error if "Error loading" in str(error) else error.__cause__ or error
        lines = [line.strip() for line in str(told).splitlines() if "full_key:" not in line]
        reason = " ".join(line for line in lines if line)
        raise BadInput(f"{what}: {node.get('_target_')}: {reason}") from error


def term(
    cfg: DictConfig, x_shape: tuple[int, ...], z_shape: tuple[int, ...], seed: int
) -> MutualInformation:
    """The configured MI term, its network initialised from this seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make(cfg.network, "network", x_shape, z_shape)
        bound = make(cfg.bound, "bound")
    if not hasattr(bound, "loss"):
        bound = OneFormula(bound)
    marginals = make(cfg.marginals, "marginals")
    return MutualInformation(network, bound, marginals, lr=cfg.trainer.lr, seed=seed)


def check(cfg: DictConfig) -> None:
    """Raise BadInput with whatever would stop this run: before any folder exists."""
    faults = validate(cfg)
    if faults:
        raise BadInput(*faults)
    device(cfg.trainer.device)
    check_data(cfg, data_of(cfg))


def check_data(cfg: DictConfig, data: Data) -> None:
    """Raise BadInput where data and configuration don't go together."""
    for parts in split(cfg, data, torch.device("cpu")):
        if parts.law is None:
            check_sizes(cfg, parts)
    forward_pass(cfg, data)


def check_sizes(cfg: DictConfig, parts: Parts) -> None:
    """Raise BadInput where the fit rows do not fill a batch, or a part is too small to cross."""
    fit, select, report = (len(part[0]) for part in (parts.fit, parts.select, parts.report))
    faults = []
    if fit < cfg.trainer.batch_size:
        faults.append(
            f"trainer.batch_size={cfg.trainer.batch_size}: larger than the {fit} rows that train; "
            f"want at most {fit}"
        )
    if min(select, report) < FEWEST_ROWS:
        faults.append(
            f"dataset: {select} rows to select and {report} to report; want at least "
            f"{FEWEST_ROWS} of each: more rows, or other task.fractions"
        )
    if faults:
        raise BadInput(*faults)


def split(cfg: DictConfig, data: Data, where: torch.device) -> list[Parts]:
    """Each fold's fit, select and report parts."""
    task = cfg.task
    if data.rows is None:
        if cfg.folds > 1:
            raise BadInput(
                f"folds={cfg.folds}: fresh draws have no folds; want folds=1 or dataset.n=..."
            )
        return [of_law(data.dataset, task.select_rows, task.report_rows, cfg.seed, where)]
    return of_rows(data.rows, cfg.folds, cfg.split, list(task.fractions), cfg.seed, where)


def forward_pass(cfg: DictConfig, data: Data) -> MutualInformation:
    """Build the term and score two rows, so that shapes that don't fit are found at once."""
    found = term(cfg, *data.shapes(), seed=stream(cfg.seed, "network"))
    if data.rows is not None:
        x, z = data.rows.x[:4], data.rows.z[:4]
    else:
        x, z = data.dataset.sample(4, torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            scores = found.eval().network(x, z)
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadInput(
            f"network: {type(found.network).__name__} cannot score x {list(x.shape)} with z "
            f"{list(z.shape)}: {str(error).splitlines()[0]}"
        ) from error
    if scores.shape != (len(x),):
        raise BadInput(
            f"network: scores of {len(x)} rows have shape {list(scores.shape)}; want [{len(x)}]"
        )
    return found


def dry_run(cfg: DictConfig) -> str:
    """Build everything, pass a few rows forward, and say what would run; writes nothing."""
    check(cfg)
    data = data_of(cfg)
    found = forward_pass(cfg, data)
    x_shape, z_shape = data.shapes()
    count = sum(p.numel() for p in found.parameters())
    truth = "not known" if data.true_mi is None else f"{data.true_mi:.4f} nats"
    rows = "fresh draws" if data.rows is None else f"{len(data.rows)} rows"
    groups, size = group_shape(cfg.trainer.batch_size, found.marginals)
    pairs = groups * size * (size - 1) or cfg.trainer.batch_size * getattr(
        found.marginals, "num", 1
    )
    lines = {
        "dataset": f"{type(data.dataset).__name__}, {rows}; x {x_shape}, z {z_shape}",
        "truth": truth,
        "network": f"{type_name(cfg.network)}, {count:,} parameters",
        "bound": type_name(cfg.bound),
        "marginals": f"{type(found.marginals).__name__}, {pairs:,} pairs a batch",
        "training": f"{cfg.trainer.steps} steps of {cfg.trainer.batch_size} rows on "
        f"{device(cfg.trainer.device)}, {cfg.folds} network(s)",
    }
    width = max(map(len, lines))
    listing = "\n".join(f"{key:{width}}  {value}" for key, value in lines.items())
    return f"{listing}\nEverything builds and one forward pass ran; nothing was written."


def type_name(node: DictConfig) -> str:
    """The last part of a node's `_target_`."""
    return str(node.get("_target_", "")).rsplit(".", 1)[-1]
