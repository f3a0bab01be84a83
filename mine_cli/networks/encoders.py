r"""Encoders p(z | x) of the information bottleneck, and the softmax layer that reads their codes.

An encoder maps inputs x [n, ...] to codes z [n, features]. What it draws is passed in:
``draw_noise(n, generator)`` gives it, so that many encoders can be stacked, each with a random
stream of its own. Bodies and widths are those of the VIB authors' published code: two layers of
1,024 with ReLU, 256 features, weights from Glorot's uniform law, biases 0.

References:
    | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 5.3
    | Deep Variational Information Bottleneck (Alemi et al., 2017), section 4.1
    | https://github.com/alexalemi/vib_demo
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import softplus

from mine_cli.errors import BadInput
from mine_cli.networks.interface import Noise
from mine_cli.networks.layers import activate, flat

__all__ = [
    "Additive",
    "Bottleneck",
    "Deterministic",
    "Encoder",
    "Gaussian",
    "GaussianConv",
    "Propagated",
]

VIB_STD = 0.0067  # softplus(-5): where the standard deviations of its authors' encoder start
LEAST_STD = 1e-8  # added to them, so that none of them underflows and its log stays finite


class Body(nn.Module):
    """A perceptron [n, size] -> [n, out] with dropout masks that are passed in.

    Arguments:
        size, out: Of what goes in and comes out.
        widths: Of the hidden layers.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.
        dropout: The share of hidden units that a mask drops; those kept are scaled up.
    """

    def __init__(
        self, size: int, out: int, widths: Sequence[int], activation: str, dropout: float
    ) -> None:
        super().__init__()
        self.widths, self.dropout = [*widths], dropout
        sizes = [size, *widths, out]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.activation = activate(activation)
        self.apply(glorot)

    def draw_masks(self, n: int, generator: Generator) -> Noise:
        """Draws a mask for each hidden layer, 0 or 1 / (1 - dropout); none while evaluating."""
        if not (self.training and self.dropout > 0):
            return {}
        keep = 1 - self.dropout
        device = generator.device
        return {
            f"mask{i}": torch.full((n, width), keep, device=device)
            .bernoulli(generator=generator)
            .div_(keep)
            for i, width in enumerate(self.widths)
        }

    def forward(self, h: Tensor, noise: Noise) -> Tensor:
        *hidden, last = self.layers
        for i, layer in enumerate(hidden):
            h = self.activation(layer(h))
            if f"mask{i}" in noise:
                h = h * noise[f"mask{i}"]
        return last(h)


class Convolutions(nn.Module):
    """Convolutions of 3 x 3 that halve an image each, and a linear layer: [n, C H W] -> [n, out].

    There is no BatchNorm: a code depends on its own image alone.

    Arguments:
        shape: Of one image, (C, H, W).
        out: Of what comes out.
        channels: Of the convolutions, at least one.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.

    Raises:
        BadInput: for another shape, or no convolution.
    """

    def __init__(
        self, shape: Sequence[int], out: int, channels: Sequence[int], activation: str
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise BadInput(
                "encoder gaussian_conv: x must be an image (channels, height, width), not of "
                f"shape {tuple(shape)}; encoder=gaussian takes any shape"
            )
        if not channels:
            raise BadInput("encoder gaussian_conv: channels needs at least one, such as [32]")
        self.shape, self.activation = (*shape,), activate(activation)
        sides = [-(-side // 2 ** len(channels)) for side in shape[1:]]  # halved and rounded up
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in pairwise([shape[0], *channels])
        )
        self.layers.append(nn.Linear(channels[-1] * math.prod(sides), out))
        self.apply(glorot)

    def draw_masks(self, n: int, generator: Generator) -> Noise:
        """Returns no mask: nothing is dropped."""
        return {}

    def forward(self, h: Tensor, noise: Noise) -> Tensor:
        *convolutions, last = self.layers
        h = h.unflatten(-1, self.shape)
        for convolution in convolutions:
            h = self.activation(convolution(h))
        return last(h.flatten(-3))


class Encoder(nn.Module):
    """Draws a code z for each x by a perceptron and noise that is passed in.

    Attributes:
        random: Whether z is random given x, dropout apart.
    """

    body: Body | Convolutions
    random: bool = True

    def draw_noise(self, n: int, generator: Generator) -> Noise:
        """Draws what `forward` takes for n rows of x."""
        return self.body.draw_masks(n, generator)

    def clean(self, x: Tensor) -> Tensor:
        """Returns the code without noise, a function of x: what a statistics network may see."""
        return self.body(flat(x), {})

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Returns codes [n, features] of rows [n, ...]."""
        return self.body(flat(x), noise)


