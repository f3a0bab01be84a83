"""What several jobs need: sections of the configuration, and a first pass through a network."""

from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from mine_cli.errors import BadInput
from mine_cli.estimator import MutualInformation

__all__ = ["UNKNOWN", "forward_pass", "sections"]

UNKNOWN: dict[str, None] = dict.fromkeys(
    (
        "estimate", "standard_error", "lower_bound", "effective_sample_size", "marginal_pairs",
        "error",
    )
)  # fmt: skip
"""What a result says of its estimate as long as there is none."""


def sections(cfg: DictConfig, *names: str) -> dict[str, Any]:
    """Sections of the configuration as plain values, for a result."""
    resolved: Any = OmegaConf.to_container(cfg, resolve=True)
    return {name: resolved[name] for name in names}


def forward_pass(term: MutualInformation, x: Tensor, z: Tensor) -> None:
    """Score a few rows, so that shapes that don't fit are found at once."""
    try:
        with torch.no_grad():
            scores = term.eval().network(x, z)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise BadInput(
            f"network: {type(term.network).__name__} cannot score x {list(x.shape)} with z "
            f"{list(z.shape)}: {str(error).splitlines()[0]}"
        ) from error
    if scores.shape != (len(x),):
        raise BadInput(
            f"network: scores of {len(x)} rows have shape {list(scores.shape)}; want [{len(x)}]"
        )
