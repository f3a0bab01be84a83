"""A trained bottleneck on rows of a user's own."""

from collections.abc import Callable, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Generator, Tensor, nn

from mine_cli.errors import BadInput
from mine_cli.networks.encoders import Bottleneck
from mine_cli.tasks.infobottleneck.predictions import ROWS_AT_ONCE, averaged
from mine_cli.tasks.infobottleneck.report import predictor

__all__ = ["TrainedBottleneck"]


class TrainedBottleneck(nn.Module):
    """Predicts and encodes rows ``[n, ...]``, given as they were to the run.

    Arguments:
        bottleneck: the trained one.
        shape: of one row.
        classes: names of the classes, in the order of the probabilities; empty where they have
            none.
        scale: what the run did to its rows before they were encoded.
        samples: of z, whose probabilities a prediction averages.
    """

    def __init__(
        self,
        bottleneck: Bottleneck,
        shape: Sequence[int],
        classes: Sequence[str] = (),
        scale: Callable[[Tensor], Tensor] | None = None,
        samples: int = 1,
    ) -> None:
        super().__init__()
        self.bottleneck, self.shape, self.classes = bottleneck, tuple(shape), list(classes)
        self.scale = scale
        self.samples = samples if bottleneck.random else 1

    @torch.no_grad()
    def predict_proba(self, x: ArrayLike, samples: int | None = None, seed: int = 0) -> Tensor:
        """Returns the probabilities of the classes ``[n, C]``, averaged over draws of z.

        Arguments:
            x: rows.
            samples: how many draws; None: as many as the run's own report took.
            seed: of the draws.
        """
        rows = self._rows(x)
        return averaged(
            predictor(self.bottleneck), rows, samples or self.samples, self._stream(rows, seed)
        )

    @torch.no_grad()
    def encode(self, x: ArrayLike, seed: int | None = None) -> Tensor:
        """Returns codes ``[n, features]``: drawn from p(z | x) with a seed, without noise if None.

        Raises:
            BadInput: no seed, and the encoder has no code without noise (``clean(x)``).
        """
        rows, encoder = self._rows(x), self.bottleneck.encoder
        if seed is None and not hasattr(encoder, "clean"):
            raise BadInput(f"{type(encoder).__name__} has no clean(x): want encode(x, seed=0)")
        stream = self._stream(rows, seed or 0)
        parts = [
            encoder.clean(part)
            if seed is None
            else encoder(part, encoder.draw_noise(len(part), stream))
            for part in rows.split(ROWS_AT_ONCE)
        ]
        return torch.cat(parts)

    def _rows(self, x: ArrayLike) -> Tensor:
        """Returns rows as the encoder takes them; raises BadInput for those of another shape."""
        device = self.bottleneck.decoder.weight.device
        rows = torch.as_tensor(x, device=device)
        if tuple(rows.shape[1:]) != self.shape:
            raise BadInput(
                f"x has rows of shape {tuple(rows.shape[1:])}; the run was trained on {self.shape}"
            )
        return rows.float() if self.scale is None else self.scale(rows)

    @staticmethod
    def _stream(rows: Tensor, seed: int) -> Generator:
        return Generator(rows.device).manual_seed(seed)
