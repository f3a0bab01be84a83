"""The log-ratio of jointly Gaussian or Student variables, fitted in closed form."""

import math
from collections.abc import Mapping
from typing import Self

import torch
from scipy import special
from torch import Tensor

from mine_cli.networks.interface import Noise, StatisticsNetwork

__all__ = ["Elliptical"]

# Degrees of freedom that are tried; infinitely many are the Gaussian.
DEGREES = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, math.inf)

ITERATIONS = 12  # of the fixed point that fits a dispersion; each divides its error by ten or so
FLOOR = 1e-6  # of a dispersion's eigenvalues, for columns that follow from others
STRONGEST = 0.999999  # correlation: beyond it a score would not be finite
ROWS_A_COLUMN = 2  # fewer, and a dispersion says nothing
FURTHEST = 8.0  # normal score: what lies further out is taken for as far


class Elliptical(StatisticsNetwork):
    r"""The log-ratio of two variables whose normal scores are those of an elliptical law.

    Each column's normal score y becomes the t-score :math:`F_\nu^{-1}(\Phi(y))`; together these
    are taken for a Student vector of dispersion S and nu degrees of freedom (a Student copula, and
    a Gaussian one for infinitely many). In canonical coordinates u of x and v of z, whose
    correlations are r, the log-ratio has the closed form

    .. math::
        T &= c - \tfrac12 \sum_k \log(1 - r_k^2) - \tfrac{\nu + m + n}{2} \log(1 + Q / \nu)
            + \tfrac{\nu + m}{2} \log(1 + |u|^2 / \nu)
            + \tfrac{\nu + n}{2} \log(1 + |v|^2 / \nu) \\
        Q &= |u|^2 + |v|^2 + \sum_k \frac{r_k^2 (u_k^2 + v_k^2) - 2 r_k u_k v_k}{1 - r_k^2}

    with m and n columns; for infinite nu, :math:`T = -\tfrac12 \sum \log(1 - r_k^2)
    - \tfrac12 (Q - |u|^2 - |v|^2)`. Correlations no larger than those of independent columns are
    left out and the others freed of what the number of columns adds to them, so that few rows of
    many columns do not overfit. A new row that lies beyond all fitted ones is taken for as far out
    as these: a Student's quantile of a score that was guessed would be out by orders of magnitude.

    Arguments:
        degrees: nu.
        correlations: r ``[k]``, in (0, 1).
        to_u: canonical directions of x ``[m, m]``, the first k first.
        to_v: those of z ``[n, n]``.
        furthest: normal score that is the largest to be told from larger ones.

    References:
        | The t Copula and Related Copulas (Demarta and McNeil, 2005), eq. 5
        | Canonical correlation coefficients of high-dimensional Gaussian vectors: finite rank case
        | (Bao, Hu, Pan and Zhou, 2019), theorem 1.8 https://arxiv.org/abs/1704.02408
    """

    correlations: Tensor
    to_u: Tensor
    to_v: Tensor
    furthest: Tensor

    def __init__(
        self,
        degrees: float,
        correlations: Tensor,
        to_u: Tensor,
        to_v: Tensor,
        furthest: float = FURTHEST,
    ) -> None:
        super().__init__()
        self.register_buffer("furthest", torch.tensor(furthest, dtype=torch.float64))
        self.register_buffer("degrees", torch.tensor(degrees, dtype=torch.float64))
        self.register_buffer("correlations", correlations)
        self.register_buffer("to_u", to_u)
        self.register_buffer("to_v", to_v)
        self.nu = float(degrees)
        self.constant = constant(self.nu, len(to_u), len(to_v))

    @classmethod
    def fit(cls, x: Tensor, z: Tensor) -> "Elliptical | None":
        """Fits it to normal scores x ``[n, m]`` and z ``[n, k]``; None where rows are too few."""
        rows, device = torch.cat([x, z], 1).double().cpu(), x.device
        if len(rows) < ROWS_A_COLUMN * rows.shape[1]:
            return None
        fits = [(nu, *dispersion(t_scores(rows, nu), nu)) for nu in DEGREES]
        nu, _, shape = max(fits, key=lambda found: found[1])
        furthest = min(float(rows.abs().max()), FURTHEST)
        return cls(nu, *canonical(shape, x.shape[1], len(rows)), furthest).to(device)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Returns the network whose `state_dict` this is; old ones lack `furthest`."""
        r, to_u, to_v = (state[key] for key in ("correlations", "to_u", "to_v"))
        furthest = float(state["furthest"]) if "furthest" in state else FURTHEST
        return cls(float(state["degrees"]), r, to_u, to_v, furthest)

    def embed(self, x: Tensor, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        k = len(self.correlations)
        embedded = []
        for rows, directions in ((x, self.to_u), (z, self.to_v)):
            seen = rows.double().clamp(-self.furthest, self.furthest)
            u = t_scores(seen, self.nu) @ directions
            embedded.append(torch.cat([u[:, :k], u.square().sum(1, keepdim=True)], 1).float())
        return embedded[0], embedded[1]

    def head(self, a: Tensor, b: Tensor, noise: Noise | None = None) -> Tensor:
        r, nu = self.correlations.to(a), self.nu
        m, n = len(self.to_u), len(self.to_v)
        scale = 1 - r.square()
        squares_u, squares_v = a[..., -1], b[..., -1]
        # The sum over k, by differences: where r is near 1 its terms would cancel.
        apart = (a[..., :-1] - b[..., :-1]).square() @ (r / scale)
        own = [side[..., :-1].square() @ (r / (1 + r)) for side in (a, b)]
        added = apart - own[0] - own[1]
        base = self.constant - 0.5 * scale.log().sum()
        if math.isinf(nu):
            return base - 0.5 * added
        together = torch.log1p((squares_u + squares_v + added) / nu)
        alone = (nu + m) * torch.log1p(squares_u / nu) + (nu + n) * torch.log1p(squares_v / nu)
        return base - 0.5 * (nu + m + n) * together + 0.5 * alone


def constant(nu: float, m: int, n: int) -> float:
    """Returns the log-ratio at the centre of uncorrelated Student vectors, in nats."""
    if math.isinf(nu):
        return 0.0
    halves = [(nu + m + n) / 2, nu / 2, (nu + m) / 2, (nu + n) / 2]
    first, second, third, fourth = special.gammaln(halves)
    return float(first + second - third - fourth)


def t_scores(scores: Tensor, nu: float) -> Tensor:
    """Returns Student quantiles in place of normal ones, float64."""
    if math.isinf(nu):
        return scores
    # By the lower tail on either side, which keeps its digits.
    distance = scores.abs().clamp(max=FURTHEST)
    lower = special.stdtrit(nu, special.ndtr(-distance.cpu().numpy()))
    return -scores.sign() * torch.from_numpy(lower).to(scores)


def dispersion(rows: Tensor, nu: float) -> tuple[float, Tensor]:
    """Fits the dispersion of t-scores ``[n, d]`` by maximum likelihood.

    Returns the mean log-likelihood of the copula, in nats, and the dispersion ``[d, d]``.

    References:
        | Parameter expansion to accelerate EM: the PX-EM algorithm (Liu, Rubin and Wu, 1998),
        | section 4.1: weights that are divided by their mean, where plain EM would take hundreds
        | of steps to shrink the covariance of heavy tails to their dispersion
    """
    n, d = rows.shape
    shape = rows.T @ rows / n
    for _ in range(0 if math.isinf(nu) else ITERATIONS):
        weights = 1 / (nu + distances(rows, shape))
        shape = (rows * weights[:, None]).T @ rows / weights.sum()
    distance, log_det = distances(rows, shape), torch.logdet(floored(shape))
    if math.isinf(nu):
        return float((rows.square().sum(1) - distance).mean() / 2 - log_det / 2), shape
    joint = special.gammaln((nu + d) / 2) + (d - 1) * special.gammaln(nu / 2)
    joint -= d * special.gammaln((nu + 1) / 2)
    terms = (nu + 1) / 2 * torch.log1p(rows.square() / nu).sum(1)
    terms -= (nu + d) / 2 * torch.log1p(distance / nu)
    return float(joint - log_det / 2 + terms.mean()), shape


def distances(rows: Tensor, shape: Tensor) -> Tensor:
    """Returns the squared Mahalanobis lengths ``[n]``."""
    return (rows @ torch.linalg.inv(floored(shape)) * rows).sum(1)


def floored(shape: Tensor) -> Tensor:
    """Returns a dispersion that can be inverted where columns follow from others."""
    return shape + FLOOR * shape.diagonal().mean() * torch.eye(len(shape), dtype=shape.dtype)


def canonical(shape: Tensor, m: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns canonical correlations ``[k]`` above chance, and the directions of x and of z."""
    inverse_x, inverse_z = (inverse_root(part) for part in (shape[:m, :m], shape[m:, m:]))
    left, found, right = torch.linalg.svd(inverse_x @ shape[:m, m:] @ inverse_z)
    kept = above_chance(found, m / rows, (len(shape) - m) / rows)
    return kept, inverse_x @ left, inverse_z @ right.T


