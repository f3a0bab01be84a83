import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, multinomial
from torch import Tensor

from mine_cli.data.samples import Verdict
from mine_cli.tasks.adversarial.metrics import (
    high_quality_share,
    js_divergence,
    kl_divergence,
    mode_histogram,
    mode_metrics,
    modes_captured,
    noise_floor,
)
from tests.devices import each_device

UNIFORM = torch.full((25,), 1 / 25, dtype=torch.float64)
some_counts = st.lists(st.integers(0, 10_000), min_size=6, max_size=6).filter(any)


def uniform_modes(modes: int, n: int, seed: int = 0) -> Tensor:
    return torch.randint(modes, (n,), generator=torch.Generator().manual_seed(seed))


def tensor(*values: float) -> Tensor:
    return torch.tensor(values)


@each_device
def test_counts_by_hand(device: str) -> None:
    mode = torch.tensor([0, 0, 3, 3, 3, 4], device=device)
    good = torch.tensor([True, False, False, False, False, True], device=device)
    judged, unjudged = Verdict(mode, good), Verdict(mode)
    assert modes_captured(judged) == 2  # no sample of mode 3 is good
    assert modes_captured(unjudged) == 3
    assert high_quality_share(judged) == pytest.approx(1 / 3)
    assert high_quality_share(unjudged) is None
    histogram = mode_histogram(mode, 6)
    assert histogram.tolist() == [2, 0, 0, 3, 1, 0]
    assert histogram.dtype == torch.float64
    assert histogram.device.type == "cpu"


@each_device
def test_every_metric_by_hand(device: str) -> None:
    mode = torch.tensor([0, 0, 1, 1], device=device)
    good = torch.tensor([True, False, False, False], device=device)
    confidence = torch.tensor([1.0, 0.5, 0.5, 0.0], device=device)
    metrics = mode_metrics(Verdict(mode, good, confidence), tensor(0.25, 0.25, 0.5))
    assert metrics == {
        "modes": 1.0,
        "high_quality": 0.25,
        "kl": pytest.approx(math.log(2)),
        "js": pytest.approx(0.75 * math.log(4 / 3)),  # the mixture is (3/8, 3/8, 1/4)
        "kl_high_quality": pytest.approx(math.log(4)),
        "kl_floor": pytest.approx(noise_floor(tensor(0.25, 0.25, 0.5), 4)),
        "confidence": 0.5,
    }


def test_what_is_not_judged_is_none() -> None:
    metrics = mode_metrics(Verdict(torch.tensor([0, 1])), tensor(0.5, 0.5))
    assert [name for name, value in metrics.items() if value is None] == [
        "high_quality",
        "kl_high_quality",
        "confidence",
    ]
    none_good = Verdict(torch.tensor([0, 1]), torch.tensor([False, False]))
    metrics = mode_metrics(none_good, tensor(0.5, 0.5))
    assert (metrics["modes"], metrics["high_quality"], metrics["kl"]) == (0, 0, 0)
    assert metrics["kl_high_quality"] is None


def test_one_mode_out_of_twenty_five() -> None:
    stuck = Verdict(torch.full((2500,), 7), torch.ones(2500, dtype=torch.bool))
    metrics = mode_metrics(stuck, UNIFORM)
    assert metrics["modes"] == 1
    assert metrics["kl"] == metrics["kl_high_quality"] == pytest.approx(math.log(25), rel=1e-12)
    # p = (1, 0, ...): m = (13/25, 1/50, ...).
    expected = (math.log(25 / 13) + math.log(1 / 13) / 25 + 24 / 25 * math.log(2)) / 2
    assert metrics["js"] == pytest.approx(expected, rel=1e-12)


def test_a_permutation_of_the_modes_changes_nothing() -> None:
    mode = uniform_modes(25, 2500).square() // 25
    good, sure = torch.rand(2500) < 0.6, torch.rand(2500)
    renamed = torch.randperm(25)[mode]
    before, after = (mode_metrics(Verdict(m, good, sure), UNIFORM) for m in (mode, renamed))
    assert before == pytest.approx(after, rel=1e-12)


@each_device
def test_a_uniform_draw_scores_the_noise_floor(device: str) -> None:
    found = []
    for seed in range(5):
        mode = uniform_modes(1000, 26_000, seed).to(device)
        found.append(mode_metrics(Verdict(mode), torch.full((1000,), 1e-3)))
    assert all(metrics["modes"] == 1000 for metrics in found)
    assert found[0]["kl_floor"] == pytest.approx(0.0193, abs=5e-5)
    # One draw scatters by sqrt(999 / 2) / 26,000 = 0.00086 around it.
    assert np.mean([metrics["kl"] for metrics in found]) == pytest.approx(0.0193, abs=0.0012)


