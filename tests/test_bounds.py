"""What is known of each bound without training: identities, exact values, gradients, state."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from mine_cli.bounds import (
    BOUNDS,
    DV,
    Bound,
    InfoNCE,
    JensenShannon,
    Mine,
    MineF,
    OneFormula,
    Smile,
    Tuba,
    as_bound,
    jensen_shannon,
    log_mean_exp,
    loss_and_value,
)
from mine_cli.errors import BadInput
from tests.conftest import GaussianLogRatio

ROWS, PARTNERS = 40, 3
SCORES = st.floats(-80, 80, width=32)
each_bound = pytest.mark.parametrize("name", BOUNDS)


def scores(scale: float = 1.0, seed: int = 0, *lead: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    t_joint = scale * torch.randn(*lead, ROWS, generator=generator)
    t_marginal = scale * torch.randn(*lead, ROWS, PARTNERS, generator=generator)
    return t_joint.requires_grad_(), t_marginal.requires_grad_()


def gradients(loss: Tensor, *leaves: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, leaves))


def softplus(t: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(t))


REFERENCE: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mine": lambda j, m: j.mean() - np.log(np.exp(m).mean()),
    "dv": lambda j, m: j.mean() - np.log(np.exp(m).mean()),
    "mine_f": lambda j, m: j.mean() - np.exp(m - 1).mean(),
    "tuba": lambda j, m: j.mean() - (np.exp(m).mean() / np.exp(1.0) + 1.0 - 1),
    "js": lambda j, m: (j + 1).mean() - np.exp(m + 1 - 1).mean(),
    "smile": lambda j, m: j.mean() - np.log(np.clip(np.exp(m), np.exp(-5), np.exp(5)).mean()),
    "infonce": lambda j, m: np.log(
        np.exp(j) / ((np.exp(j) + np.exp(m).sum(1)) / (m.shape[1] + 1))
    ).mean(),
}


@each_bound
@pytest.mark.parametrize("scale", [0.01, 1.0, 20.0])
def test_float32_scores_give_the_value_of_a_float64_reference(name: str, scale: float) -> None:
    t_joint, t_marginal = (t.detach().clamp(-80, 80) for t in scores(scale))
    t_joint[0], t_marginal[0, 0], t_marginal[1, 0] = 4 * scale, 4 * scale, -4 * scale
    expected = REFERENCE[name](t_joint.double().numpy(), t_marginal.double().numpy())
    value = BOUNDS[name]().value(t_joint, t_marginal)
    assert value.item() == pytest.approx(expected, rel=1e-5, abs=1e-12)


@settings(deadline=None)  # other processes may hold the machine
@given(arrays(np.float32, (6,), elements=SCORES), arrays(np.float32, (6, 4), elements=SCORES))
def test_any_float32_scores_agree_with_the_reference(j: np.ndarray, m: np.ndarray) -> None:
    t_joint, t_marginal = torch.from_numpy(j), torch.from_numpy(m)
    for name, bound in BOUNDS.items():
        expected = REFERENCE[name](j.astype(np.float64), m.astype(np.float64))
        # Below 1e-12 of the scores' own size a float64 reference has no digits left.
        assert bound().value(t_joint, t_marginal).item() == pytest.approx(
            expected, rel=1e-5, abs=1e-10
        )


@settings(deadline=None)
@given(arrays(np.float32, (8,), elements=SCORES), arrays(np.float32, (8, 2), elements=SCORES))
def test_jensen_shannon_agrees_with_the_reference_and_stays_below_log_four(
    j: np.ndarray, m: np.ndarray
) -> None:
    value = jensen_shannon(torch.from_numpy(j), torch.from_numpy(m)).item()
    j, m = j.astype(np.float64), m.astype(np.float64)
    expected = -softplus(-j).mean() - softplus(m).mean() + np.log(4)
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert value <= math.log(4)


@pytest.mark.parametrize("c", [-3.0, 0.0, 0.5, 7.0])
@pytest.mark.parametrize(
    ("bound", "known"),
    [
        (DV(), lambda c: 0.0),
        (Mine(), lambda c: 0.0),
        (InfoNCE(), lambda c: 0.0),
        (MineF(), lambda c: c - math.exp(c - 1)),
        (Tuba(2.0), lambda c: c + 1 - 2 - math.exp(c - 2)),
        (JensenShannon(), lambda c: c + 1 - math.exp(c)),
        (Smile(5.0), lambda c: c - min(c, 5.0)),
    ],
    ids=lambda part: type(part).__name__,
)
def test_constant_scores_give_the_known_value(
    bound: Bound, known: Callable[[float], float], c: float
) -> None:
    value = bound.value(torch.full((ROWS,), c), torch.full((ROWS, PARTNERS), c))
    assert value.item() == pytest.approx(known(c), abs=1e-6)


def test_the_true_log_ratio_of_a_gaussian_gives_its_information() -> None:
    rho, n = 0.8, 50_000
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, n, generator=generator)
    z = rho * x + math.sqrt(1 - rho**2) * noise
    truth = -0.5 * math.log(1 - rho**2)

    log_ratio = GaussianLogRatio(1, rho)
    x, z = x[:, None], z[:, None]
    t_joint = log_ratio(x, z)
    t_marginal = torch.stack([log_ratio(x, z.roll(s, 0)) for s in range(1, 65)], 1)
    for bound, constant in [
        (DV(), 3.0),
        (Mine(), 3.0),
        (MineF(), 1.0),
        (Tuba(0.3), 0.3),
        (JensenShannon(), 0.0),
    ]:
        value = bound.value(t_joint + constant, t_marginal + constant)
        assert value.item() == pytest.approx(truth, abs=0.01), type(bound).__name__
    assert InfoNCE().value(t_joint, t_marginal).item() == pytest.approx(truth, abs=0.02)
    # Few scores lie beyond the clip at this truth, so its bias is still small.
    assert Smile(5.0).value(t_joint, t_marginal).item() == pytest.approx(truth, abs=0.02)


@each_bound
def test_objective_is_the_value_and_loss_its_negative_unless_documented(name: str) -> None:
    bound, (t_joint, t_marginal) = BOUNDS[name](), scores()
    value, js = bound.value(t_joint, t_marginal), jensen_shannon(t_joint, t_marginal)
    assert bound.objective(t_joint, t_marginal) == (js if name == "js" else value)
    loss = bound.loss(t_joint, t_marginal)
    if name != "mine":  # the surrogate's own value means nothing
        assert loss == (-js if name in ("js", "smile") else -value)


class Doubled(Mine):
    """A bound of one's own by inheritance."""

    def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return 2 * super().loss(t_joint, t_marginal)

    def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return t_joint.mean()


