"""Encoder q(z | x) and generator p(x | z) as one: what is trained, judged and loaded."""

import math
from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import softplus

from mine_cli.errors import BadInput
from mine_cli.tasks import build
from mine_cli.tasks.adversarial.samples import Latent
from mine_cli.training.rng import stream

__all__ = ["Autoencoder", "GaussianEncoder", "autoencoder"]

AT_ONCE = 1000  # rows
LARGEST_PIXEL = 1.5  # far beyond 1, and far below 255
LEAST_STD = 1e-4  # of a learned one
SHIFT = math.log(math.expm1(1.0))  # where softplus gives 1


class GaussianEncoder(nn.Module):
    """q(z | x): a Gaussian whose mean, and standard deviation where learned, a network gives.

    Arguments:
        network: Maps x [n, ...] to means [n, latent_dim], or to twice as many numbers, means and
            what the standard deviations come from, where sigma is learned.
        sigma: The standard deviation of every coordinate; 0 for z = mean(x); None: learned, from
            about 1. The law of z given x that fits a standard prior has a variance of at most 1,
            so that a sigma of 1 leaves the mean nothing to tell.
    """

    def __init__(self, network: nn.Module, sigma: float | None = 0.0) -> None:
        super().__init__()
        self.network, self.sigma = network, sigma

    def law(self, x: Tensor) -> tuple[Tensor, Tensor | float]:
        """Returns mean and standard deviation of z given x, [n, latent_dim]."""
        if self.sigma is not None:
            return self.network(x), self.sigma
        mean, rho = self.network(x).chunk(2, 1)
        return mean, softplus(rho + SHIFT) + LEAST_STD

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Returns a code drawn for each x, [n, latent_dim]."""
        mean, std = self.law(x)
        if self.sigma == 0:
            return mean
        shape, device = mean.shape, generator.device
        return mean + std * torch.randn(shape, generator=generator, device=device)


class Autoencoder(nn.Module):
    """An encoder and a generator that were trained against one discriminator.

    Rows and codes may be tensors or arrays of any kind of number.

    Arguments:
        encoder: Of samples.
        generator: Of latents.
        latent: The law of z.
        shape: Of one sample.

    Raises:
        BadInput: `encode` and `decode`, for rows of another shape; `encode` also for images beyond
            [-1, 1] and for numbers that are not finite.

    Example:
        >>> from mine_cli.networks.fully_connected import Encoder, Generator
        >>> encoder = GaussianEncoder(Encoder((2,), 3))
        >>> model = Autoencoder(encoder, Generator(3, (2,)), Latent(3), (2,)).eval()
        >>> x = torch.randn(5, 2)
        >>> model.encode(x).shape, model.reconstruct(x).shape, model.sample(4).shape
        (torch.Size([5, 3]), torch.Size([5, 2]), torch.Size([4, 2]))
    """

    def __init__(
        self,
        encoder: GaussianEncoder,
        generator: nn.Module,
        latent: Latent,
        shape: Sequence[int],
    ) -> None:
        super().__init__()
        self.encoder, self.generator, self.latent = encoder, generator, latent
        self.shape = tuple(shape)

    def forward(self, x: ArrayLike) -> Tensor:
        return self.reconstruct(x)

    @torch.no_grad()
    def encode(self, x: ArrayLike) -> Tensor:
        """Returns the means of the codes of x [n, *shape], [n, latent_dim].

        Images are [n, channels, height, width], in [-1, 1].
        """
        rows = self._rows("x", x, self.shape)
        if not rows.isfinite().all():
            raise BadInput("x: has numbers that are not finite; want them left out")
        if len(self.shape) == 3 and len(rows) and rows.abs().max() > LARGEST_PIXEL:
            raise BadInput(f"x: pixels up to {rows.abs().max():g}; want images in [-1, 1]")
        return self.codes(rows)

    @torch.no_grad()
    def codes(self, rows: Tensor) -> Tensor:
        """Returns what `encode` does, of rows that need no check."""
        return torch.cat([self.encoder.law(part)[0].float() for part in rows.split(AT_ONCE)])

    @torch.no_grad()
    def decode(self, z: ArrayLike) -> Tensor:
        """Returns the samples that codes z [n, latent_dim] stand for, images in [-1, 1]."""
        rows = self._rows("z", z, (self.latent.dim,))
        return torch.cat([self.generator(part).float() for part in rows.split(AT_ONCE)])

    def _rows(self, name: str, values: ArrayLike, shape: tuple[int, ...]) -> Tensor:
        """Returns rows as the networks take them; raises BadInput for those of another shape."""
        device = next(self.generator.parameters()).device
        rows = torch.as_tensor(values, dtype=torch.float32, device=device)
        if tuple(rows.shape[1:]) != shape or rows.dim() == 0:
            raise BadInput(f"{name}: shape {tuple(rows.shape)}; want rows of {shape}")
        return rows

    def reconstruct(self, x: ArrayLike) -> Tensor:
        """Returns the samples that the codes of x stand for, of the shape of x."""
        return self.decode(self.encode(x))

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Returns n samples on the generator's device, images in [-1, 1]."""
        device = next(self.generator.parameters()).device
        return self.decode(self.latent.draw(n, torch.Generator(device).manual_seed(seed)))


def autoencoder(cfg: DictConfig, shape: Sequence[int], latent: Latent) -> Autoencoder:
    """Builds encoder and generator of a configuration, each from its own random stream.

    Arguments:
        cfg: Of a run of ``task=ali``.
        shape: Of one sample.
        latent: The law of z.
    """
    sigma = cfg.task.sigma
    width = latent.dim if sigma is not None else 2 * latent.dim
    seeds = {name: stream(cfg.seed, name) for name in ("generator", "encoder")}
    generator = build.module(
        cfg.generator, "generator", seeds["generator"], latent.dim, tuple(shape)
    )
    encoder = build.module(cfg.encoder, "encoder", seeds["encoder"], tuple(shape), width)
    return Autoencoder(GaussianEncoder(encoder, sigma), generator, latent, shape)
