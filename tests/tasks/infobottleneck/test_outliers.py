"""Rows of another kind: areas under the ROC curve, and the scores that they are of."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Generator, Tensor

from mine_cli.config.schemas import InfoBottleneckConf, MethodConf, TrainerConf
from mine_cli.data.labelled import Labelled
from mine_cli.errors import BadInput
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.encoders import Additive, Bottleneck, Deterministic, Gaussian
from mine_cli.networks.mlp import MLP
from mine_cli.tasks.infobottleneck.outliers import (
    area,
    confidence,
    pointwise_information,
    told_apart,
)
from mine_cli.tasks.infobottleneck.training import InfoBottleneck

SIZE, FEATURES, CLASSES = 6, 4, 3
ENCODERS = {"none": Deterministic, "kl": Gaussian, "mine": Additive}


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize("decimals", [0, 1, 6])  # few: many ties
def test_an_area_is_that_of_scikit_learn(decimals: int) -> None:
    above = (torch.randn(300, generator=seeded()) + 0.7).round(decimals=decimals)
    below = torch.randn(200, generator=seeded(1)).round(decimals=decimals)
    truth = torch.cat([torch.ones(300), torch.zeros(200)])
    assert area(above, below) == pytest.approx(roc_auc_score(truth, torch.cat([above, below])))


def test_areas_by_hand() -> None:
    low, high = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])
    assert area(high, low) == 1.0
    assert area(low, high) == 0.0
    assert area(low, low) == 0.5
    assert area(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.5])) == (0.5 + 0 + 1 + 1) / 4


def identity(x: Tensor) -> Tensor:
    return x


def test_a_score_may_be_high_or_low_of_strangers() -> None:
    rows, others = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])
    assert told_apart(identity, rows, others, 1) == 1.0
    assert told_apart(identity, rows, others, -1) == 0.0
    assert told_apart(None, rows, others, 1) is None


def bottleneck(kind: str, seed: int = 0) -> Bottleneck:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = ENCODERS[kind]((SIZE,), features=FEATURES, widths=(16,))
        return Bottleneck(encoder, FEATURES, CLASSES, sees="input")


def term(seed: int = 0) -> MutualInformation:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MutualInformation(MLP((SIZE,), (FEATURES,), (16,)), "dv", seed=seed)


def test_confidence_is_the_largest_probability() -> None:
    model, x = bottleneck("none"), torch.randn(20, SIZE, generator=seeded())
    expected = model.decoder(model.encoder(x, {})).softmax(-1).amax(-1)
    assert torch.allclose(confidence(model, 1, seeded())(x), expected)


def test_without_a_term_the_rate_is_the_divergence_from_the_normal() -> None:
    model, x = bottleneck("kl"), torch.randn(20, SIZE, generator=seeded())
    score = pointwise_information(model, None, 3, seeded())
    assert score is not None
    laws = torch.distributions.Normal(*model.encoder.law(x, {}))
    normal = torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(laws, normal).sum(-1)
    assert torch.allclose(score(x), expected, rtol=1e-4)


def test_with_a_term_the_scores_are_averaged_over_codes() -> None:
    model, mi = bottleneck("mine"), term()
    x, draws = torch.randn(20, SIZE, generator=seeded()), 5
    score = pointwise_information(model, mi, draws, seeded())
    assert score is not None
    random = seeded()
    noises = [model.encoder.draw_noise(len(x), random) for _ in range(draws)]
    each = [mi.network(x, model.encoder(x, noise)) for noise in noises]
    assert torch.allclose(score(x), torch.stack(each).mean(0), atol=1e-5)


def test_a_deterministic_code_has_no_information_to_tell_by() -> None:
    assert pointwise_information(bottleneck("none"), None, 1, seeded()) is None


def blobs(outliers: Tensor | None) -> Labelled:
    random = seeded()
    centres = torch.randn(CLASSES, SIZE, generator=random) * 2
    y = torch.randint(CLASSES, (800,), generator=random)
    x = centres[y] + 0.5 * torch.randn(len(y), SIZE, generator=random)
    return Labelled(x[:600], y[:600], x[600:], y[600:], CLASSES, outliers=outliers)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_result_tells_of_outliers_where_there_are_any(kind: str) -> None:
    """Between the clusters a classifier is unsure; without outliers nothing is said of them."""
    between = 0.3 * torch.randn(150, SIZE, generator=seeded(3))

    def result(outliers: Tensor | None) -> dict[str, float | None]:
        task = InfoBottleneck(
            InfoBottleneckConf(average=None, samples=3, pairs=4000, attacked_rows=20),
            MethodConf(name=kind, information=kind, beta=1e-3 * (kind != "none")),
            TrainerConf(steps=200, batch_size=50, lr=3e-3),
            blobs(outliers),
            partial(bottleneck, kind),
            term,
        )
        for step in range(1, 201):
            task.train_step(step)
        return task.result()["metrics"]

    plain, found = result(None), result(between)
    assert not [name for name in plain if name.startswith("outliers")]
    assert found["outliers"] == 150
    assert found["outliers_by_confidence"] > 0.7
    assert (found["outliers_by_information"] is None) == (kind == "none")
    same = {name: value for name, value in found.items() if not name.startswith("outliers")}
    assert same == plain


def test_outliers_are_checked_as_the_other_rows() -> None:
    good = blobs(None)
    with pytest.raises(BadInput, match="outliers has rows of shape"):
        replace(good, outliers=torch.zeros(5, SIZE + 1))
    with pytest.raises(BadInput, match="outliers: NaN or infinite in row 2"):
        replace(good, outliers=torch.tensor([[0.0] * SIZE, [float("nan")] * SIZE]))