@pytest.mark.parametrize(
    "make",
    [*BOUNDS.values(), Doubled, lambda: as_bound(lambda joint, marginal: joint.mean())],
    ids=[*BOUNDS, "inherited", "function"],
)
def test_loss_and_value_together_are_those_apart(make: Callable[[], Bound]) -> None:
    apart, together = make(), make()
    for seed in range(3):  # the average of the second batch remembers the first
        leaves = scores(seed=seed)
        loss, value = loss_and_value(together, *leaves)
        expected = apart.loss(*leaves)
        assert torch.equal(loss, expected)
        assert torch.equal(value, apart.value(*leaves))
        assert not value.requires_grad
        found, wanted = (
            torch.autograd.grad(one, leaves, allow_unused=True) for one in (loss, expected)
        )
        for one, other in zip(found, wanted, strict=True):
            assert one is other is None or torch.equal(one, other)
    for one, other in zip(apart.buffers(), together.buffers(), strict=True):
        assert torch.equal(one, other)


@each_bound
def test_the_pieces_that_an_evaluator_streams_make_up_the_value(name: str) -> None:
    bound, (t_joint, t_marginal) = BOUNDS[name](), scores(4.0)
    if bound.needs == "matrix":
        assert not hasattr(bound, "marginal_term")
        return
    log_mean = bound.marginal_scores(t_marginal).exp().mean().log()
    streamed = t_joint.mean() + bound.marginal_term(log_mean)
    assert torch.allclose(streamed.double(), bound.value(t_joint, t_marginal), rtol=1e-4)


