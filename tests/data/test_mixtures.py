import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from mine_cli.data.mixtures import GaussianGrid, GaussianRing, Mixture
from mine_cli.errors import BadInput
from mine_cli.tasks.adversarial.metrics import mode_metrics
from tests.devices import each_device

LAWS = {"grid": GaussianGrid, "ring": GaussianRing}
each_law = pytest.mark.parametrize("make", LAWS.values(), ids=LAWS)


def seeded(seed: int = 0, device: str = "cpu") -> Generator:
    return Generator(device).manual_seed(seed)


def score(law: Mixture, x: Tensor) -> dict[str, Any]:
    return mode_metrics(law.judge(x), law.true_histogram)


def test_the_default_grid_is_pacgan_s() -> None:
    law = GaussianGrid()
    axis = (-4.0, -2.0, 0.0, 2.0, 4.0)
    assert {tuple(centre) for centre in law.centres.tolist()} == {
        (a, b) for a in axis for b in axis
    }
    assert (law.modes, law.shape, law.image, law.files) == (25, (2,), False, [])


def test_the_default_ring_is_that_of_unrolled_gans() -> None:
    law = GaussianRing()
    assert law.modes == len(law.centres) == 8
    assert torch.allclose(law.centres.norm(dim=1), torch.tensor(2.0))
    gaps = (law.centres - law.centres.roll(1, 0)).norm(dim=1)
    assert torch.allclose(gaps, torch.tensor(4 * math.sin(math.pi / 8)))
    assert law.centres[0].tolist() == [2, 0]


@each_device
@each_law
def test_exact_centres_are_perfect(make: Any, device: str) -> None:
    law = make()
    metrics = score(law, law.centres.repeat(100, 1).to(device))
    assert metrics["modes"] == law.modes
    assert metrics["high_quality"] == 1
    assert metrics["kl"] == metrics["js"] == metrics["kl_high_quality"] == 0


@each_device
@each_law
@pytest.mark.parametrize("n", [100_000, None], ids=["fixed", "fresh"])
def test_samples_of_the_law_score_its_noise_floor(make: Any, n: int | None, device: str) -> None:
    law = make(n=n)
    runs = [score(law, law.draw(2500, seeded(seed, device))) for seed in range(10)]
    floor = runs[0]["kl_floor"]
    assert all(run["modes"] == law.modes for run in runs)
    # 1 - e^(-9/2) of a round Gaussian lie within 3 sigma.
    assert all(run["high_quality"] == pytest.approx(0.989, abs=0.008) for run in runs)
    assert all(run["kl"] < 4 * floor for run in runs)
    mean = sum(run["kl"] for run in runs) / len(runs)
    assert mean == pytest.approx(floor, rel=0.6)


def test_the_grid_s_floor_at_2500_points() -> None:
    law = GaussianGrid()
    assert score(law, law.draw(2500, seeded()))["kl_floor"] == pytest.approx(0.005, abs=3e-4)


@each_law
def test_a_sampler_of_one_mode(make: Any) -> None:
    law = make()
    metrics = score(law, law.centres[3] + law.sigma * torch.randn(2500, 2))
    assert metrics["modes"] == 1
    assert metrics["kl"] == metrics["kl_high_quality"] == pytest.approx(math.log(law.modes))


@each_law
def test_the_order_of_the_centres_does_not_matter(make: Any) -> None:
    law, x = make(), 3 * torch.randn(2500, 2)
    shuffled = Mixture(law.centres[torch.randperm(law.modes)], law.sigma, n=10)
    before, after = score(law, x), score(shuffled, x)
    before.pop("confidence"), after.pop("confidence")
    assert 0 < before["high_quality"] < 1
    assert before == pytest.approx(after, rel=1e-12)


@each_device
@each_law
def test_the_border_of_high_quality(make: Any, device: str) -> None:
    law = make()
    direction = torch.nn.functional.normalize(torch.randn(law.modes, 2), dim=1)
    for factor, good in ((3 * (1 - 1e-4), True), (3 * (1 + 1e-4), False)):
        verdict = law.judge((law.centres + factor * law.sigma * direction).to(device))
        assert verdict.mode.tolist() == list(range(law.modes))
        assert verdict.good is not None
        assert verdict.good.device.type == device
        assert (verdict.good == good).all()
        assert verdict.confidence is None


@each_law
def test_fixed_samples_are_drawn_once_and_then_with_replacement(make: Any) -> None:
    law, same, other = make(n=500), make(n=500), make(n=500, seed=1)
    x = law.draw(4000, seeded(3))
    assert x.shape == (4000, 2)
    assert x.dtype == torch.float32
    assert len(x.unique(dim=0)) == 500  # each of 500 is left out with probability e^-8
    assert torch.equal(x, same.draw(4000, seeded(3)))
    assert not torch.equal(x, law.draw(4000, seeded(4)))
    assert len(torch.cat([x, other.draw(4000, seeded(3))]).unique(dim=0)) == 1000
    assert len(make(n=None).draw(4000, seeded(3)).unique(dim=0)) == 4000


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@each_law
def test_the_fixed_samples_are_the_same_on_a_gpu(make: Any) -> None:
    law = make(n=500)
    on_cpu = law.draw(10_000, seeded()).unique(dim=0)
    x = law.draw(10_000, seeded(device="cuda"))
    assert x.device.type == "cuda"
    assert torch.equal(x.unique(dim=0).cpu(), on_cpu)


def test_spread_and_shares_of_the_law() -> None:
    law = GaussianGrid(side=3, spacing=5.0, sigma=0.4, n=None)
    x = law.draw(200_000, seeded())
    mode = law.judge(x).mode
    assert torch.allclose(mode.bincount() / len(x), torch.tensor(1 / 9), atol=3e-3)
    assert torch.allclose((x - law.centres[mode]).std(0), torch.tensor(0.4), atol=3e-3)
    assert law.true_histogram.tolist() == [1 / 9] * 9


@pytest.mark.parametrize("side", [1, 2])
def test_small_grids(side: int) -> None:
    law = GaussianGrid(side=side)
    assert law.centres.mean(0).tolist() == [0, 0]
    assert score(law, law.draw(1000, seeded()))["modes"] == side**2


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: GaussianGrid(side=0), "dataset.side=0"),
        (lambda: GaussianGrid(spacing=0.0), "dataset.spacing=0.0"),
        (lambda: GaussianGrid(sigma=0.0), "dataset.sigma=0.0: want a spread above 0"),
        (lambda: GaussianGrid(sigma=math.nan), "dataset.sigma=nan"),
        (lambda: GaussianGrid(sigma=0.4), "want at most 0.3333"),
        (lambda: GaussianGrid(n=0), "dataset.n=0: want at least 1, or null"),
        (lambda: GaussianRing(modes=0), "dataset.modes=0"),
        (lambda: GaussianRing(radius=-1.0), "dataset.radius=-1.0"),
        (lambda: GaussianRing(modes=200), "the modes run into one another"),
    ],
)
def test_bad_parameters(make: Any, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        make()
    (fault,) = caught.value.faults
    assert told in fault
    assert "\n" not in fault
