"""What probabilities are worth, and whether attacks do what they say."""

import math

import pytest
import torch
from torch import Tensor, nn

from mine_cli.tasks.infobottleneck import predictions
from mine_cli.tasks.infobottleneck.predictions import (
    averaged,
    calibration_error,
    cross_entropy,
    error,
    under_fgsm,
    under_noise,
)
from tests.devices import each_device

STRENGTHS = (0.0, 0.1, 0.5, 2.0)


def stream(seed: int = 0, device: str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def noisy(model: nn.Module, std: float) -> predictions.Predict:
    """A stochastic classifier: noise on the model's inputs."""

    def predict(x: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(x.shape, generator=generator, device=x.device)
        return model(x + std * noise)

    return predict


def halves(n: int = 1000) -> tuple[Tensor, Tensor]:
    """Points of the plane, and the side of the first axis that they lie on."""
    x = torch.randn(n, 2, generator=stream(7))
    return x, (x[:, 0] > 0).long()


def sides(scale: float = 5.0) -> nn.Linear:
    """The classifier of `halves`, as sure as the scale says."""
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(scale * torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
        model.bias.zero_()
    return model


# Probabilities


@each_device
def test_scores_by_hand(device: str) -> None:
    p = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]], device=device)
    labels = torch.tensor([0, 1, 1], device=device)
    assert error(p, labels) == pytest.approx(1 / 3)
    assert cross_entropy(p, labels) == pytest.approx(-math.log(0.8 * 0.4 * 0.9) / 3, rel=1e-6)
    # 0.8 and 0.9 are right, 0.6 is wrong; each alone in its bin of fifteen.
    assert calibration_error(p, labels) == pytest.approx((0.2 + 0.6 + 0.1) / 3, rel=1e-6)
    # In one bin: accuracy 2/3 against confidence 2.3/3.
    assert calibration_error(p, labels, bins=1) == pytest.approx(0.1, rel=1e-5)


def test_an_impossible_label_costs_a_finite_number_of_nats() -> None:
    p = torch.tensor([[1.0, 0.0]])
    assert cross_entropy(p, torch.tensor([1])) == pytest.approx(87.34, abs=0.01)
    assert cross_entropy(p, torch.tensor([0])) == 0


def test_what_is_not_a_number_is_wrong() -> None:
    p = torch.full((4, 3), math.nan)
    labels = torch.zeros(4, dtype=torch.long)
    assert error(p, labels) == 1
    assert math.isnan(cross_entropy(p, labels))
    assert math.isnan(calibration_error(p, labels))


def test_labels_drawn_from_the_probabilities_are_calibrated() -> None:
    p = torch.randn(50_000, 4, generator=stream(1)).softmax(-1)
    labels = p.multinomial(1, generator=stream(2)).squeeze(1)
    assert calibration_error(p, labels) < 0.01
    assert calibration_error((3 * p.log()).softmax(-1), labels) > 0.15  # too sure of itself


def test_bins_are_closed_above() -> None:
    # 0.5 belongs to (0, 0.5], 0.75 to (0.5, 1]: the two gaps do not cancel.
    p = torch.tensor([[0.5, 0.5], [0.75, 0.25]])
    assert calibration_error(p, torch.tensor([0, 1]), bins=2) == pytest.approx((0.5 + 0.75) / 2)
    assert calibration_error(p, torch.tensor([0, 1]), bins=1) == pytest.approx(0.25 / 2)


# Posterior samples


def test_probabilities_are_averaged_and_not_logits() -> None:
    logits = iter([torch.tensor([[0.0, 10.0]]), torch.tensor([[2.0, 0.0]])])
    p = averaged(lambda x, generator: next(logits), torch.zeros(1, 1), 2, stream())
    mean = (torch.tensor([0.0, 10.0]).softmax(0) + torch.tensor([2.0, 0.0]).softmax(0)) / 2
    assert p[0].tolist() == pytest.approx(mean.tolist())
    assert mean[1] < torch.tensor([1.0, 5.0]).softmax(0)[1]


def test_the_posterior_mean_of_a_noisy_classifier() -> None:
    # P(x + noise > 0) of a certain classifier at x = 1 with noise of deviation 1.
    x = torch.tensor([[1.0, 0.0]])
    p = averaged(noisy(sides(1e4), 1.0), x.expand(5000, 2), 2, stream())
    assert p[:, 1].mean().item() == pytest.approx(0.8413, abs=0.015)
    assert p.requires_grad is False


