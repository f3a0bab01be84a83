"""Functions of several tasks: sections of a configuration, a first pass, comparisons, pictures."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar, cast

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from mine_cli import figures
from mine_cli.config.validation import Settings, values_of
from mine_cli.errors import BadInput
from mine_cli.estimator.inputs import check_scores
from mine_cli.estimator.term import MutualInformation
from mine_cli.results.files import Result
from mine_cli.results.provenance import ELSEWHERE

__all__ = [
    "UNKNOWN",
    "common",
    "drawn",
    "forward_pass",
    "options",
    "passed",
    "sections",
    "trained_alike",
]

T = TypeVar("T")

UNKNOWN: dict[str, None] = dict.fromkeys(
    (
        "estimate", "standard_error", "lower_bound", "effective_sample_size", "marginal_pairs",
        "error",
    )
)  # fmt: skip
"""What a result says of its estimate as long as there is none."""


def sections(cfg: DictConfig, *names: str) -> Settings:
    """Returns sections of the configuration as plain values, for a result."""
    resolved = values_of(cfg)
    return {name: resolved[name] for name in names}


def options(node: DictConfig, kind: type[T]) -> T:
    """Returns a section of the configuration as the object of its schema."""
    return cast(T, OmegaConf.to_object(node))


def forward_pass(term: MutualInformation, x: Tensor, z: Tensor) -> None:
    """Scores a few rows; raises BadInput where their shapes do not fit the network."""
    check_scores(term.eval().network, x, z)


def passed(what: str, module: nn.Module, *inputs: Tensor) -> Tensor:
    """A forward pass of a few rows; what cannot take them is one line."""
    try:
        with torch.no_grad():
            return module.eval()(*inputs)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        shapes = " and ".join(str(list(rows.shape)) for rows in inputs)
        raise BadInput(
            f"{what}: {type(module).__name__} cannot take {shapes}: {str(error).splitlines()[0]}"
        ) from error


def common(result: Result, arm: Mapping[str, Collection[str]]) -> str:
    """Returns what the runs of a comparison must share: sections without what may differ.

    Arguments:
        result: What stands in result.json.
        arm: Section -> the keys in which runs may differ, beside where they ran.
    """
    kept: Result = {"task": result.get("task")}
    for section, differing in arm.items():
        left_out = {*differing, *ELSEWHERE.get(section, ())}
        found = result.get(section) or {}
        kept[section] = {key: value for key, value in found.items() if key not in left_out}
    return json.dumps(kept, sort_keys=True)


def trained_alike(cfg: DictConfig, *names: str, but: Collection[str] = ()) -> Settings:
    """Returns the sections of these names, and what else jobs must share to be stacked.

    Arguments:
        cfg: of a job.
        names: of the sections.
        but: keys of the trainer in which they may differ.
    """
    left_out = {*but, "progress"}
    return {
        **sections(cfg, *names),
        "trainer": {k: v for k, v in values_of(cfg.trainer).items() if k not in left_out},
        "deterministic": cfg.deterministic,
        "folds": cfg.folds,
    }


def drawn(folder: Path, *names: str) -> dict[str, Path]:
    """Draws the pictures of these names; returns those for which there are data."""
    found = {name: getattr(figures, name)(folder) for name in names}
    return {name: path for name, path in found.items() if path is not None}
