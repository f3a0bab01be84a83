"""Whether a bottleneck tells rows of another kind from those that it was trained for."""

from collections.abc import Callable

import torch
from scipy.stats import mannwhitneyu
from torch import Generator, Tensor

from mine_cli.estimator.term import MutualInformation, evaluating
from mine_cli.networks.encoders import Bottleneck
from mine_cli.tasks.infobottleneck.predictions import averaged
from mine_cli.tasks.infobottleneck.report import ROWS_AT_ONCE, predictor

__all__ = ["area", "confidence", "pointwise_information", "told_apart"]

Score = Callable[[Tensor], Tensor]


def told_apart(score: Score | None, rows: Tensor, outliers: Tensor, stranger: int) -> float | None:
    """Returns the `area` of outliers against rows by a score; None where there is none.

    Arguments:
        score: of rows ``[n, ...]``, one number each.
        stranger: 1 where outliers are to score higher, -1 where lower.
    """
    if score is None:
        return None
    return area(stranger * score(outliers), stranger * score(rows))


def area(above: Tensor, below: Tensor) -> float:
    r"""Returns the area under the ROC curve, in [0, 1]; 0.5 is what chance gives.

    .. math:: P(a > b) + \tfrac12 P(a = b)

    for independent draws a of `above` and b of `below`.
    """
    a, b = above.cpu().double().numpy(), below.cpu().double().numpy()
    return float(mannwhitneyu(a, b).statistic) / (len(a) * len(b))


def confidence(bottleneck: Bottleneck, samples: int, generator: Generator) -> Score:
    """Returns the score by the largest averaged probability.

    References:
        | A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural
        | Networks (Hendrycks and Gimpel, 2017)
    """

    def score(x: Tensor) -> Tensor:
        with evaluating(bottleneck):
            return averaged(predictor(bottleneck), x, samples, generator).amax(-1)

    return score


def pointwise_information(
    bottleneck: Bottleneck, term: MutualInformation | None, samples: int, generator: Generator
) -> Score | None:
    r"""Returns the score by what a code tells of its row, averaged over draws of it; nats.

    .. math:: E_{p(z|x)} \log \frac{p(z|x)}{p(z)}

    as the MI term reads it, up to a constant, or without one by the divergence of p(z|x) from
    N(0, 1), the rate of the variational bottleneck; None where neither is known.

    References:
        | Uncertainty in the Variational Information Bottleneck (Alemi et al., 2018), section 3
    """
    if term is None and not hasattr(bottleneck.encoder, "law"):
        return None

    def once(x: Tensor) -> Tensor:
        _, z, divergence, seen = bottleneck(x, bottleneck.encoder.draw_noise(len(x), generator))
        return divergence if term is None else term.network(seen, z)

    @torch.no_grad()
    def score(x: Tensor) -> Tensor:
        draws = samples if term is not None else 1
        with evaluating(bottleneck):
            return torch.cat(
                [
                    torch.stack([once(rows) for _ in range(draws)]).mean(0)
                    for rows in x.split(ROWS_AT_ONCE)
                ]
            )

    return score