def inverse_root(shape: Tensor) -> Tensor:
    """Returns the symmetric inverse square root of a dispersion."""
    values, vectors = torch.linalg.eigh(floored(shape))
    return vectors / values.sqrt() @ vectors.T


def above_chance(found: Tensor, share_x: float, share_z: float) -> Tensor:
    r"""Returns the population correlations r ``[k]`` behind sample ones, largest first.

    With a and b columns a row on either side, a sample correlation tends to the root of

    .. math:: \gamma = r^2 (1 - a + a r^{-2}) (1 - b + b r^{-2})

    as soon as it leaves the bulk of the independent ones, whose edge lies at
    :math:`a + b - 2ab + 2 \sqrt{ab(1 - a)(1 - b)}` (Bao et al., 2019).
    """
    a, b = share_x, share_z
    edge = a + b - 2 * a * b + 2 * math.sqrt(a * b * (1 - a) * (1 - b))
    gamma = found[found.square() > edge].square()
    # gamma r^2 = ((1 - a) r^2 + a) ((1 - b) r^2 + b), a quadratic in r^2, by its larger root.
    lead, middle = (1 - a) * (1 - b), a * (1 - b) + b * (1 - a) - gamma
    root = (middle.square() - 4 * lead * a * b).clamp(min=0).sqrt()
    return ((root - middle) / (2 * lead)).clamp(0, STRONGEST).sqrt()
