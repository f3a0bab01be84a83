"""A network trained beside others learns what it learns alone."""

import copy

import pytest
import torch
from torch import Tensor, nn

from mine_cli.bounds import BOUNDS, DV, Mine, Smile, Tuba
from mine_cli.estimator.ensemble import Ensemble
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.conv import Conv
from mine_cli.networks.mlp import MLP, NoisyMLP
from mine_cli.networks.separable import Bilinear, Separable, SeparableQuadratic

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


@pytest.mark.slow
def test_compiled_steps_equal_eager_ones() -> None:
    eager, compiled = (
        Ensemble(terms("mlp", "mine", "derangement", range(1)), lr=1e-3, compiled=c)
        for c in (False, True)
    )
    for ensemble in (eager, compiled):
        train(ensemble, VECTORS, range(1), 5)
    found, expected = (scores(ensemble.terms[0], VECTORS) for ensemble in (compiled, eager))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("network", ["mlp", "own"])
def test_each_with_its_own_bound_and_rate(network: str) -> None:
    """Neighbours of equal bound and rate share a call; all learn what they learn alone."""
    bounds = [Mine(0.01), Mine(0.01), Mine(0.5), Tuba(), Tuba(), DV(), Smile(), Smile()]
    rates = [1e-3, 1e-3, 1e-3, 2e-3, 2e-3, 2e-3, 2e-3, 1e-3]

    def made() -> list[MutualInformation]:
        found = terms(network, "dv", "shuffle", range(len(bounds)))
        for term, bound in zip(found, bounds, strict=True):
            term.bound = copy.deepcopy(bound)
        return found

    together = Ensemble(made(), rates)
    assert [part.run for part in together.parts] == [
        slice(0, 2), slice(2, 3), slice(3, 5), slice(5, 6), slice(6, 7), slice(7, 8)
    ]  # fmt: skip
    members = range(len(bounds))
    train(together, VECTORS, members, 100)
    for r in members:
        alone = Ensemble([made()[r]], rates[r])
        train(alone, VECTORS, range(r, r + 1), 100)
        found, expected = (scores(t, VECTORS) for t in (together.terms[r], alone.terms[0]))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
        for key, value in together.terms[r].bound.state_dict().items():
            own = alone.terms[0].bound.state_dict()[key]
            torch.testing.assert_close(value, own, rtol=1e-3, atol=1e-3)
    losses, value = together.step_and_minimise(
        [batches(VECTORS, 0, m) for m in members], [torch.Generator() for _ in members]
    )
    assert losses.shape == value.shape == (len(bounds),)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("members", [1, 2])
def test_one_pass_is_a_step_and_what_lowers_the_information(bound: str, members: int) -> None:
    """Against a step of its own, and the term's `minimise` with the networks before it."""
    apart, found = (terms("mlp", bound, "all_pairs", range(members)) for _ in range(2))
    pairs = [batches(VECTORS, 0, m) for m in range(members)]
    expected, slopes = [], []
    for term, (x, z) in zip(apart, pairs, strict=True):
        z = z.clone().requires_grad_()
        expected.append(term.minimise(x, z))
        slopes.append(torch.autograd.grad(expected[-1], z)[0])
    stepped = Ensemble(apart, 1e-3)
    losses = stepped.step(pairs, [torch.Generator() for _ in pairs])

    leaves = [(x, z.clone().requires_grad_()) for x, z in pairs]
    together = Ensemble(found, 1e-3)
    own, value = together.step_and_minimise(leaves, [torch.Generator() for _ in pairs])
    value.sum().backward()
    torch.testing.assert_close(own, losses)
    torch.testing.assert_close(value, torch.stack(expected))
    for (_, z), slope in zip(leaves, slopes, strict=True):
        torch.testing.assert_close(z.grad, slope)
    for a, b in zip(together.parameters(), stepped.parameters(), strict=True):
        # Adam divides by a gradient's size: of one that is rounding it makes a whole step.
        torch.testing.assert_close(a, b, atol=2.1e-3 if a.numel() <= members else 1e-6, rtol=1e-4)


def test_a_member_s_moments_move_to_another_ensemble() -> None:
    """Of three the second goes on alone, bit for bit in its optimiser."""
    whole = Ensemble(terms("own", "mine", "derangement", range(3)), [1e-3, 1e-3, 2e-3])
    train(whole, VECTORS, range(3), 5)
    member = whole.member(1)
    gradients = [p.grad.clone() for p in member.parameters()]
    assert all(bool(g.abs().max() > 0) for g in gradients)
    rest = Ensemble([whole.terms[1], whole.terms[2]], [1e-3, 2e-3])
    for r in (0, 1):
        rest.member(r).load_moments(whole.member(r + 1).moments())
    generators = [torch.Generator().manual_seed(m) for m in range(3)]
    own = [batches(VECTORS, 5, m) for m in range(3)]
    before = [{k: v.clone() for k, v in t.state_dict().items()} for t in whole.terms]
    rest.step(own[1:], generators[1:])
    found = [{k: v.clone() for k, v in t.state_dict().items()} for t in rest.terms]
    for term, state in zip(whole.terms, before, strict=True):
        term.load_state_dict(state)
    again = Ensemble(whole.terms, [1e-3, 1e-3, 2e-3])
    for r in range(3):
        again.member(r).load_moments(whole.member(r).moments())
    again.step(own, [torch.Generator().manual_seed(m) for m in range(3)])
    for term, state in zip(again.terms[1:], found, strict=True):
        for key, value in term.state_dict().items():
            torch.testing.assert_close(value, state[key], rtol=1e-4, atol=1e-6)