class Deterministic(Encoder):
    """z = f(x): no noise, so that I(x; z) is infinite for inputs with a density.

    Arguments:
        x_shape: The shape of one x.
        features: The number of coordinates of z.
        widths: The widths of the hidden layers.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.
        dropout: The share of hidden units that are dropped in training.
    """

    random = False

    def __init__(
        self,
        x_shape: Sequence[int],
        features: int = 256,
        widths: Sequence[int] = (1024, 1024),
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.body = Body(math.prod(x_shape), features, widths, activation, dropout)


class Additive(Encoder):
    """z = f(x + sigma eps): Gaussian noise on the input.

    Arguments:
        x_shape, features, widths, activation, dropout: As in `Deterministic`.
        sigma: The noise's standard deviation, in units of x. The paper names none.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        features: int = 256,
        widths: Sequence[int] = (1024, 1024),
        activation: str = "relu",
        dropout: float = 0.0,
        sigma: float = 0.3,
    ) -> None:
        super().__init__()
        self.size, self.sigma = math.prod(x_shape), sigma
        self.body = Body(self.size, features, widths, activation, dropout)

    def draw_noise(self, n: int, generator: Generator) -> Noise:
        return self.body.draw_masks(n, generator) | {"x": normal(n, self.size, generator)}

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        return self.body(flat(x) + self.sigma * noise["x"], noise)


class Propagated(Encoder):
    """z = f([x, eps]): Gaussian noise beside the input, which the network may use as it likes.

    Arguments:
        x_shape, features, widths, activation, dropout: As in `Deterministic`.
        noise_dim: The number of coordinates of eps. The paper names none.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        features: int = 256,
        widths: Sequence[int] = (1024, 1024),
        activation: str = "relu",
        dropout: float = 0.0,
        noise_dim: int = 100,
    ) -> None:
        super().__init__()
        self.noise_dim = noise_dim
        self.body = Body(math.prod(x_shape) + noise_dim, features, widths, activation, dropout)

    def draw_noise(self, n: int, generator: Generator) -> Noise:
        return self.body.draw_masks(n, generator) | {"x": normal(n, self.noise_dim, generator)}

    def clean(self, x: Tensor) -> Tensor:
        """Returns the code with eps = 0, a function of x."""
        return self.body(torch.cat([flat(x), x.new_zeros(len(x), self.noise_dim)], 1), {})

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        return self.body(torch.cat([flat(x), noise["x"]], 1), noise)


