import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from mine_cli.data.spiral import Spiral, angle_at, arc_length
from mine_cli.errors import BadInput
from mine_cli.tasks.adversarial.metrics import mode_metrics
from tests.devices import each_device


def seeded(seed: int = 0, device: str = "cpu") -> Generator:
    return Generator(device).manual_seed(seed)


def score(law: Spiral, x: Tensor) -> dict[str, Any]:
    return mode_metrics(law.judge(x), law.true_histogram)


def beside(law: Spiral, arc: Tensor, offset: float) -> Tensor:
    """Points at that distance from the curve whose nearest points lie at `arc`, [n, 2]."""
    step = 1e-6
    tangent = (law.curve(arc + step) - law.curve(arc - step)) / (2 * step)
    normal = torch.stack([-tangent[:, 1], tangent[:, 0]], 1)
    return law.curve(arc) + offset * torch.nn.functional.normalize(normal, dim=1)


def test_arc_length_is_that_of_a_fine_polygon() -> None:
    angle = torch.linspace(0, 20, 400_001, dtype=torch.float64)
    points = angle[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    polygon = (points[1:] - points[:-1]).norm(dim=1).cumsum(0)
    exact = arc_length(angle[1:])
    assert torch.allclose(polygon, exact, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("dtype", "digits"), [(torch.float64, 2e-14), (torch.float32, 2e-5)])
def test_the_angle_at_an_arc_length(dtype: torch.dtype, digits: float) -> None:
    angle = torch.cat([torch.zeros(1), torch.logspace(-12, 2, 1001)]).double()
    found = angle_at(arc_length(angle).to(dtype)).double()
    assert ((found - angle).abs() <= digits * (1 + angle)).all()


def test_the_curve_s_ends_and_windings() -> None:
    law = Spiral(turns=2.0, radius=3.0)
    ends = law.curve(torch.tensor([0.0, law.length], dtype=torch.float64))
    assert torch.allclose(ends, torch.tensor([[0.0, 0.0], [3.0, 0.0]]).double(), atol=1e-12)
    outer = law.growth * float(2 * math.pi)  # one turn before the end
    assert 3.0 - outer == pytest.approx(3.0 / 2)


def test_the_default() -> None:
    law = Spiral()
    assert (law.modes, law.shape, law.image, law.files) == (100, (2,), False, [])
    assert law.length == pytest.approx(19.579, abs=1e-3)
    assert law.true_histogram.tolist() == [0.01] * 100
    windings_apart = law.radius / law.turns / law.sigma
    assert windings_apart > 50


@pytest.mark.parametrize("values", [{}, {"turns": 4.0}, {"bins": 7}], ids=str)
def test_bins_are_those_of_the_nearest_point(values: dict[str, Any]) -> None:
    law = Spiral(**values)
    width = law.length / law.modes
    arc = torch.linspace(2 * width / 3, law.length - width / 3, 5001, dtype=torch.float64)
    within = (arc / width) % 1
    error = 0.01 * width / law.landmarks_a_bin  # a hundredth of the landmarks' distance
    clear = (within * width > error) & ((1 - within) * width > error)
    for offset in (-2 * law.sigma, 0.0, 2 * law.sigma):
        found = law.judge(beside(law, arc, offset).float()).mode
        assert torch.equal(found[clear], (arc / width).long()[clear])


@each_device
@pytest.mark.parametrize("turns", [1.5, 4.0])
def test_the_border_of_high_quality_is_exact_to_a_two_hundredth_of_sigma(
    turns: float, device: str
) -> None:
    law = Spiral(turns=turns)
    arc = torch.linspace(0.01, law.length - 0.01, 5001, dtype=torch.float64)
    outer = arc > 1  # within, both sides of the origin are near
    for side in (-law.sigma, law.sigma):
        inside = law.judge(beside(law, arc, side * (3 - 1 / 200)).float().to(device))
        outside = law.judge(beside(law, arc[outer], side * 3.0001).float().to(device))
        assert inside.good.all()
        assert not outside.good.any()
        assert inside.good.device.type == device


@each_device
@pytest.mark.parametrize("n", [100_000, None], ids=["fixed", "fresh"])
def test_samples_of_the_law_score_its_noise_floor(n: int | None, device: str) -> None:
    law = Spiral(n=n)
    runs = [score(law, law.draw(2500, seeded(seed, device))) for seed in range(5)]
    assert all(run["modes"] == 100 for run in runs)
    assert all(run["high_quality"] == pytest.approx(0.9973, abs=0.005) for run in runs)
    # Of one run: sqrt(99 / 2) / 2500 = 0.0028.
    floor = runs[0]["kl_floor"]
    assert floor == pytest.approx(0.0199, abs=1e-4)
    assert sum(run["kl"] for run in runs) / len(runs) == pytest.approx(floor, abs=0.006)


@pytest.mark.parametrize("values", [{}, {"turns": 4.0}, {"sigma": 0.13}], ids=str)
def test_the_law_is_uniform_over_the_bins_as_far_as_20000_samples_tell(
    values: dict[str, Any],
) -> None:
    """Also where the windings are as near as allowed, and at both ends."""
    law = Spiral(**values, n=None)
    metrics = score(law, law.draw(20_000, seeded()))
    assert metrics["kl"] == pytest.approx(metrics["kl_floor"], rel=0.6)


def test_half_a_spiral() -> None:
    law = Spiral()
    arc = torch.rand(2500, dtype=torch.float64) * law.length / 2
    metrics = score(law, law.curve(arc).float())
    assert metrics["modes"] == 50
    assert metrics["high_quality"] == 1
    assert metrics["kl"] == pytest.approx(math.log(2), abs=0.02)


def test_points_between_the_windings_belong_to_a_bin_but_are_no_good() -> None:
    law = Spiral()
    arc = torch.linspace(5, law.length - 5, 100, dtype=torch.float64)
    verdict = law.judge(beside(law, arc, 1.0).float())
    assert not verdict.good.any()
    assert ((verdict.mode >= 0) & (verdict.mode < 100)).all()
    metrics = mode_metrics(verdict, law.true_histogram)
    assert (metrics["modes"], metrics["kl_high_quality"]) == (0, None)


def test_many_points_are_judged_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    law = Spiral()
    x = 3 * torch.randn(500, 2)
    whole = law.judge(x)
    monkeypatch.setattr("mine_cli.data.spiral.DISTANCES", 3000)
    parts = law.judge(x)
    assert torch.equal(whole.mode, parts.mode)
    assert torch.equal(whole.good, parts.good)


def test_fixed_samples_are_drawn_once_and_then_with_replacement() -> None:
    law, same, other = Spiral(n=500), Spiral(n=500), Spiral(n=500, seed=1)
    x = law.draw(4000, seeded(3))
    assert x.shape == (4000, 2)
    assert x.dtype == torch.float32
    assert len(x.unique(dim=0)) == 500
    assert torch.equal(x, same.draw(4000, seeded(3)))
    assert len(torch.cat([x, other.draw(4000, seeded(3))]).unique(dim=0)) == 1000
    assert len(Spiral(n=None).draw(4000, seeded(3)).unique(dim=0)) == 4000


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"turns": 0.0}, "dataset.turns=0.0"),
        ({"radius": math.inf}, "dataset.radius=inf"),
        ({"sigma": -0.1}, "dataset.sigma=-0.1"),
        ({"sigma": 0.2}, "want at most 0.1333, radius / turns / 20"),
        ({"turns": 9.0}, "the windings run into one another"),
        ({"bins": 0}, "dataset.bins=0"),
        ({"n": 0}, "dataset.n=0"),
    ],
)
def test_bad_parameters(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        Spiral(**values)
    (fault,) = caught.value.faults
    assert told in fault
    assert "\n" not in fault


def test_faults_come_all_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        Spiral(turns=0.0, bins=0, n=-1)
    assert len(caught.value.faults) == 3