def test_blocks_of_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "ROWS_AT_ONCE", 4)
    seen = []

    def predict(x: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(len(x))
        return x

    x = torch.randn(10, 3)
    assert torch.equal(averaged(predict, x, 1, stream()), x.softmax(-1))
    assert seen == [4, 4, 2]


# Inputs made worse


@each_device
def test_noise_confuses_by_its_strength(device: str) -> None:
    x, labels = (part.to(device) for part in halves())
    found = under_noise(noisy(sides().to(device), 0.0), x, labels, STRENGTHS, 1, stream(0, device))
    assert list(found) == list(STRENGTHS)
    assert found[0.0] == 0
    assert found[0.0] < found[0.1] < found[0.5] < found[2.0]
    # Signs of x and x + 2 noise differ with probability arctan(2) / pi.
    assert found[2.0] == pytest.approx(math.atan(2) / math.pi, abs=0.05)


@each_device
def test_the_attack_moves_every_point_across_that_it_can_reach(device: str) -> None:
    x, labels = (part.to(device) for part in halves())
    predict = noisy(sides().to(device), 0.0)
    found = under_fgsm(predict, x, labels, STRENGTHS, 1, stream(0, device))
    near = {s: (x[:, 0].abs() < s).float().mean().item() for s in STRENGTHS}
    assert found == pytest.approx(near, abs=0.002)


def test_an_attack_is_worse_than_as_much_noise() -> None:
    x, labels = halves()
    predict = noisy(sides(), 0.3)
    by_attack = under_fgsm(predict, x, labels, (0.5,), 12, stream())
    by_noise = under_noise(predict, x, labels, (0.5,), 12, stream())
    assert by_attack[0.5] > 1.5 * by_noise[0.5]


def test_a_certain_network_does_not_hide_its_gradient() -> None:
    x, labels = halves()
    sure = under_fgsm(noisy(sides(1e4), 0.0), x, labels, STRENGTHS, 1, stream())
    unsure = under_fgsm(noisy(sides(1.0), 0.0), x, labels, STRENGTHS, 1, stream())
    assert sure == unsure


def test_the_direction_is_that_of_the_mean_probability() -> None:
    logits = torch.randn(12, 6, 5, generator=stream(1)).double().requires_grad_()
    labels = torch.randint(5, (6,), generator=stream(2))
    entropy = -logits.softmax(-1).mean(0).gather(-1, labels[:, None]).log().sum()
    [expected] = torch.autograd.grad(entropy, logits)
    [found] = torch.autograd.grad(predictions.doubt(logits, labels).sum(), logits)
    ratio = (found / expected).transpose(0, 1).flatten(1)  # a positive factor for each row
    assert (ratio > 0).all()
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio))


def test_inputs_stay_within_their_bounds() -> None:
    x, labels = halves()
    x = x.clamp(-1, 1)
    seen: list[Tensor] = []

    def predict(rows: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(rows.detach())
        return sides()(rows)

    under_fgsm(predict, x, labels, (2.0,), 1, stream(), bounds=(-1, 1))
    assert seen[-1].abs().max() == 1
    under_fgsm(predict, x, labels, (2.0,), 1, stream())
    assert seen[-1].abs().max() > 1.9


def test_an_attack_touches_no_gradient_and_no_input() -> None:
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    model[0].weight.grad = torch.ones(8, 2)
    x, labels = halves(10)
    before = x.clone()
    with torch.no_grad():  # as in an evaluation
        under_fgsm(noisy(model, 0.1), x, labels, (0.0, 0.1), 3, stream())
    assert torch.equal(model[0].weight.grad, torch.ones(8, 2))
    assert all(p.grad is None for p in list(model.parameters())[1:])
    assert torch.equal(x, before)
    assert not x.requires_grad


def test_no_strength_is_the_clean_error() -> None:
    x, labels = halves()
    predict = noisy(sides(), 0.0)
    clean = error(averaged(predict, x, 1, stream()), 1 - labels)
    assert clean == 1
    assert under_noise(predict, x, 1 - labels, (0,), 1, stream()) == {0.0: clean}
    assert under_fgsm(predict, x, 1 - labels, (0,), 1, stream()) == {0.0: clean}


def test_the_same_stream_gives_the_same_numbers() -> None:
    x, labels = halves()
    for attack in (under_noise, under_fgsm):
        first, second = (attack(noisy(sides(), 1.0), x, labels, (0.5,), 3, stream()) for _ in "12")
        assert first == second
