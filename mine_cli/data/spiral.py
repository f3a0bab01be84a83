"""A spiral in the plane: one connected curve, of which a collapsing generator leaves out parts."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Generator, Tensor

from mine_cli.data.mixtures import NEAR
from mine_cli.data.samples import Pool, Verdict, drawn
from mine_cli.errors import refuse

__all__ = ["Spiral"]

# Neighbouring windings are at least so many standard deviations apart.
APART = 20.0

# Landmarks to one standard deviation of arc length. Half a gap h = sigma / 10 along the curve, the
# nearest one is farther than the curve by h^2 (1 + 3 sigma k) / 6 sigma at 3 sigma, where it
# decides: sigma / 600 on a straight, below sigma / 200 for the sharpest bend k that is allowed.
LANDMARKS = 5

# Newton's method has all digits of float64 by then, wherever on the spiral.
NEWTON_STEPS = 6

# Distances of points to landmarks in memory at once: 64 MB of them.
DISTANCES = 2**24


class Spiral:
    r"""An Archimedean spiral from the origin, uniform in arc length, with Gaussian noise.

    .. math:: (a\theta \cos\theta, a\theta \sin\theta), \quad
        s(\theta) = \tfrac{a}{2} (\theta \sqrt{1 + \theta^2} + \sinh^{-1} \theta)

    Its modes are `bins` stretches of equal arc length; that of a point is the one that holds the
    curve's nearest point. It is of high quality within 3 sigma of the curve, as 99.7 % of true
    samples are (in the plane's mixtures of Gaussians 98.9 %: here one coordinate counts).
    The nearest point is looked for among landmarks a fifth of sigma apart, and borders of bins
    lie midway between two: so they are exact to a hundredth of that distance (the curve's bend
    changes a little from one to the next), and the border of high quality to sigma / 200.

    The paper draws the picture and gives no measure of it, nor the curve's size: both are ours.

    Arguments:
        turns: Number of windings.
        radius: Distance of the outer end from the origin.
        sigma: Standard deviation of the noise on either coordinate; at most a twentieth of the
            distance of neighbouring windings, radius / turns.
        bins: Number of stretches.
        n: Number of fixed samples, drawn once from the seed; None: every draw is fresh.
        seed: Seed of the fixed samples.

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 5.1; the
        | "swiss roll" of its first version https://arxiv.org/abs/1801.04062
    """

    image = False
    shape: tuple[int, ...] = (2,)

    def __init__(
        self,
        turns: float = 1.5,
        radius: float = 4.0,
        sigma: float = 0.05,
        bins: int = 100,
        n: int | None = 100_000,
        seed: int = 0,
    ) -> None:
        refuse(unfit(turns, radius, sigma, bins, n))
        self.turns, self.radius, self.sigma = turns, radius, sigma
        self.modes, self.n, self.seed = bins, n, seed
        self.true_histogram = torch.full((bins,), 1 / bins, dtype=torch.float64)
        self.files: list[Path] = []
        self.growth = radius / (2 * math.pi * turns)
        end = torch.tensor(2 * math.pi * turns, dtype=torch.float64)
        self.length = self.growth * float(arc_length(end))
        # A whole number of landmarks to a bin, in the middle of as many equal parts of it.
        self.landmarks_a_bin = math.ceil(LANDMARKS * self.length / (bins * sigma))
        parts = bins * self.landmarks_a_bin
        middles = (torch.arange(parts, dtype=torch.float64) + 0.5) * (self.length / parts)
        self._landmarks = Pool(self.curve(middles).float())
        self._draw = drawn(self.fresh, n, seed)

    def curve(self, arc: Tensor) -> Tensor:
        """Returns the points, [n, 2], that lie at these arc lengths, [n], from the origin."""
        angle = angle_at(arc / self.growth)
        return self.growth * angle[:, None] * torch.stack([angle.cos(), angle.sin()], 1)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws n points, [n, 2], on the generator's device: fixed samples, or fresh ones."""
        return self._draw(n, generator)

    def fresh(self, n: int, generator: Generator) -> Tensor:
        """Draws n points of the distribution itself, [n, 2], on the generator's device."""
        device, dtype = generator.device, torch.float32
        arc = torch.rand(n, generator=generator, device=device, dtype=dtype) * self.length
        noise = torch.randn((n, 2), generator=generator, device=device, dtype=dtype)
        return noise.mul_(self.sigma).add_(self.curve(arc))

    def judge(self, x: Tensor) -> Verdict:
        """Returns the stretch of the curve nearest to each of x, [n, 2]; whether in 3 sigma."""
        landmarks = self._landmarks.on(x.device)
        distance, nearest = [], []
        for part in x.detach().float().split(max(1, DISTANCES // len(landmarks))):
            # Distances by a matrix product would lose the digits that decide at 3 sigma.
            found = torch.cdist(part, landmarks, compute_mode="donot_use_mm_for_euclid_dist").min(
                1
            )
            distance.append(found.values)
            nearest.append(found.indices)
        return Verdict(
            mode=torch.cat(nearest) // self.landmarks_a_bin,
            good=torch.cat(distance) <= NEAR * self.sigma,
        )


def arc_length(angle: Tensor) -> Tensor:
    """Returns the length of the spiral r = theta from the origin to an angle, elementwise."""
    return (angle * (1 + angle.square()).sqrt() + angle.asinh()) / 2


def angle_at(arc: Tensor) -> Tensor:
    """Returns the inverse of `arc_length`, elementwise, to the digits of its type."""
    angle = (2 * arc).sqrt()  # never too small, since the length is above theta^2 / 2
    for _ in range(NEWTON_STEPS):
        angle = angle - (arc_length(angle) - arc) / (1 + angle.square()).sqrt()
    return angle


def unfit(turns: float, radius: float, sigma: float, bins: int, n: int | None) -> Iterator[str]:
    """Yields every fault of a spiral's parameters."""
    sizes = {"turns": turns, "radius": radius, "sigma": sigma}
    bad = [name for name, value in sizes.items() if not 0 < value < math.inf]
    for name in bad:
        yield f"dataset.{name}={sizes[name]}: want a number above 0"
    if not bad and sigma > radius / turns / APART:
        yield (
            f"dataset.sigma={sigma}: the windings run into one another: want at most "
            f"{radius / turns / APART:.4g}, radius / turns / {APART:g}"
        )
    if bins < 1:
        yield f"dataset.bins={bins}: want at least 1"
    if n is not None and n < 1:
        yield f"dataset.n={n}: want at least 1, or null for fresh draws"
