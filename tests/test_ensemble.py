"""A network trained beside others learns what it learns alone."""

import pytest
import torch
from torch import Tensor, nn

from mine_cli.bounds import BOUNDS
from mine_cli.ensemble import Ensemble
from mine_cli.estimator import MutualInformation
from mine_cli.networks import MLP, Bilinear, Conv, NoisyMLP, Separable, SeparableQuadratic

VECTORS = ((3,), (2,))
IMAGES = ((1, 8, 8), (4,))


class Own(nn.Module):
    """A user's network: only `forward` on paired rows."""

    def __init__(self, x_shape: tuple[int, ...], z_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(x_shape[0] + z_shape[0], 8), nn.Tanh(), nn.Linear(8, 1)
        )

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.layers(torch.cat([x, z], 1)).squeeze(1)


NETWORKS = {
    "mlp": (lambda: MLP(*VECTORS, widths=[8, 8]), VECTORS),
    "noisy_mlp": (lambda: NoisyMLP(*VECTORS, widths=[8, 8]), VECTORS),
    "separable": (lambda: Separable(*VECTORS, widths=[8], features=4), VECTORS),
    "separable_quadratic": (lambda: SeparableQuadratic(*VECTORS, widths=[8], features=4), VECTORS),
    "bilinear": (lambda: Bilinear(*VECTORS), VECTORS),
    "conv": (lambda: Conv(*IMAGES, channels=[4, 4], widths=[8]), IMAGES),
    "own": (lambda: Own(*VECTORS), VECTORS),
}


def terms(network: str, bound: str, marginals: str, seeds: range) -> list[MutualInformation]:
    found = []
    for seed in seeds:
        torch.manual_seed(seed)
        found.append(MutualInformation(NETWORKS[network][0](), bound, marginals))
    return found


def batches(shapes: tuple, step: int, member: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1000 * step + member)
    x, z = (torch.randn(16, *shape, generator=generator) for shape in shapes)
    z.flatten(1)[:, 0] += x.flatten(1)[:, 0]
    return x, z


def train(ensemble: Ensemble, shapes: tuple, members: range, steps: int) -> None:
    generators = [torch.Generator().manual_seed(m) for m in members]
    for step in range(steps):
        ensemble.step([batches(shapes, step, m) for m in members], generators)


@torch.no_grad()
def scores(term: MutualInformation, shapes: tuple) -> Tensor:
    """The score matrix of fresh rows, less what its bound is blind to: a constant in T
    (Donsker-Varadhan) or a function of x (InfoNCE). Their gradient is zero but for rounding,
    which Adam turns into a random walk."""
    a, b = term.eval().network.embed(*batches(shapes, 10_000, 0))
    t = term.network.head(a[:, None], b[None])
    return t - (t.mean(1, keepdim=True) if term.bound.needs == "matrix" else t.mean())


@pytest.mark.parametrize(
    ("network", "bound", "marginals"),
    [(name, "mine", "derangement") for name in NETWORKS]
    + [("mlp", name, "shuffle") for name in BOUNDS if name != "infonce"]
    + [(name, "infonce", "all_pairs") for name in ("mlp", "noisy_mlp", "separable")],
)
def test_beside_others_as_alone(network: str, bound: str, marginals: str) -> None:
    shapes = NETWORKS[network][1]
    together = Ensemble(terms(network, bound, marginals, range(3)), lr=1e-3)
    train(together, shapes, range(3), 200)
    alone = Ensemble(terms(network, bound, marginals, range(1, 2)), lr=1e-3)
    train(alone, shapes, range(1, 2), 200)
    untrained = terms(network, bound, marginals, range(1, 2))[0]
    found, expected, first = (
        scores(term, shapes) for term in (together.terms[1], alone.terms[0], untrained)
    )
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert (expected - first).abs().max() > 0.02
    for key, value in together.terms[1].bound.state_dict().items():
        torch.testing.assert_close(
            value, alone.terms[0].bound.state_dict()[key], rtol=1e-3, atol=1e-3
        )


def test_terms_can_be_taken_out_and_put_back() -> None:
    ensemble = Ensemble(terms("mlp", "mine", "derangement", range(2)), lr=1e-3)
    train(ensemble, VECTORS, range(2), 5)
    saved = [{k: v.clone() for k, v in t.state_dict().items()} for t in ensemble.terms]
    train(ensemble, VECTORS, range(2), 5)
    for term, state in zip(ensemble.terms, saved, strict=True):
        term.load_state_dict(state)
    for term, state in zip(ensemble.terms, saved, strict=True):
        for key, value in term.state_dict().items():
            assert torch.equal(value, state[key])


def test_compiled_steps_equal_eager_ones() -> None:
    eager, compiled = (
        Ensemble(terms("mlp", "mine", "derangement", range(1)), lr=1e-3, compiled=c)
        for c in (False, True)
    )
    for ensemble in (eager, compiled):
        train(ensemble, VECTORS, range(1), 5)
    found, expected = (scores(ensemble.terms[0], VECTORS) for ensemble in (compiled, eager))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