@pytest.mark.parametrize(("modes", "n"), [(25, 2500), (25, 10), (3, 1), (1000, 26_000)])
def test_the_noise_floor_is_the_mean_of_simulated_draws(modes: int, n: int) -> None:
    random = np.random.default_rng(0)
    draws = random.multinomial(n, np.full(modes, 1 / modes), size=500) / n
    found = entropy(draws, np.full_like(draws, 1 / modes), axis=1)
    error = found.std() / math.sqrt(len(found))
    assert noise_floor(modes, n) == pytest.approx(found.mean(), abs=max(4 * error, 1e-12))


@pytest.mark.parametrize("law", [[0.5, 0.5], [0.9, 0.1], [0.2, 0.3, 0.5], [0.7, 0.3, 0.0]])
def test_the_noise_floor_sums_over_every_outcome(law: list[float]) -> None:
    n, floor = 5, 0.0
    for counts in itertools.product(range(n + 1), repeat=len(law)):
        chance = multinomial.pmf(counts, n, law)
        if sum(counts) == n and chance > 0:
            floor += chance * entropy(np.array(counts) / n, law)
    assert noise_floor(tensor(*law).double(), n) == pytest.approx(floor, rel=1e-6)


def test_limits_of_the_noise_floor() -> None:
    assert noise_floor(1000, 1) == pytest.approx(math.log(1000))
    assert noise_floor(1, 100) == 0
    assert noise_floor(25, 1_000_000) == pytest.approx(24 / 2_000_000, rel=1e-4)
    assert noise_floor(25, 2500) == pytest.approx(noise_floor(UNIFORM, 2500), rel=1e-9)
    assert noise_floor(25, 2500) == pytest.approx(0.0048, abs=5e-5)


def test_a_mode_that_the_law_has_not_is_infinitely_far() -> None:
    assert kl_divergence(tensor(1, 1), tensor(1, 0)) == math.inf
    assert kl_divergence(tensor(1, 0), tensor(1, 1)) == pytest.approx(math.log(2))


@settings(deadline=None)  # other processes may hold the machine
@given(some_counts, some_counts)
def test_divergences_agree_with_scipy(p: list[int], q: list[int]) -> None:
    kl, js = (f(tensor(*p), tensor(*q)) for f in (kl_divergence, js_divergence))
    assert kl == pytest.approx(entropy(p, q), rel=1e-9, abs=1e-12)
    assert js == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-6, abs=1e-12)


@settings(deadline=None)
@given(some_counts, some_counts)
def test_what_divergences_obey(p: list[int], q: list[int]) -> None:
    first, second = tensor(*p), tensor(*q)
    assert kl_divergence(first, second) >= 0
    assert kl_divergence(first, first) == 0
    assert kl_divergence(first, 3 * second) == pytest.approx(kl_divergence(2 * first, second))
    js = js_divergence(first, second)
    assert js == js_divergence(second, first)
    assert 0 <= js <= math.log(2) + 1e-12
    assert js_divergence(first, first) == 0
    # Bounds of Lin (1991): a quarter of Jeffreys' divergence, and the total variation.
    jeffreys = kl_divergence(first, second) + kl_divergence(second, first)
    assert js <= jeffreys / 4 + 1e-12
    distance = (first / first.sum() - second / second.sum()).double().abs().sum() / 2
    assert js <= math.log(2) * distance + 1e-6


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 400))
def test_what_the_noise_floor_obeys(modes: int, n: int) -> None:
    floor = noise_floor(modes, n)
    assert -1e-12 <= floor <= min(math.log(modes), (modes - 1) / n) + 1e-9
    assert noise_floor(modes, n + 1) <= floor + 1e-9


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=50), st.data())
def test_what_metrics_obey(modes: list[int], data: st.DataObject) -> None:
    good = data.draw(st.lists(st.booleans(), min_size=len(modes), max_size=len(modes)))
    metrics = mode_metrics(Verdict(torch.tensor(modes), torch.tensor(good)), torch.ones(10) / 10)
    assert metrics["modes"] <= len(set(modes))
    assert (metrics["kl_high_quality"] is None) == (metrics["high_quality"] == 0)
    assert 0 <= metrics["kl"] <= math.log(10) + 1e-12
    assert metrics["kl"] >= math.log(10 / len(set(modes))) - 1e-12
