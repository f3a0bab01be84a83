"""Mixtures of Gaussians in the plane, on which a collapsing generator is seen at a glance."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Generator, Tensor

from mine_cli.data.samples import Pool, Verdict, drawn
from mine_cli.errors import BadInput, refuse

__all__ = ["GaussianGrid", "GaussianRing", "Mixture"]

# A sample within so many standard deviations of its mode is of high quality; 1 - e^(-9/2), or
# 98.9 %, of a round Gaussian in the plane are.
NEAR = 3.0

# Centres at least so many standard deviations apart share no samples of high quality, and at most
# one sample in two hundred is nearer to a neighbour than to its own centre.
APART = 2 * NEAR


class Mixture:
    """Round Gaussians of equal shares and equal spread around given centres in the plane.

    Arguments:
        centres: [modes, 2].
        sigma: Standard deviation of every coordinate around its centre.
        n: Number of fixed samples, drawn once from the seed; None: every draw is fresh.
        seed: Seed of the fixed samples.

    References:
        | high quality, and the centre nearest to a sample as its mode: VEEGAN: Reducing Mode
        | Collapse in GANs using Implicit Variational Learning (Srivastava et al., 2017), section 4
        | https://arxiv.org/abs/1705.07761
    """

    image = False
    shape: tuple[int, ...] = (2,)

    def __init__(
        self, centres: Tensor, sigma: float, n: int | None = 100_000, seed: int = 0
    ) -> None:
        refuse(unfit(centres, sigma, n))
        self.centres, self.sigma, self.n, self.seed = centres.float(), sigma, n, seed
        self.modes = len(centres)
        self.true_histogram = torch.full((self.modes,), 1 / self.modes, dtype=torch.float64)
        self.files: list[Path] = []
        self._centres = Pool(self.centres)
        self._draw = drawn(self.fresh, n, seed)

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws n points, [n, 2], on the generator's device: fixed samples, or fresh ones."""
        return self._draw(n, generator)

    def fresh(self, n: int, generator: Generator) -> Tensor:
        """Draws n points of the distribution itself, [n, 2], on the generator's device."""
        centres = self._centres.draw(n, generator)
        noise = torch.randn(
            (n, 2), generator=generator, device=generator.device, dtype=torch.float32
        )
        return noise.mul_(self.sigma).add_(centres)

    def judge(self, x: Tensor) -> Verdict:
        """Returns the centre nearest to each point of x, [n, 2], and whether within 3 sigma."""
        centres = self._centres.on(x.device)
        # Distances by a matrix product would lose the digits that decide at 3 sigma.
        distances = torch.cdist(
            x.detach().float(), centres, compute_mode="donot_use_mm_for_euclid_dist"
        )
        nearest = distances.min(1)
        return Verdict(mode=nearest.indices, good=nearest.values <= NEAR * self.sigma)


class GaussianGrid(Mixture):
    """A square grid of Gaussians around the origin: 25 on {-4, -2, 0, 2, 4}^2 by default.

    Arguments:
        side: Number of centres along each axis.
        spacing: Distance of neighbouring centres.
        sigma: Standard deviation of every coordinate around its centre.
        n: Number of fixed samples, drawn once from the seed; None: every draw is fresh.
        seed: Seed of the fixed samples.

    References:
        | the layout and the number of samples, as "2D-grid": PacGAN: The power of two samples in
        | generative adversarial networks (Lin et al., 2018), section 4
        | https://arxiv.org/abs/1712.04086
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 5.1
        | https://arxiv.org/abs/1801.04062
    """

    def __init__(
        self,
        side: int = 5,
        spacing: float = 2.0,
        sigma: float = 0.05,
        n: int | None = 100_000,
        seed: int = 0,
    ) -> None:
        if side < 1 or not 0 < spacing < math.inf:
            raise BadInput(
                f"dataset.side={side}, dataset.spacing={spacing}: want at least 1, and above 0"
            )
        self.side, self.spacing = side, spacing
        axis = (torch.arange(side) - (side - 1) / 2) * spacing
        super().__init__(torch.cartesian_prod(axis, axis), sigma, n, seed)


class GaussianRing(Mixture):
    """Gaussians evenly spaced on a circle around the origin, the first on the x axis.

    Arguments:
        modes: Number of centres.
        radius: Of the circle.
        sigma: Standard deviation of every coordinate around its centre.
        n: Number of fixed samples, drawn once from the seed; None: every draw is fresh.
        seed: Seed of the fixed samples.

    References:
        | eight of radius 2 and sigma 0.02: Unrolled Generative Adversarial Networks (Metz et al.,
        | 2017), appendix on the toy data https://arxiv.org/abs/1611.02163
        | PacGAN (Lin et al., 2018) takes radius 1 and sigma 0.01, the same but for scale
        | https://arxiv.org/abs/1712.04086
    """

    def __init__(
        self,
        modes: int = 8,
        radius: float = 2.0,
        sigma: float = 0.02,
        n: int | None = 100_000,
        seed: int = 0,
    ) -> None:
        if modes < 1 or not 0 < radius < math.inf:
            raise BadInput(
                f"dataset.modes={modes}, dataset.radius={radius}: want at least 1, and above 0"
            )
        self.radius = radius
        angle = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
        super().__init__(radius * torch.stack([angle.cos(), angle.sin()], 1), sigma, n, seed)


def unfit(centres: Tensor, sigma: float, n: int | None) -> Iterator[str]:
    """Yields every fault of a mixture's parameters."""
    if n is not None and n < 1:
        yield f"dataset.n={n}: want at least 1, or null for fresh draws"
    gap = float(torch.pdist(centres.double()).min()) if len(centres) > 1 else math.inf
    if not 0 < sigma < math.inf:
        yield f"dataset.sigma={sigma}: want a spread above 0"
    elif sigma > gap / APART:
        yield (
            f"dataset.sigma={sigma}: the modes run into one another: want at most "
            f"{gap / APART:.4g}, a sixth of the distance of neighbouring centres"
        )
