"""What a generator starts from, and how its samples are kept to be looked at."""

import numpy
import torch
from torch import Tensor

__all__ = ["SHOWN_IMAGES", "Latent", "as_bytes"]

SHOWN_IMAGES = 64


class Latent:
    """What a generator starts from, [eps, c]: independent coordinates, the last of them the code.

    Arguments:
        dim: how many coordinates.
        law: ``normal`` (standard) or ``uniform`` (on [-1, 1]).
        code_dim: how many of them are the code c; None for all.
    """

    def __init__(self, dim: int, law: str = "normal", code_dim: int | None = None) -> None:
        self.dim, self.law = dim, law
        self.code_dim = dim if code_dim is None else code_dim

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Fresh latents [n, dim] on the generator's device."""
        shape, device = (n, self.dim), generator.device
        if self.law == "normal":
            return torch.randn(shape, generator=generator, device=device)
        return torch.rand(shape, generator=generator, device=device).mul_(2).sub_(1)

    def code(self, latent: Tensor) -> Tensor:
        """The code of each latent, [n, code_dim]."""
        return latent[:, self.dim - self.code_dim :]


def as_bytes(images: Tensor) -> numpy.ndarray:
    """Images in [-1, 1] as numpy bytes."""
    return images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
