"""Builds objects from a configuration; nothing else instantiates."""

import json
from collections.abc import Sequence
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig
from torch import nn

from mine_cli.bounds import Bound, as_bound
from mine_cli.config.validation import values_of
from mine_cli.data.split import group_column
from mine_cli.errors import BadInput
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.interface import Bounded

__all__ = ["Datasets", "dataset_of", "make", "module", "term", "type_name"]


def dataset_of(cfg: DictConfig) -> object:
    """Builds the data set of a configuration."""
    column = group_column(cfg.split)
    options = {} if column is None else {"group_column": column}
    return make(cfg.dataset, "dataset", **options)


class Datasets:
    """Builds the data sets of one job after another, and keeps the latest.

    The jobs of a sweep often share a data set: a large file is read once for those in a row.
    """

    def __init__(self) -> None:
        self.key = ""
        self.latest: object = None

    def of(self, cfg: DictConfig) -> object:
        """Returns the data set of a configuration: the latest one where that is the same."""
        conf = values_of(cfg.dataset)
        key = json.dumps([conf, group_column(cfg.split)], sort_keys=True, default=str)
        if key != self.key:
            self.latest = dataset_of(cfg)
            self.key = key
        return self.latest


def make(node: DictConfig, what: str, *args: object, **options: object) -> Any:
    """Builds the object that a `_target_` names; raises BadInput with one line where it fails."""
    try:
        return instantiate(node, *args, **options)
    except InstantiationException as error:
        if isinstance(error.__cause__, BadInput):
            raise error.__cause__ from None
        # The cause itself where the constructor failed; Hydra's own words where it found no class.
        told = error if "Error loading" in str(error) else error.__cause__ or error
        lines = [line.strip() for line in str(told).splitlines() if "full_key:" not in line]
        reason = " ".join(line for line in lines if line)
        if "allocate" in reason:
            sizes = ", ".join(f"{what}.{size}" for size in largest(node))
            raise BadInput(f"{sizes}: more than the memory can hold") from error
        raise BadInput(f"{what}: {node.get('_target_')}: {reason}") from error


def largest(node: DictConfig) -> list[str]:
    """Returns the settings of an object that hold the largest numbers, at most three, as typed."""
    sizes: dict[str, float] = {}
    for key, value in node.items():
        numbers = list(value) if isinstance(value, ListConfig) else [value]
        sizes[str(key)] = max((n for n in numbers if isinstance(n, int | float)), default=0)
    keys = sorted((key for key in sizes if sizes[key] > 1), key=lambda key: -sizes[key])
    return [f"{key}={node[key]}".replace(" ", "") for key in keys[:3]]


def module(node: DictConfig, what: str, seed: int, *args: object) -> nn.Module:
    """Builds the module that a `_target_` names, initialised from this seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(node, what, *args)


def term(
    cfg: DictConfig,
    x_shape: Sequence[int],
    z_shape: Sequence[int],
    seed: int,
    limit: float | None = None,
) -> MutualInformation:
    """Builds the MI term, its network initialised from this seed, T within a limit if any."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make(cfg.network, "network", x_shape, z_shape)
        bound = as_bound(make(cfg.bound, "bound"))
    start_at_independence(network, bound)
    if limit is not None:
        network = Bounded(network, limit)
    marginals = make(cfg.marginals, "marginals")
    return MutualInformation(network, bound, marginals, lr=cfg.trainer.lr, seed=seed)


@torch.no_grad()
def start_at_independence(network: nn.Module, bound: Bound) -> None:
    """Adds to T the score that the bound wants where x and z have nothing in common.

    That is 1 for MINE-f. From a start at 0 the first steps raise T, through every weight there is;
    the hidden units that this bends are lost, and in a narrow network they are too many to lose.
    """
    constant = getattr(network, "constant", None)
    if constant is not None:
        constant += bound.at_independence


def type_name(node: DictConfig) -> str:
    """Returns the last part of a node's `_target_`."""
    return str(node.get("_target_", "")).rsplit(".", 1)[-1]