@settings(deadline=None)
@given(arrays(np.float32, (6,), elements=SCORES), arrays(np.float32, (6, 4), elements=SCORES))
def test_donsker_varadhan_is_never_below_the_f_divergence_at_equal_scores(
    j: np.ndarray, m: np.ndarray
) -> None:
    t_joint, t_marginal = torch.from_numpy(j), torch.from_numpy(m)
    dv = DV().value(t_joint, t_marginal)
    assert dv >= MineF().value(t_joint, t_marginal) - 1e-10


@settings(deadline=None)
@given(arrays(np.float32, (5,), elements=SCORES), arrays(np.float32, (5, 7), elements=SCORES))
def test_infonce_never_exceeds_its_ceiling(j: np.ndarray, m: np.ndarray) -> None:
    value = InfoNCE().value(torch.from_numpy(j), torch.from_numpy(m))
    assert value <= math.log(8) + 1e-12


@settings(deadline=None)
@given(st.floats(-300, 300))
def test_a_constant_added_to_all_scores_changes_nothing(c: float) -> None:
    t_joint, t_marginal = (t.detach().double() for t in scores(2.0))
    for bound in (DV(), Mine(), InfoNCE(), Smile(clip=1000.0)):  # clipped nowhere
        value, moved = (bound.value(t_joint + d, t_marginal + d) for d in (0.0, c))
        assert moved.item() == pytest.approx(value.item(), abs=1e-9)


def test_the_f_divergence_is_donsker_varadhan_once_its_constant_fits() -> None:
    t_joint, t_marginal = scores(2.0)
    fit = log_mean_exp(t_marginal)
    fitted = MineF().value(t_joint - fit + 1, t_marginal - fit + 1)
    assert torch.allclose(fitted, DV().value(t_joint, t_marginal), rtol=1e-5)
    tuba = Tuba(fit.item()).value(t_joint, t_marginal)
    assert torch.allclose(tuba, fitted, rtol=1e-5)


def test_mine_with_rate_one_has_the_gradient_of_dv() -> None:
    mine, dv = Mine(rate=1.0), DV()
    for seed, scale in enumerate([1.0, 10.0, 0.1]):  # whatever came before does not matter
        leaves = scores(scale, seed)
        own = gradients(mine.loss(*leaves), *leaves)
        for gradient, expected in zip(own, gradients(dv.loss(*leaves), *leaves), strict=True):
            assert torch.allclose(gradient, expected, rtol=1e-6, atol=1e-9)


def test_mine_weighs_marginal_scores_by_the_moving_average() -> None:
    mine = Mine(rate=0.25)
    first, second = scores(1.0, 0), scores(1.0, 1)
    mine.loss(*first)
    ema = 0.75 * first[1].exp().mean() + 0.25 * second[1].exp().mean()
    for_joint, for_marginal = gradients(mine.loss(*second), *second)
    assert torch.allclose(for_joint, torch.full((ROWS,), -1 / ROWS))
    assert torch.allclose(for_marginal, second[1].exp() / (ROWS * PARTNERS) / ema)
    assert mine.log_ema.item() == pytest.approx(ema.log().item(), rel=1e-6)


def test_the_average_starts_with_the_first_batch_or_where_it_is_told() -> None:
    leaves = scores(1.0)
    batch = leaves[1].exp().mean().item()
    unset = Mine(rate=0.1)
    assert not unset.started
    unset.loss(*leaves)
    assert unset.started
    assert unset.log_ema.exp().item() == pytest.approx(batch, rel=1e-6)
    told = Mine(rate=0.1, start=5.0)
    assert told.started
    told.loss(*leaves)
    assert told.log_ema.exp().item() == pytest.approx(0.9 * 5.0 + 0.1 * batch, rel=1e-6)


