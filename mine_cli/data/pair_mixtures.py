"""Mixtures of Gaussians of x and z together, whose information a large sample tells."""

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Generator, Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from mine_cli.data.laws import Law, refuse_unfit
from mine_cli.data.transforms import spiral

__all__ = ["LAWS", "PairMixture", "information"]

TRUTH_ROWS, TRUTH_BLOCK, TRUTH_SEED = 400_000, 50_000, 0

Components = tuple[Tensor, Tensor]
"""Means ``[k, m + 1]`` and covariances ``[k, m + 1, m + 1]`` of equal shares, float64."""

# Strokes of a capital M and an I: from, to.
STROKES = (
    ((-1.6, -1.0), (-1.4, 1.0)),
    ((-1.4, 1.0), (-0.8, -0.4)),
    ((-0.8, -0.4), (-0.2, 1.0)),
    ((-0.2, 1.0), (0.0, -1.0)),
    ((1.0, -1.0), (1.0, 1.0)),
)
THICKNESS = 0.08  # standard deviation across a stroke


def cross() -> Components:
    """Two Gaussians of correlation 0.9 and -0.9 around the origin: uncorrelated, yet dependent."""
    slant = torch.tensor([[0.0, 0.9], [0.9, 0.0]], dtype=torch.float64)
    return torch.zeros(2, 2).double(), torch.eye(2).double() + torch.stack([slant, -slant])


def letters() -> Components:
    """A Gaussian along each stroke of two letters, as wide along it as points spread evenly."""
    ends = torch.tensor(STROKES, dtype=torch.float64)
    along = ends[:, 1] - ends[:, 0]
    spread = along[:, :, None] * along[:, None, :] / 12
    return ends.mean(1), spread + THICKNESS**2 * torch.eye(2).double()


def galaxy() -> Components:
    """Two round clouds, of which x of two columns is then turned the more the further out."""
    means = torch.tensor([[-1.5] * 3, [1.5] * 3], dtype=torch.float64)
    return means, torch.eye(3).double().repeat(2, 1, 1)


def waves() -> Components:
    """Eight upright clouds in x, their z in turn at four places, which are then bent to waves."""
    place = torch.arange(8, dtype=torch.float64)
    means = 1.5 * torch.stack([place, torch.zeros(8).double(), place % 4], 1)
    return means, torch.tensor([0.1, 1.0, 0.1]).double().diag().repeat(8, 1, 1)


def bent(x: Tensor) -> Tensor:
    """Bends the upright lines of the plane to waves, and brings them to unit scale."""
    shift = 3 * (3 * x[:, 1]).sin()
    return torch.stack([(x[:, 0] + shift - 5.25) / 4, x[:, 1]], 1)


LAWS = {
    "cross": (cross, None),
    "letters": (letters, None),
    "galaxy": (galaxy, spiral(0)),
    "waves": (waves, bent),
}
"""Name -> its components, the last column of which is z, and an invertible map of x, if any."""


class PairMixture(Law):
    r"""Gaussians of equal shares in x and z together; x is then mapped invertibly.

    .. math:: I(X; Z) = E \log \frac{p(x, z)}{p(x) \, p(z)}

    where each density is a sum of Gaussian ones; the mean is over 400,000 draws of a fixed seed,
    whose error stands in the note.

    Arguments:
        law: ``cross`` and ``letters`` have one column of x and one of z, ``galaxy`` and ``waves``
            two of x.
        transform, n, seed: As in `Law`.

    References:
        | On the Properties and Estimation of Pointwise Mutual Information Profiles (Czyż et al.,
        | 2025), on mixtures as benchmarks https://arxiv.org/abs/2310.10240
    """

    def __init__(
        self,
        law: str = "cross",
        transform: Sequence[str] = (),
        n: int | None = None,
        seed: int = 0,
    ) -> None:
        faults = [] if law in LAWS else [f"dataset.law={law}: want one of {', '.join(LAWS)}"]
        refuse_unfit(faults, transform, n)
        self.law = law
        components, self.map = LAWS[law]
        self.means, covariances = components()
        self.roots = torch.linalg.cholesky(covariances)
        truth, error = information(law)
        note = f"mean log-ratio of {TRUTH_ROWS:,} draws, within {2 * error:.4f}"
        super().__init__(truth, note, transform, n, seed)

    def draw(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        device, (k, columns) = generator.device, self.means.shape
        which = torch.randint(k, (n,), generator=generator, device=device)
        noise = torch.randn((n, columns), generator=generator, device=device)
        roots, means = self.roots.to(noise)[which], self.means.to(noise)[which]
        rows = means + (roots @ noise[:, :, None])[:, :, 0]
        x, z = rows[:, :-1], rows[:, -1:]
        return (x if self.map is None else self.map(x)), z


@cache
def information(law: str) -> tuple[float, float]:
    """Returns the information in nats, and the standard error of that mean."""
    means, covariances = LAWS[law][0]()
    joint = mixture(means, covariances)
    of_x = mixture(means[:, :-1], covariances[:, :-1, :-1])
    of_z = mixture(means[:, -1:], covariances[:, -1:, -1:])
    roots, terms = torch.linalg.cholesky(covariances), []
    generator = torch.Generator().manual_seed(TRUTH_SEED)
    for _ in range(0, TRUTH_ROWS, TRUTH_BLOCK):
        # As many rows of each component: only their places within are left to chance.
        which = torch.arange(TRUTH_BLOCK) % len(means)
        noise = torch.randn((TRUTH_BLOCK, means.shape[1]), generator=generator).double()
        rows = means[which] + (roots[which] @ noise[:, :, None])[:, :, 0]
        apart = of_x.log_prob(rows[:, :-1]) + of_z.log_prob(rows[:, -1:])
        terms.append(joint.log_prob(rows) - apart)
    ratios = torch.cat(terms)
    return float(ratios.mean()), float(ratios.std()) / math.sqrt(len(ratios))


def mixture(means: Tensor, covariances: Tensor) -> MixtureSameFamily:
    """Returns the mixture of Gaussians of equal shares."""
    shares = Categorical(torch.ones(len(means)).double())
    return MixtureSameFamily(shares, MultivariateNormal(means, covariances))
