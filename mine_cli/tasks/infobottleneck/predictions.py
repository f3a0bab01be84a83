"""What a classifier's probabilities are worth, and how its inputs can be made to fool it.

Probabilities are `[n, C]` and labels `[n]`; entropies are in nats, errors are shares in [0, 1]. A
stochastic classifier is a callable `predict(x, generator) -> logits [n, C]` that draws its own
noise from the generator, which lies on the device of x.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot

__all__ = ["averaged", "calibration_error", "cross_entropy", "error", "under_fgsm", "under_noise"]

Predict = Callable[[Tensor, torch.Generator], Tensor]

ROWS_AT_ONCE = 4096  # predicted at once
ATTACKED_AT_ONCE = 256  # a gradient keeps the activations of every posterior sample
LEAST = torch.finfo(torch.float32).tiny  # 1.2e-38; its negative log is 87.3 nats


def error(probabilities: Tensor, labels: Tensor) -> float:
    """The share of rows whose likeliest class is not the label; NaN is never right."""
    wrong = (probabilities.argmax(-1) != labels) | probabilities.isnan().any(-1)
    return wrong.sum().item() / len(labels)


def cross_entropy(probabilities: Tensor, labels: Tensor) -> float:
    r"""The mean of -log p(y_i | x_i) in nats, in float64.

    Probabilities are clamped at the smallest normal float32 (1.2e-38), so that one label held
    for impossible costs 87.3 nats and not an infinity.
    """
    own = probabilities.gather(-1, labels[:, None]).cpu().double()
    return -own.clamp(min=LEAST).log().mean().item()


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    r"""Expected calibration error: how far confidence lies from accuracy, in [0, 1].

    .. math:: \sum_m \frac{|B_m|}{n} |acc(B_m) - conf(B_m)|

    with B_m the rows whose largest probability lies in ((m - 1) / bins, m / bins].

    References:
        | On Calibration of Modern Neural Networks (Guo et al., 2017), eq. 3
        | https://arxiv.org/abs/1706.04599
    """
    confidence, guess = probabilities.cpu().double().max(-1)
    edges = torch.arange(1, bins, dtype=torch.float64) / bins
    gap = (guess == labels.cpu()).double() - confidence
    gaps = torch.zeros(bins, dtype=torch.float64)
    gaps.index_add_(0, torch.bucketize(confidence, edges), gap)
    return gaps.abs().sum().item() / len(labels)


@torch.no_grad()
def averaged(predict: Predict, x: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    r"""The posterior mean of the class probabilities ``[n, C]``, of probabilities, not logits.

    .. math:: \frac 1 S \sum_s softmax(logits(x, z_s)), \quad z_s \sim p(z | x)

    Arguments:
        samples: S, independent draws for each row.

    References:
        | Deep Variational Information Bottleneck (Alemi et al., 2017), section 4.1
        | https://arxiv.org/abs/1612.00410
    """
    return torch.cat(
        [
            torch.stack([predict(rows, generator).float().softmax(-1) for _ in range(samples)])
            .mean(0)
            for rows in x.split(ROWS_AT_ONCE)
        ]
    )  # fmt: skip


def under_noise(
    predict: Predict,
    x: Tensor,
    labels: Tensor,
    strengths: Sequence[float],
    samples: int,
    generator: torch.Generator,
) -> dict[float, float]:
    """The error of the averaged prediction with noise N(0, strength^2) on the inputs.

    Strengths are in the inputs' own scale, as the model sees them, and the noisy inputs are not
    clipped. One draw of the noise is scaled to each strength, so that they differ in it alone.
    """
    noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return {
        float(strength): error(averaged(predict, x + strength * noise, samples, generator), labels)
        for strength in strengths
    }


def under_fgsm(
    predict: Predict,
    x: Tensor,
    labels: Tensor,
    strengths: Sequence[float],
    samples: int,
    generator: torch.Generator,
    bounds: tuple[float, float] | None = None,
) -> dict[float, float]:
    r"""The error of the averaged prediction under the fast gradient sign method.

    .. math:: x' = x + strength \cdot sign(\nabla_x CE(\bar p(x), y))

    with the mean probability over so many posterior samples, then predicted with fresh ones.

    Arguments:
        strengths: The largest change of an input, in the inputs' own scale; 0 leaves them alone.
        bounds: The smallest and largest value that an input can have; None clips nothing.

    References:
        | Explaining and Harnessing Adversarial Examples (Goodfellow et al., 2015), section 4
        | https://arxiv.org/abs/1412.6572
        | on a stochastic encoder: Deep Variational Information Bottleneck (Alemi et al., 2017),
        | section 4.2 https://arxiv.org/abs/1612.00410
    """
    worse = torch.cat(
        [
            steepest(predict, rows, own, samples, generator)
            for rows, own in zip(
                x.split(ATTACKED_AT_ONCE), labels.split(ATTACKED_AT_ONCE), strict=True
            )
        ]
    )
    low, high = bounds or (-math.inf, math.inf)
    found = {}
    for strength in strengths:
        attacked = (x + strength * worse).clamp(low, high)
        found[float(strength)] = error(averaged(predict, attacked, samples, generator), labels)
    return found


@torch.enable_grad()
def steepest(
    predict: Predict, x: Tensor, labels: Tensor, samples: int, generator: torch.Generator
) -> Tensor:
    """The sign of the gradient of the cross-entropy in x; no parameter's gradient is touched."""
    x = x.detach().requires_grad_()
    logits = torch.stack([predict(x, generator) for _ in range(samples)])
    [gradient] = torch.autograd.grad(doubt(logits.float(), labels).sum(), x)
    return gradient.sign()


def doubt(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Per row what has, up to a positive factor, the gradient of -log of the mean probability.

    With m_s the log-odds against the label in sample s, its probability is sigmoid(-m_s) and

    .. math:: -\nabla \log \frac 1 S \sum_s \sigma(-m_s) \propto \sum_s w_s \nabla m_s, \quad
        w_s \propto \sigma(m_s) \, \sigma(-m_s)

    The cross-entropy itself is flat to rounding where a network is certain: its gradient would
    vanish and the network pass for robust.

    Arguments:
        logits: ``[S, n, C]``.
        labels: ``[n]``.
    """
    label = one_hot(labels, logits.shape[-1]).bool()
    others = logits.masked_fill(label, -math.inf).logsumexp(-1)
    against = others - logits.masked_fill(~label, 0).sum(-1)
    weights = (logsigmoid(against) + logsigmoid(-against)).softmax(0)
    return (weights.detach() * against).sum(0)
