r"""Scores of joint and marginal pairs, each network's first layer computed once per row.

A statistics network offers ``embed(x, z) -> a [n, h], b [m, h]`` (row by row) and
``head(a, b) -> scores``, which broadcasts over leading dimensions: ``head(a[:, None], b[None])``
is the score matrix. Scores are ``t_joint [n]`` and ``t_marginal [n, k]``: row i's marginal pairs
share x_i.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mine_cli.errors import BadInput
from mine_cli.marginals import Marginals
from mine_cli.networks.interface import Noise, StatisticsNetwork, given

__all__ = ["cross", "score", "score_groups", "score_pairs"]


# Pairs scored at once where whole groups are crossed: beyond this, row blocks are recomputed in
# the backward pass, which is faster (a block stays in cache) and bounds the memory.
PAIRS_AT_ONCE = 2**14


def score(
    network: StatisticsNetwork,
    marginals: Marginals,
    x: Tensor,
    z: Tensor,
    pairing: Tensor | None = None,
    noise: Noise | None = None,
) -> tuple[Tensor, Tensor]:
    """Scores the joint pairs ``[n]`` and k marginal pairs a row ``[n, k]``.

    ``pairing [n, k]`` holds the rows of z that each x is paired with; None crosses groups.
    """
    if pairing is None:
        if marginals.rows is None:
            raise BadInput(
                f"{type(marginals).__name__}: its pairs are drawn; want a pairing [n, k]"
            )
        return score_groups(network, x, z, marginals, noise)
    return score_pairs(network, x, z, pairing, noise)


def score_pairs(
    network: StatisticsNetwork, x: Tensor, z: Tensor, pairing: Tensor, noise: Noise | None = None
) -> tuple[Tensor, Tensor]:
    """Scores the joint pairs ``[n]`` and row i with the z rows ``pairing[i]``, ``[n, k]``."""
    n, k = pairing.shape
    # One gather for joint and marginal pairs alike: its gradient is one scatter.
    rows = torch.cat([torch.arange(n, device=pairing.device), pairing.T.flatten()])
    a, b = network.embed(x, z, *given(noise))
    b = b.index_select(0, rows).unflatten(0, (1 + k, n))
    t = network.head(a, b, *given(noise))
    return t[0], t[1:].T


def score_groups(
    network: StatisticsNetwork,
    x: Tensor,
    z: Tensor,
    marginals: Marginals,
    noise: Noise | None = None,
) -> tuple[Tensor, Tensor]:
    """Scores the joint pairs ``[n]`` and row i with every other of its group ``[n, rows - 1]``.

    n is cut to whole groups of one size (at most groups - 1 rows are left out).
    """
    groups, rows = marginals.groups(len(x))
    a, b = network.embed(x, z, *given(noise))
    a, b = (side[: groups * rows].unflatten(0, (groups, rows)) for side in (a, b))
    matrix = cross(network, a, b, noise)
    t_joint = matrix.diagonal(dim1=-2, dim2=-1)
    # Without its first entry the flat matrix is runs of `rows` off-diagonal scores, each followed
    # by a diagonal one: the off-diagonal part without a gather.
    rest = matrix.flatten(-2)[..., 1:].unflatten(-1, (rows - 1, rows + 1))[..., :-1]
    return t_joint.flatten(), rest.reshape(groups * rows, rows - 1)


def cross(network: StatisticsNetwork, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
    """Returns the score matrices ``[groups, rows, rows]`` of embedded groups, in row blocks."""
    groups, rows = a.shape[:2]
    block = max(1, PAIRS_AT_ONCE // (groups * rows))
    # A frozen network (`maximise`, `minimise`) is not recomputed: by then it would not be frozen.
    recompute = block < rows and torch.is_grad_enabled() and trainable(network)
    score_block: Callable[..., Tensor] = network.head
    if recompute:
        score_block = partial(checkpoint, network.head, use_reentrant=False)
    parts = []
    for start in range(0, rows, block):
        part = slice(start, start + block)
        own = noise and {
            key: value if key in ("x", "z") else value[:, part] for key, value in noise.items()
        }
        parts.append(score_block(a[:, part, None], b[:, None], *given(own)))
    return torch.cat(parts, dim=1)


def trainable(network: StatisticsNetwork) -> bool:
    return any(p.requires_grad for p in network.parameters())
