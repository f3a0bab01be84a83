r"""One batch whose rows are scored by several processes, with the gradient of one that scores all.

Log-mean-exp is no mean over rows, so neither the losses nor the gradients of parts of a batch can
be averaged. Here every process has the same weights, batch and pairing; each scores its own share
of the rows, the scores are gathered, and every process takes the loss of all of them.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mine_cli.errors import BadInput
from mine_cli.estimator.gathered import Gathered
from mine_cli.estimator.scoring import score_groups, score_pairs
from mine_cli.estimator.term import MutualInformation
from mine_cli.marginals import AllPairs
from mine_cli.networks.interface import Noise

__all__ = ["SharedBatch"]


class SharedBatch(nn.Module):
    """A term's forward pass, each rank scoring its own rows of the batch.

    Arguments:
        term: a `MutualInformation` whose weights are the same on all ranks.
    """

    def __init__(self, term: MutualInformation) -> None:
        super().__init__()
        self.term = term

    def forward(
        self, x: Tensor, z: Tensor, pairing: Tensor | None = None, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the loss of the whole batch and its detached scores, as the term itself does."""
        t_joint, t_marginal = self.own_scores(x, z, pairing, noise)
        scores = Gathered.apply(torch.cat([t_joint[:, None], t_marginal], 1))
        t_joint, t_marginal = scores[:, 0], scores[:, 1:]
        loss = self.term.bound.loss(t_joint, t_marginal)
        return loss, t_joint.detach(), t_marginal.detach()

    def own_scores(
        self, x: Tensor, z: Tensor, pairing: Tensor | None, noise: Noise | None
    ) -> tuple[Tensor, Tensor]:
        """Returns this rank's part of the scores: joint ``[m]``, marginal ``[m, k]``."""
        if pairing is None:
            return self.own_groups(x, z, noise)
        own = own_slice(len(x), "rows")
        rows, partners = needed_rows(pairing[own], len(z), own.start)
        if noise is not None:
            noise = {
                key: value[own] if key == "x" else value[rows] if key == "z" else value[:, own]
                for key, value in noise.items()
            }
        z = z.index_select(0, rows)
        return score_pairs(self.term.network, x[own], z, partners, noise)

    def own_groups(self, x: Tensor, z: Tensor, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """Returns the scores of whole groups, each crossed by one rank."""
        groups, rows = self.term.marginals.groups(len(x))
        own = own_slice(groups, "groups")
        in_rows = slice(own.start * rows, own.stop * rows)
        if noise is not None:
            noise = {k: v[in_rows if k in ("x", "z") else own] for k, v in noise.items()}
        return score_groups(self.term.network, x[in_rows], z[in_rows], AllPairs(rows), noise)


def own_slice(n: int, what: str) -> slice:
    """Returns this rank's equal share of n things.

    Raises:
        BadInput: where they cannot be shared out evenly.
    """
    num_ranks = dist.get_world_size()
    if n % num_ranks:
        raise BadInput(f"{n} {what} of a batch cannot be shared evenly by {num_ranks} processes")
    share = n // num_ranks
    return slice(share * dist.get_rank(), share * (dist.get_rank() + 1))


def needed_rows(pairing: Tensor, num_z: int, start: int) -> tuple[Tensor, Tensor]:
    """Returns the rows of z that a share of the pairs needs, and the pairing in terms of them.

    The share's own rows come first, as `score_pairs` takes them for the joint pairs. As few rows
    as can be: a row of z is embedded once for each time that it is listed.

    Arguments:
        pairing: of the share's m rows, ``[m, k]``, into the num_z rows of z.
        num_z: how many there are.
        start: where the share begins.
    """
    m, k = pairing.shape
    if m * (1 + k) < num_z:
        own = torch.arange(start, start + m, device=pairing.device)
        partners = torch.arange(m, m * (1 + k), device=pairing.device)
        return torch.cat([own, pairing.flatten()]), partners.view(m, k)
    every = torch.arange(start, start + num_z, device=pairing.device) % num_z
    return every, (pairing - start) % num_z
