import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from mine_cli.data.elliptical import DenseGaussian, SparseGaussian, Student
from mine_cli.data.laws import AdditiveNoise
from mine_cli.data.transforms import TRANSFORMS, transformed, unfit_transforms
from mine_cli.errors import BadInput
from mine_cli.tasks.mi_estimate.baselines import ksg

BY_COLUMN = ["asinh", "half_cube", "wiggly", "normal_cdf", "bimodal"]


def normals(n: int, columns: int) -> torch.Tensor:
    return torch.randn((n, columns), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", BY_COLUMN)
def test_maps_of_columns_rise(name: str) -> None:
    values = torch.linspace(-4, 4, 2001)[:, None]
    for side in transformed([name], values, values):
        assert (side.diff(dim=0) > 0).all()


@pytest.mark.parametrize("name", [*BY_COLUMN, "swiss_roll"])
def test_a_precise_estimate_stays_as_it_is(name: str) -> None:
    """KSG of 20,000 rows of one column each is precise: its spread over samples is 0.008."""
    law, mapped = (DenseGaussian(1, 0.75, transform=t) for t in ((), (name,)))
    plain, seen = (rows.sample(20_000, torch.Generator().manual_seed(1)) for rows in (law, mapped))
    before, after = (ksg(*(side.numpy() for side in pair)) for pair in (plain, seen))
    assert before == pytest.approx(law.true_mi, abs=0.02)
    assert after == pytest.approx(before, abs=0.02)
    assert mapped.true_mi == law.true_mi
    assert name in mapped.true_mi_note


def test_the_spiral_turns_each_row_by_its_length_and_back() -> None:
    x = normals(1000, 5)
    turned = TRANSFORMS["spiral"][0](x), TRANSFORMS["spiral"][1](x)
    for plane, found in enumerate(turned):
        # The length is kept, and with it the angle that turns it back.
        assert torch.allclose(found.norm(dim=1), x.norm(dim=1), atol=1e-5)
        angle = -found.square().sum(1).double() / 5
        pair = torch.complex(found[:, plane].double(), found[:, plane + 1].double())
        back = pair * torch.polar(torch.ones_like(angle), angle)
        assert torch.allclose(back.real.float(), x[:, plane], atol=1e-4)
        assert torch.allclose(back.imag.float(), x[:, plane + 1], atol=1e-4)
        others = [i for i in range(5) if i not in (plane, plane + 1)]
        assert torch.equal(found[:, others], x[:, others])


def test_the_spiral_keeps_volume() -> None:
    point = normals(1, 4)
    for turn in TRANSFORMS["spiral"]:
        slopes = torch.autograd.functional.jacobian(lambda x, f=turn: f(x[None])[0], point[0])
        assert torch.linalg.det(slopes).item() == pytest.approx(1, abs=1e-4)


def test_bimodal_margins() -> None:
    x, z = transformed(["bimodal"], normals(20_000, 1), normals(20_000, 1))
    for side, modes, shares in ((x, (0, 5), (0.3, 0.7)), (z, (-1, 3), (0.5, 0.5))):

        def cdf(y: np.ndarray, modes: tuple = modes, shares: tuple = shares) -> np.ndarray:
            return sum(p * norm.cdf(y - mode) for p, mode in zip(shares, modes, strict=True))

        # The same quantile as of the normal values, hence uniform.
        assert kstest(side[:, 0].double().numpy(), cdf).pvalue > 0.01


def test_the_roll_lies_on_its_curve() -> None:
    x = normals(500, 1)
    rolled, uniform = transformed(["swiss_roll"], x, x)
    radius = 1.5 * math.pi * (1 + 2 * uniform[:, 0]) / 21
    assert torch.allclose(rolled.norm(dim=1), radius, atol=1e-5)


def test_maps_follow_one_another() -> None:
    law = SparseGaussian(dim=3, transform=["normal_cdf", "spiral"])
    x, z = law.sample(100, torch.Generator().manual_seed(0))
    base = SparseGaussian(dim=3).sample(100, torch.Generator().manual_seed(0))
    expected = transformed(["spiral"], *transformed(["normal_cdf"], *base))
    assert torch.equal(x, expected[0])
    assert torch.equal(z, expected[1])


@pytest.mark.parametrize(
    ("names", "columns", "normal", "told"),
    [
        (["cube"], 1, True, "cube is none"),
        (["asinh", "normal_cdf"], 1, True, "want it first"),
        (["bimodal"], 1, False, "of a Gaussian"),
        (["swiss_roll"], 2, True, "dataset.dim=1"),
        (["spiral"], 2, True, "at least 3"),
    ],
)
def test_unfit(names: list[str], columns: int, normal: bool, told: str) -> None:
    (fault,) = unfit_transforms(names, columns, normal)
    assert fault.startswith(f"dataset.transform=[{','.join(names)}]")
    assert told in fault


def test_laws_refuse_what_does_not_fit_them() -> None:
    with pytest.raises(BadInput, match="of a Gaussian"):
        Student(transform=["normal_cdf"])
    with pytest.raises(BadInput, match="at least 3"):
        AdditiveNoise(transform=["spiral"])
