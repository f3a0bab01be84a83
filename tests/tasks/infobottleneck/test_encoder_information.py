"""The bracket of a Gaussian encoder's information, against channels of known capacity."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from mine_cli.errors import BadInput
from mine_cli.tasks.infobottleneck import encoder_information
from mine_cli.tasks.infobottleneck.encoder_information import Bracket, gaussian_information
from tests.devices import each_device


def stream(seed: int = 0, device: str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def linear(n: int, dim: int, std: float, seed: int = 0) -> tuple[Bracket, float]:
    """The bracket of z = x + std * eps with standard Gaussian x, and the true value in nats."""
    x = torch.randn(n, dim, generator=stream(1000 + seed))
    found = gaussian_information(x, torch.full_like(x, std), stream(seed))
    return found, 0.5 * dim * math.log(1 + std**-2)


def directly(mean: Tensor, std: Tensor, generator: torch.Generator) -> tuple[float, float]:
    """Both ends from every pair's density, as the formulas read."""
    z = mean.double() + std.double() * torch.randn(mean.shape, generator=generator)
    density = Independent(Normal(mean.double()[None], std.double()[None]), 1).log_prob(z[:, None])
    n, own = len(mean), density.diagonal()
    lower = own - density.logsumexp(1) + math.log(n)
    others = density.masked_fill(torch.eye(n, dtype=torch.bool), -math.inf)
    upper = own - others.logsumexp(1) + math.log(n - 1)
    return lower.mean().item(), upper.mean().item()


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("std", [0.3, 1.0, 3.0])
def test_the_capacity_of_a_linear_channel_lies_in_the_bracket(dim: int, std: float) -> None:
    found, true = linear(2000, dim, std)
    assert found.lower <= found.upper
    assert found.lower - 3 * found.standard_error_lower < true
    assert true < found.upper + 3 * found.standard_error_upper


@pytest.mark.parametrize(("dim", "std"), [(1, 1.0), (3, 1.0), (2, 2.0), (3, 10.0)])
def test_both_ends_meet_the_capacity_where_it_is_small(dim: int, std: float) -> None:
    found, true = linear(2000, dim, std)
    assert found.lower == pytest.approx(true, abs=3 * found.standard_error_lower)
    assert found.upper == pytest.approx(true, abs=3 * found.standard_error_upper)
    assert found.upper - found.lower < 0.01


@pytest.mark.parametrize(("n", "dim", "std"), [(300, 1, 1.0), (300, 2, 0.3), (200, 2, 3.0)])
def test_ends_are_bounds_on_average_and_scatter_by_their_standard_errors(
    n: int, dim: int, std: float
) -> None:
    runs = [linear(n, dim, std, seed) for seed in range(200)]
    true = runs[0][1]
    for end, side in (("lower", -1), ("upper", 1)):
        values = torch.tensor([getattr(found, end) for found, _ in runs])
        errors = torch.tensor([getattr(found, f"standard_error_{end}") for found, _ in runs])
        assert side * (values.mean() - true) > -3 * values.std() / math.sqrt(200)
        assert values.std().item() == pytest.approx(errors.mean().item(), rel=0.15)


@pytest.mark.parametrize("shift", [0.0, 1e4])
@pytest.mark.parametrize("scale", [0.0067, 0.1, 1.0])
def test_products_agree_with_the_direct_formula(
    shift: float, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        encoder_information, "NUMBERS_AT_ONCE", 1000
    )  # blocks of seven rows, the last of one
    mean = torch.randn(141, 5, generator=stream(1)).double() * 2 + shift
    std = scale * (0.5 + torch.rand(141, 5, generator=stream(2)).double())
    found = gaussian_information(mean, std, stream())
    lower, upper = directly(mean, std, stream())
    assert found.lower == pytest.approx(lower, abs=1e-9)
    assert found.upper == pytest.approx(upper, rel=1e-9, abs=1e-9)


def test_other_units_are_the_same_channel() -> None:
    mean = torch.randn(200, 4, generator=stream(1)).double()
    std = torch.rand(200, 4, generator=stream(2)).double() + 0.1
    units = torch.tensor([1e-6, 1.0, 50.0, 1e8])
    there = gaussian_information(mean * units + units, std * units, stream())
    here = gaussian_information(mean, std, stream())
    assert vars(there) == pytest.approx(vars(here), rel=1e-6)


def test_inputs_that_are_never_confused_reach_the_ceiling() -> None:
    found, true = linear(500, 3, 0.0067)
    assert true > math.log(500)
    assert found.lower == pytest.approx(math.log(500), abs=1e-3)
    assert found.lower <= math.log(500)
    assert found.upper > true


@pytest.mark.parametrize("std", [1e6, 1e30])
def test_noise_alone_carries_nothing(std: float) -> None:
    found, _ = linear(500, 3, std)
    assert vars(found) == pytest.approx(dict.fromkeys(vars(found), 0), abs=1e-4)


def test_one_mean_for_all_carries_nothing() -> None:
    found = gaussian_information(torch.full((100, 3), 7.0), torch.ones(100, 3), stream())
    assert vars(found) == pytest.approx(dict.fromkeys(vars(found), 0), abs=1e-12)


def test_a_dead_dimension_changes_nothing() -> None:
    x = torch.randn(200, 2, generator=stream(1))
    dead = torch.cat([x[:, :1], torch.full((200, 1), 3.0)], 1)
    found = gaussian_information(dead, torch.ones(200, 2), stream())
    true = 0.5 * math.log(2)
    assert found.lower == pytest.approx(true, abs=4 * found.standard_error_lower)


@pytest.mark.parametrize("mean", [0.0, 1.0, 1e30])
@pytest.mark.parametrize("std", [0.0, 1e-30, 1.0, 1e30])
def test_extremes_are_numbers(mean: float, std: float) -> None:
    x = mean * torch.randn(50, 3, generator=stream(1))
    found = gaussian_information(x, torch.full_like(x, std), stream())
    assert all(map(math.isfinite, vars(found).values()))
    assert found.lower <= min(found.upper, math.log(50) + 1e-9)


@pytest.mark.parametrize("n", [0, 1])
def test_a_mixture_needs_others(n: int) -> None:
    with pytest.raises(BadInput, match=f"^gaussian_information: {n} inputs; want at least two"):
        gaussian_information(torch.zeros(n, 2), torch.ones(n, 2), stream())


@each_device
def test_on_the_device_of_the_encoder(device: str) -> None:
    x = torch.randn(300, 2, generator=stream(1)).to(device).requires_grad_()
    found = gaussian_information(x, torch.ones_like(x), stream(0, device))
    assert found.lower == pytest.approx(math.log(2), abs=4 * found.standard_error_lower)