def test_an_average_of_one_is_not_mistaken_for_unset() -> None:
    mine = Mine(rate=0.5)
    zeros = torch.zeros(ROWS), torch.zeros(ROWS, PARTNERS)
    mine.loss(*zeros)
    assert mine.log_ema == 0
    leaves = scores(2.0)
    mine.loss(*leaves)
    expected = 0.5 + 0.5 * leaves[1].exp().mean().item()
    assert mine.log_ema.exp().item() == pytest.approx(expected, rel=1e-6)


def test_only_the_loss_moves_the_average() -> None:
    mine = Mine()
    mine.loss(*scores(1.0))
    before = {key: value.clone() for key, value in mine.state_dict().items()}
    mine.value(*scores(5.0))
    mine.objective(*scores(5.0))
    assert set(before) == {"log_ema", "started"}
    assert all(torch.equal(before[key], value) for key, value in mine.state_dict().items())


def test_the_average_survives_a_state_dict() -> None:
    mine, restored = Mine(), Mine()
    for seed in range(3):
        mine.loss(*scores(2.0, seed))
    restored.load_state_dict(mine.state_dict())
    later = scores(2.0, 9)
    assert torch.equal(restored.loss(*later), mine.loss(*later))
    assert torch.equal(restored.log_ema, mine.log_ema)


@each_bound
@pytest.mark.parametrize("size", [500.0, -500.0])
def test_scores_of_five_hundred_overflow_nowhere(name: str, size: float) -> None:
    bound, (t_joint, t_marginal) = BOUNDS[name](), scores()
    t_joint, t_marginal = ((t.detach() + size).requires_grad_() for t in (t_joint, t_marginal))
    loss = bound.loss(t_joint, t_marginal)
    assert loss.isfinite()
    assert bound.value(t_joint, t_marginal).isfinite()
    if name not in ("mine_f", "tuba"):  # their own gradient at T = 500 is e^499
        assert all(g.isfinite().all() for g in gradients(loss, t_joint, t_marginal))


def test_a_sudden_rise_of_the_scores_cannot_overflow_the_gradient_of_mine() -> None:
    mine = Mine(rate=0.01)
    mine.loss(*scores())
    t_joint, t_marginal = ((t.detach() + 500).requires_grad_() for t in scores())
    (gradient,) = gradients(mine.loss(t_joint, t_marginal), t_marginal)
    assert gradient.sum().item() == pytest.approx(1 / 0.01, rel=1e-4)


@each_bound
def test_half_precision_scores_lose_nothing_more_than_their_own_digits(name: str) -> None:
    short = [t.detach().bfloat16() for t in scores(10.0)]
    value = BOUNDS[name]().value(*short)
    assert value.dtype == torch.float64
    assert value == BOUNDS[name]().value(*(t.double() for t in short))


through_vmap = pytest.mark.parametrize("through_vmap", [True, False])


@each_bound
@through_vmap
def test_stacked_bounds_do_what_each_does_alone(name: str, through_vmap: bool) -> None:
    check_stacked([BOUNDS[name]() for _ in range(3)], through_vmap)


@through_vmap
def test_stacked_averages_may_begin_differently(through_vmap: bool) -> None:
    started = [Mine(rate=0.2), Mine(rate=0.2, start=3.0), Mine(rate=0.2, start=0.1)]
    check_stacked(started, through_vmap)


