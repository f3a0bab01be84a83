"""What an information bottleneck is worth on rows that it was not trained on; nats."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from mine_cli.config.schemas import InfoBottleneckConf
from mine_cli.data.images import label_entropy
from mine_cli.estimator.evaluation import Crossing, Evaluation
from mine_cli.estimator.term import MutualInformation, evaluating
from mine_cli.networks.encoders import Bottleneck, Gaussian
from mine_cli.tasks.infobottleneck import predictions
from mine_cli.tasks.infobottleneck.encoder_information import gaussian_information
from mine_cli.tasks.protocol import Result

__all__ = ["ROWS_AT_ONCE", "information", "prediction", "predictions_of", "predictor"]

ROWS_AT_ONCE = 2000  # encoded at once


def predictor(bottleneck: Bottleneck) -> Callable[[Tensor, Generator], Tensor]:
    """Logits of rows, with the encoder's noise from a random stream."""

    def predict(x: Tensor, generator: Generator) -> Tensor:
        return bottleneck(x, bottleneck.encoder.draw_noise(len(x), generator))[0]

    return predict


def prediction(
    bottleneck: Bottleneck, x: Tensor, y: Tensor, samples: int, generator: Generator
) -> dict[str, float]:
    """Error, cross-entropy and calibration error of the mean over so many posterior samples."""
    with evaluating(bottleneck):
        predicted = predictions.averaged(predictor(bottleneck), x, samples, generator)
    return {
        "error": predictions.error(predicted, y),
        "cross_entropy": predictions.cross_entropy(predicted, y),
        "calibration": predictions.calibration_error(predicted, y),
    }


def predictions_of(
    bottleneck: Bottleneck,
    x: Tensor,
    y: Tensor,
    conf: InfoBottleneckConf,
    bounds: tuple[float, float] | None,
    streams: Callable[[int], Generator],
) -> Result:
    """How well a bottleneck predicts: with one posterior sample and many, noisy and attacked."""
    many = conf.samples if bottleneck.random else 1
    one, averaged = (prediction(bottleneck, x, y, n, streams(2)) for n in (1, many))
    few, predict, generator = slice(conf.attacked_rows), predictor(bottleneck), streams(3)
    rows = x[few], y[few]
    with evaluating(bottleneck):
        noisy = predictions.under_noise(predict, *rows, conf.noise, many, generator)
        attacked = predictions.under_fgsm(predict, *rows, conf.fgsm, many, generator, bounds)
    return {
        "samples": many,
        "attacked_rows": len(rows[0]),
        **one,
        **{f"{name}_averaged": value for name, value in averaged.items()},
        "noise_errors": noisy,
        "fgsm_errors": attacked,
    }


@torch.no_grad()
def information(
    bottleneck: Bottleneck,
    term: MutualInformation | None,
    x: Tensor,
    y: Tensor,
    referenced: int,
    generator: Generator,
    options: Crossing,
) -> tuple[dict[str, float | None], Evaluation | None]:
    """I(X; Z) in all ways known, and a lower bound on I(Z; Y), H(Y) less the cross-entropy.

    Arguments:
        term: Trained on this encoder's codes; None for none.
        referenced: How many rows the encoder's own law is judged on: the cost is their square.
        options: Of the term's evaluation.
    """
    with evaluating(bottleneck):
        parts = [
            bottleneck(rows, bottleneck.encoder.draw_noise(len(rows), generator))
            for rows in x.split(ROWS_AT_ONCE)
        ]
    logits, z, divergence, seen = (torch.cat(part) for part in zip(*parts, strict=True))
    entropy = label_entropy(y)
    found: dict[str, float | None] = {
        "i_xz_reference": None,
        "i_xz_reference_upper": None,
        "kl": None,
        "i_zy": entropy - predictions.cross_entropy(logits.softmax(1), y),
        "h_y": entropy,
    }
    if hasattr(bottleneck.encoder, "law"):
        found["kl"] = float(divergence.double().mean())
        found |= reference(bottleneck.encoder, x[:referenced], generator)
    return found, None if term is None else term.evaluate(seen, z, **options)


def reference(encoder: Gaussian, x: Tensor, generator: Generator) -> dict[str, float | None]:
    """The bracket around I(X; Z) that an encoder's own law gives.

    Noise on the input as well makes the law itself random, and then there is none.
    """
    if "x" in encoder.draw_noise(1, generator):
        return {}
    laws = [encoder.law(rows, {}) for rows in x.split(ROWS_AT_ONCE)]
    mean, std = (torch.cat(part) for part in zip(*laws, strict=True))
    found = gaussian_information(mean, std, generator)
    return {"i_xz_reference": found.lower, "i_xz_reference_upper": found.upper}
