"""The DCGAN pair of Stacked MNIST: strided convolutions between a vector and an image.

Sizes, activations, BatchNorm and the start are those of PacGAN's published code, which the
paper's tables follow: all layers 5 x 5 with stride 2, weights from N(0, 0.02^2), cut at two
standard deviations in the discriminator's convolutions, biases 0, BatchNorm's gain 1 and its
epsilon 1e-5. Biases that BatchNorm would take away again are left out. Where that code pads one
pixel before and two after an even side, these layers pad two and one: its mirror image.

References:
    | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), appendix, tables 6 and 7
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2018)
    | https://github.com/fjxmlzn/PacGAN, stacked_MNIST_experiments/VEEGAN_experiment/model.py
    | https://github.com/carpedm20/DCGAN-tensorflow, ops.py, which it is built on
    | Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2016)
    | He's law: Delving Deep into Rectifiers (He et al., 2015), eq. 15
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from mine_cli.errors import BadInput

__all__ = ["Discriminator", "Encoder", "Generator"]

SPREAD = 0.02  # the weights' standard deviation at the start
SLOPE = 0.2  # of the leaky ReLU, below zero
LAYERS = 4
SIZES = ((28, 28), (32, 32), (64, 64))


class Generator(nn.Module):
    """Four transposed convolutions: latents [n, latent_dim] -> images [n, C, ...] in [-1, 1].

    A linear layer to 2 x 2 maps, then 4 x 4, 7 x 7, 14 x 14 and 28 x 28 (for images of 32, powers
    of two from 2, for images of 64 from 4); BatchNorm and ReLU after every layer but the last,
    then tanh.

    Arguments:
        latent_dim: The number of coordinates of a latent.
        shape: Of one image: (C, side, side) with C 1 or 3 and a side of 28, 32 or 64.
        channels: How many maps each layer has, the smallest maps first.

    Raises:
        BadInput: for images of another shape, or another number of layers.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        channels: Sequence[int] = (512, 256, 128, 64),
    ) -> None:
        super().__init__()
        check("generator", shape, channels)
        first, last, (least, *larger) = channels[0], channels[-1], sides(shape)
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, first * least**2, bias=False),
            nn.Unflatten(1, (first, least, least)),
        ]
        for (before, after), side in zip(pairwise(channels), larger, strict=False):
            layers += [nn.BatchNorm2d(before), nn.ReLU(), doubling(before, after, side)]
        layers += [nn.BatchNorm2d(last), nn.ReLU()]
        layers += [doubling(last, shape[0], larger[-1], bias=True), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(start)

    def forward(self, latent: Tensor) -> Tensor:
        return self.layers(latent)


class Discriminator(nn.Module):
    """Four convolutions: images [n, C, side, side] -> logits [n].

    Maps of 14 x 14, 7 x 7, 4 x 4 and 2 x 2 where the side is 28, then a linear layer; leaky ReLU,
    and BatchNorm in the second to the fourth. So that a batch is normalised over its own kind,
    real and generated images are passed in calls of their own.

    Arguments:
        shape: As of `Generator`.
        channels: How many maps each convolution has, the largest maps first.
        batch_norm: Whether there is BatchNorm. Without, each image is judged by itself, as a
            penalty on the slope at each image wants it, and the convolutions start from He's law.

    Raises:
        BadInput: for images of another shape, or another number of layers.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int] = (64, 128, 256, 512),
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        check("discriminator", shape, channels)
        self.layers = halvings(shape, channels, batch_norm, 1)
        self.apply(start)
        if not batch_norm:
            self.apply(keep_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(-1)


class Encoder(nn.Module):
    """Four convolutions, as of `Discriminator`: images [n, C, ...] -> codes [n, latent_dim].

    Arguments:
        shape: As of `Generator`.
        latent_dim: The number of coordinates of a code.
        channels, batch_norm: As of `Discriminator`.

    Raises:
        BadInput: for images of another shape, or another number of layers.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        channels: Sequence[int] = (64, 128, 256, 512),
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        check("encoder", shape, channels)
        self.layers = halvings(shape, channels, batch_norm, latent_dim)
        self.apply(start)
        if not batch_norm:
            self.apply(keep_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def halvings(
    shape: Sequence[int], channels: Sequence[int], batch_norm: bool, outputs: int
) -> nn.Sequential:
    """Builds convolutions that halve an image, and a linear layer: [n, *shape] -> [n, outputs]."""
    layers: list[nn.Module] = [halving(shape[0], channels[0], bias=True), nn.LeakyReLU(SLOPE)]
    for before, after in pairwise(channels):
        layers.append(halving(before, after, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.LeakyReLU(SLOPE))
    last = nn.Linear(channels[-1] * sides(shape)[0] ** 2, outputs)
    return nn.Sequential(*layers, nn.Flatten(), last)


def sides(shape: Sequence[int]) -> list[int]:
    """Returns the sides of the maps, ascending: each is half of the next one, rounded up."""
    found = [shape[-1]]
    for _ in range(LAYERS):
        found.append((found[-1] + 1) // 2)
    return found[::-1]


def doubling(before: int, after: int, side: int, bias: bool = False) -> nn.ConvTranspose2d:
    """Builds a transposed convolution [n, before, (side + 1) / 2, ..] -> [n, after, side, ..]."""
    even = 1 - side % 2
    return nn.ConvTranspose2d(
        before, after, 5, stride=2, padding=2, output_padding=even, bias=bias
    )


def halving(before: int, after: int, bias: bool = False) -> nn.Conv2d:
    """Builds a convolution [n, before, side, ..] -> [n, after, (side + 1) // 2, ..]."""
    return nn.Conv2d(before, after, 5, stride=2, padding=2, bias=bias)


def start(layer: nn.Module) -> None:
    """Draws the weights that the published code starts from; BatchNorm's own are torch's."""
    if isinstance(layer, nn.Conv2d):
        nn.init.trunc_normal_(layer.weight, std=SPREAD, a=-2 * SPREAD, b=2 * SPREAD)
    elif isinstance(layer, (nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(layer.weight, std=SPREAD)
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and layer.bias is not None:
        nn.init.zeros_(layer.bias)


def keep_size(layer: nn.Module) -> None:
    """Starts a convolution by He's law: without BatchNorm images fade from layer to layer."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, SLOPE)


def check(
    what: str, shape: Sequence[int], channels: Sequence[int], other: str = "fully_connected"
) -> None:
    """Raises BadInput unless the network is made for such images; names the other one."""
    if len(shape) != 3 or shape[0] not in (1, 3) or tuple(shape[1:]) not in SIZES:
        raise BadInput(
            f"{what} dcgan: made for images of shape (1, 28, 28) or (3, 28, 28), or of 32 or 64 "
            f"pixels, not {tuple(shape)}; {what}={other} takes any shape"
        )
    if len(channels) != LAYERS:
        raise BadInput(
            f"{what} dcgan: channels has {len(channels)} widths; want {LAYERS}, such as "
            f"{'[128, 64, 32, 16]' if what == 'generator' else '[16, 32, 64, 128]'}"
        )