class Gaussian(Encoder):
    r"""z = mean(x) + std(x) eps, with std = softplus(rho(x) + shift).

    Its law p(z | x) is known, so that its information can be bounded without a critic
    (`mine_cli.tasks.infobottleneck.encoder_information`), and its divergence from N(0, 1)
    has a closed form.

    Arguments:
        x_shape, features, widths, activation, dropout: As in `Deterministic`.
        std: Where the standard deviations start, about; it fixes the shift.
        gain: A factor on the weights that mean and rho start from: with a std of 1 and a gain of
            0.1 a code starts with little information, all of which a critic can see.
        input_noise: Standard deviation of further noise on x, as in `Additive`.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        features: int = 256,
        widths: Sequence[int] = (1024, 1024),
        activation: str = "relu",
        dropout: float = 0.0,
        std: float = VIB_STD,
        gain: float = 1.0,
        input_noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.size, self.features, self.input_noise = math.prod(x_shape), features, input_noise
        self.body = Body(self.size, 2 * features, widths, activation, dropout)
        self.begin(std, gain)

    def begin(self, std: float, gain: float) -> None:
        """Sets the standard deviation that codes start with, and the last weights' size."""
        self.shift = std + math.log(-math.expm1(-std))  # where softplus gives std
        with torch.no_grad():
            cast(nn.Linear, self.body.layers[-1]).weight.mul_(gain)

    def draw_noise(self, n: int, generator: Generator) -> Noise:
        noise = self.body.draw_masks(n, generator) | {"z": normal(n, self.features, generator)}
        if self.input_noise:
            noise["x"] = normal(n, self.size, generator)
        return noise

    def law(self, x: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Returns mean and standard deviation of z given x and the noise on it, [n, features]."""
        x = flat(x)
        if "x" in noise:
            x = x + self.input_noise * noise["x"]
        mean, rho = self.body(x, noise).chunk(2, -1)
        return mean, softplus(rho + self.shift) + LEAST_STD

    def clean(self, x: Tensor) -> Tensor:
        """Returns the mean of the code of x without noise, a function of x."""
        return self.law(x, {})[0]

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        mean, std = self.law(x, noise)
        return mean + std * noise["z"]


class GaussianConv(Gaussian):
    """z = mean(x) + std(x) eps, as `Gaussian`, of an image by convolutions that halve it.

    Arguments:
        x_shape: The shape of one image, (C, H, W).
        channels: Of the convolutions, at least one.
        features, activation, std, gain, input_noise: As in `Gaussian`.

    Raises:
        BadInput: for another shape, or no convolution.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        features: int = 256,
        channels: Sequence[int] = (32, 64, 128),
        activation: str = "relu",
        std: float = VIB_STD,
        gain: float = 1.0,
        input_noise: float = 0.0,
    ) -> None:
        Encoder.__init__(self)
        self.size, self.features, self.input_noise = math.prod(x_shape), features, input_noise
        self.body = Convolutions(x_shape, 2 * features, channels, activation)
        self.begin(std, gain)


class Bottleneck(nn.Module):
    """An encoder and the softmax layer that tells the class from its code.

    Arguments:
        encoder: With ``forward(x, noise)`` and ``draw_noise(n, generator)``.
        features: The number of coordinates of a code.
        num_classes: How many classes are told apart.
        sees: What a statistics network is shown of x: ``input`` (x itself) or ``code``
            (``encoder.clean(x)``).
    """

    encoder: Any

    def __init__(
        self, encoder: nn.Module, features: int, num_classes: int, sees: str = "input"
    ) -> None:
        super().__init__()
        self.encoder, self.sees = encoder, sees
        self.decoder = nn.Linear(features, num_classes)
        glorot(self.decoder)

    @property
    def random(self) -> bool:
        """Whether z is random given x, as of every encoder that does not say otherwise."""
        return getattr(self.encoder, "random", True)

    def forward(self, x: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        r"""Returns logits [n, C], codes z [n, features], divergences [n] (nats) and what is seen.

        The divergence is that of the encoder's law from N(0, 1), 0 where no law is known:

        .. math:: KL = \tfrac12 \sum_d (\mu_d^2 + \sigma_d^2 - 1) - \sum_d \log \sigma_d
        """
        if hasattr(self.encoder, "law"):
            mean, std = self.encoder.law(x, noise)
            z = mean + std * noise["z"]
            divergence = 0.5 * (mean.square() + std.square() - 1).sum(-1) - std.log().sum(-1)
            clean = mean.detach() if noise.keys() == {"z"} else None
        else:
            z = self.encoder(x, noise)
            divergence, clean = z.new_zeros(len(z)), None
        return self.decoder(z), z, divergence, self._seen(x, clean)

    @torch.no_grad()
    def _seen(self, x: Tensor, clean: Tensor | None) -> Tensor:
        """A function of x alone: with noise that z shares, T would see more than x tells."""
        if self.sees == "input":
            return x
        if clean is not None:
            return clean
        return self.encoder.clean(x)


def normal(n: int, size: int, generator: Generator) -> Tensor:
    """Draws standard Gaussian noise [n, size] on the generator's device."""
    return torch.randn(n, size, generator=generator, device=generator.device)


def glorot(layer: nn.Module) -> None:
    """Draws the weights from Glorot's uniform law; biases are 0."""
    if isinstance(layer, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(cast(Tensor, layer.bias))