class Loss(nn.Module):
    def __init__(self, bound: nn.Module) -> None:
        super().__init__()
        self.bound = bound

    def forward(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return self.bound.loss(t_joint, t_marginal)


def check_stacked(alone: list[nn.Module], through_vmap: bool) -> None:
    """Three steps: losses, gradients and buffers of R stacked bounds equal those of each.

    A bound takes the scores of R networks as they are, or one by one through `vmap`.
    """
    wrapped = [Loss(bound) for bound in alone]
    parameters, buffers = stack_module_state(wrapped)

    def one(parameters: dict, buffers: dict, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return functional_call(wrapped[0], (parameters, buffers), (t_joint, t_marginal))

    for seed in range(3):
        t_joint, t_marginal = scores(2.0, seed, len(alone))
        call = vmap(one) if through_vmap else one
        losses = call(parameters, buffers, t_joint, t_marginal)
        stacked = gradients(losses.sum(), t_joint, t_marginal, *parameters.values())
        for r, module in enumerate(wrapped):
            leaves = [t[r].detach().requires_grad_() for t in (t_joint, t_marginal)]
            loss = module(*leaves)
            assert torch.allclose(losses[r], loss, rtol=1e-6)
            own = gradients(loss, *leaves, *module.parameters())
            for together, expected in zip(stacked, own, strict=True):
                assert torch.allclose(together[r], expected, rtol=1e-5, atol=1e-8)
            for key, buffer in module.named_buffers():
                assert torch.equal(buffers[key][r], buffer), key


def test_tuba_learns_its_baseline() -> None:
    tuba, leaves = Tuba(), scores(1.0)
    optimizer = torch.optim.SGD(tuba.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        tuba.loss(*leaves).backward()
        optimizer.step()
    assert tuba.log_baseline.item() == pytest.approx(log_mean_exp(leaves[1]).item(), abs=1e-4)
    assert tuba.value(*leaves).item() == pytest.approx(DV().value(*leaves).item(), abs=1e-6)


def test_what_each_bound_claims_of_itself() -> None:
    assert {name for name, bound in BOUNDS.items() if not bound.is_lower_bound} == {"smile"}
    assert {name for name, bound in BOUNDS.items() if bound.has_ceiling} == {"infonce"}
    assert {name for name, bound in BOUNDS.items() if bound.needs == "matrix"} == {"infonce"}


def test_a_function_of_ones_own_is_a_bound() -> None:
    def formula(t_joint: Tensor, t_marginal: Tensor) -> Tensor:
        return DV().value(t_joint, t_marginal)

    own, leaves = as_bound(formula), scores()
    assert isinstance(own, OneFormula)
    assert own.value(*leaves) == own.objective(*leaves) == -own.loss(*leaves)
    assert own.value(*leaves) == DV().value(*leaves)
    assert (own.needs, own.is_lower_bound) == ("pairs", True)
    formula.needs, formula.is_lower_bound = "matrix", False  # type: ignore[attr-defined]
    claimed = as_bound(formula)
    assert (claimed.needs, claimed.is_lower_bound) == ("matrix", False)


def test_a_module_of_ones_own_is_a_bound() -> None:
    class Own(nn.Module):
        is_lower_bound = False

        def __init__(self) -> None:
            super().__init__()
            self.inner = Tuba()

        def value(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
            return self.inner.value(t_joint, t_marginal)

        def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
            return -self.value(t_joint, t_marginal)

        objective = value

    module = Own()
    own = as_bound(module)
    assert own is module
    assert list(own.state_dict()) == ["inner.log_baseline"]
    claims = own.needs, own.is_lower_bound, own.has_ceiling, own.at_independence
    assert claims == ("pairs", False, False, 0.0)
    bound = DV()
    assert as_bound(bound) is bound


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Mine(rate=0.0), "rate must be above 0 and at most 1, not 0.0"),
        (lambda: Mine(rate=1.5), "rate must be above 0 and at most 1, not 1.5"),
        (lambda: Mine(start=0.0), "start must be a positive number or null, not 0.0"),
        (lambda: Smile(clip=0.0), "clip must be positive, not 0.0"),
        (lambda: Tuba(baseline=math.inf), "must be finite, not inf"),
        (lambda: InfoNCE().value(torch.zeros(4), torch.zeros(4)), r"not \[4\] and \[4\]"),
        (lambda: InfoNCE().value(torch.zeros(4, 1), torch.zeros(4, 3)), r"not \[4, 1\] and"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(make: Callable[[], object], line: str) -> None:
    with pytest.raises(BadInput, match=line):
        make()
