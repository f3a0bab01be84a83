"""Small networks of many pairs, trained as one on their fit rows, each kept at its best."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mine_cli.bounds import log_mean_exp
from mine_cli.config.schemas import TrainerConf
from mine_cli.estimator.ensemble import Ensemble
from mine_cli.estimator.term import MutualInformation
from mine_cli.marginals import Derangement
from mine_cli.networks.mlp import MLP
from mine_cli.tasks.screen.tables import Part, held_out, over_cells
from mine_cli.training.optim import set_rate

__all__ = ["term_of", "trained_tables"]

ACTIVATION = "relu"  # of cells it learns no less than gelu does, for less arithmetic
LOOKS = 3  # at the select rows while they are trained
STEPS_AT_ONCE = 64  # whose batches are drawn in one go


def trained_tables(
    parts: Sequence[Part], widths: Sequence[int], trainer: TrainerConf, seed: int
) -> list[Tensor | None]:
    """Trains a network of the centres of x's and z's cells for each part, those of one shape as
    one.

    Returns:
        T of every pair of a part's cells; None of a network that training has not made better
        than it began, on the select rows.

    Arguments:
        parts: not more than are trained as one.
        widths: of the hidden layers.
        trainer: steps, batch size and rate of each network.
        seed: of the weights and the batches.
    """
    tables: list[Tensor | None] = [None] * len(parts)
    for shape in dict.fromkeys(map(shape_of, parts)):
        these = [r for r, part in enumerate(parts) if shape_of(part) == shape]
        found = of_one_shape([parts[r] for r in these], widths, trainer, seed)
        for r, table in zip(these, found, strict=True):
            tables[r] = table
    return tables


def shape_of(part: Part) -> tuple[int, int]:
    """Returns of how many numbers the centres of x and of z are."""
    return part.x.centres.shape[1], part.z.centres.shape[1]


def of_one_shape(
    parts: Sequence[Part], widths: Sequence[int], trainer: TrainerConf, seed: int
) -> list[Tensor | None]:
    terms = [term_of(widths, seed, shape_of(part)) for part in parts]
    ensemble = Ensemble(
        terms, trainer.lr, trainer.weight_decay, compiled=trainer.compile, betas=trainer.moments
    )
    best: list[Tensor | None] = [None] * len(parts)
    values = [0.0] * len(parts)
    looks = {math.ceil(trainer.steps * (i + 1) / LOOKS) for i in range(LOOKS)}
    for step, (x, z, pairing) in enumerate(batches(parts, trainer, seed), 1):
        set_rate(ensemble.optimizer, trainer, step)
        ensemble.train(*((x, z, pairing) if len(parts) > 1 else (x[0], z[0], pairing[0])))
        if step in looks:
            for r, (term, part) in enumerate(zip(terms, parts, strict=True)):
                table, value = looked_at(term, part)
                if value > values[r]:
                    best[r], values[r] = table, value
    return best


def term_of(
    widths: Sequence[int], seed: int, shape: tuple[int, int] = (1, 1)
) -> MutualInformation:
    """Returns a term of x and z of so many numbers; all begin alike."""
    x, z = shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MLP((x,), (z,), widths, ACTIVATION)
        return MutualInformation(network, "dv", Derangement(), seed=seed)


def batches(
    parts: Sequence[Part], trainer: TrainerConf, seed: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yields x and z ``[R, batch, d]`` of fit rows, drawn anew each, and pairings."""
    generator = torch.Generator().manual_seed(seed)
    size, marginals = trainer.batch_size, Derangement()
    for start in range(0, trainer.steps, STEPS_AT_ONCE):
        steps = min(STEPS_AT_ONCE, trainer.steps - start)
        drawn = [drawn_scores(part, steps * size, generator) for part in parts]
        x, z = (
            torch.stack([side.unflatten(0, (steps, size)) for side in sides], 1)
            for sides in zip(*drawn, strict=True)
        )
        pairing = marginals.pairings(steps, size, generator)
        for i in range(steps):
            yield x[i], z[i], pairing[i].expand(len(parts), -1, -1)


def drawn_scores(part: Part, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws fit rows with replacement: the centres ``[number, d]`` of x's cells and of z's."""
    which = torch.randint(len(part.fit), (number,), generator=generator)
    return part.scores(part.fit[which])


@torch.no_grad()
def looked_at(term: MutualInformation, part: Part) -> tuple[Tensor, float]:
    """Returns a network's T of every pair of cells, and its bound on the select rows, in nats."""
    table = over_cells(term.network, part)
    joint, marginal = held_out(table[None], part)
    return table, float(joint.double().mean() - log_mean_exp(marginal[0]))
