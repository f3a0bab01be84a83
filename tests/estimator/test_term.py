"""The MI term: what it trains, what it moves, and in which direction."""

import copy
import io
import logging
import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mine_cli.bounds import BOUNDS
from mine_cli.data.gaussian import Gaussian
from mine_cli.errors import BadInput, Diverged
from mine_cli.estimator.term import MutualInformation
from mine_cli.marginals import MARGINALS, AllPairs
from mine_cli.networks.mlp import MLP, NoisyMLP
from mine_cli.networks.separable import Separable
from tests.conftest import GaussianLogRatio


def marginals_for(bound: str) -> str:
    return "all_pairs" if bound == "infonce" else "derangement"


class Channel(nn.Module):
    """z = gain * x + noise: I(x; z) = log(1 + gain^2) / 2 nats, with one number to move."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, n: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(n, 1)
        return x, self.gain * x + torch.randn(n, 1)

    def mi(self) -> float:
        return 0.5 * math.log(1 + self.gain.item() ** 2)


def play(bound: str, direction: str, sign: float = 1.0) -> float:
    """The channel's true MI after it was moved by the term, less that before."""
    torch.manual_seed(0)
    channel = Channel()
    mi = MutualInformation(MLP((1,), (1,), widths=[32]), bound, marginals_for(bound), lr=5e-3)
    optimizer = torch.optim.Adam(channel.parameters(), lr=5e-3)
    before = channel.mi()
    for step in range(450):
        x, z = channel(256)
        mi.step(x, z)
        if step >= 200:
            optimizer.zero_grad()
            (sign * getattr(mi, direction)(x, z)).backward()
            optimizer.step()
    return channel.mi() - before


@pytest.mark.parametrize(
    "bound",
    [pytest.param(b, marks=[pytest.mark.slow] * (b not in ("mine", "infonce"))) for b in BOUNDS],
)
def test_maximise_raises_and_minimise_lowers_the_information(bound: str) -> None:
    assert play(bound, "maximise") > 0.05
    assert play(bound, "minimise") < -0.05


def test_a_flipped_sign_would_be_noticed() -> None:
    assert play("mine", "maximise", sign=-1.0) < -0.05
    assert play("mine", "minimise", sign=-1.0) > 0.05


def stepped(steps: int = 60) -> MutualInformation:
    mi = MutualInformation(MLP((1,), (1,), widths=[16]), lr=1e-2)
    for _ in range(steps):
        x, z = Channel()(256)
        mi.step(x, z.detach())
    return mi


def test_nothing_found_by_what_was_never_trained_is_not_ok() -> None:
    x, z = (rows.detach() for rows in Channel()(2000))
    assert stepped(0).evaluate(x, z).status == "untrained"
    assert stepped().evaluate(x, z).status == "ok"
    found = stepped().evaluate(x, torch.randn(2000, 1))
    assert found.value < 0.1
    assert found.status in ("ok", "high_variance")
    known = MutualInformation(GaussianLogRatio(1, 0.7))  # right as it is
    assert known.evaluate(x, z / 2**0.5).status == "ok"


@pytest.mark.parametrize("use", ["minimise", "maximise", "read", "frozen", "saved"])
def test_what_was_lowered_is_not_ok(use: str) -> None:
    """Rows were moved against this very network: what it says of them is no estimate."""
    mi, channel = stepped(), Channel()
    x, z = channel(256)
    if use == "maximise":
        mi.maximise(x, z).backward()
    elif use == "read":
        mi(x, z)
    elif use == "frozen":
        mi.minimise(x, z.detach())
    else:
        mi.minimise(x, z).backward()
    if use == "saved":
        other = stepped(0)
        other.load_state_dict(mi.state_dict())
        mi = other
    x, z = (rows.detach() for rows in channel(2000))
    assert mi.evaluate(x, z).status == ("lowered" if use in ("minimise", "saved") else "ok")


@pytest.mark.parametrize("bound", list(BOUNDS))
@pytest.mark.parametrize("direction", ["maximise", "minimise"])
def test_gradients_stay_on_their_own_side(bound: str, direction: str) -> None:
    channel = Channel()
    mi = MutualInformation(MLP((1,), (1,), widths=[8]), bound, marginals_for(bound))
    x, z = channel(64)
    before = [p.clone() for p in mi.statistics_parameters()]
    mi.step(x, z)
    assert channel.gain.grad is None
    assert not all(map(torch.equal, before, mi.statistics_parameters()))
    getattr(mi, direction)(x, z).backward()
    assert channel.gain.grad is not None
    assert channel.gain.grad != 0
    assert all(p.grad is None for p in mi.statistics_parameters())
    assert all(p.requires_grad for p in mi.statistics_parameters())
    assert not any(
        p is channel.gain for group in mi.optimizer.param_groups for p in group["params"]
    )


@pytest.mark.parametrize("bound", list(BOUNDS))
def test_only_steps_touch_the_moving_average(bound: str) -> None:
    mi = MutualInformation(MLP((1,), (1,), widths=[8]), bound, marginals_for(bound))
    x, z = torch.randn(2, 64, 1)
    mi.step(x, z)
    before = {key: value.clone() for key, value in mi.state_dict().items()}
    mi.maximise(x, z)
    mi.minimise(x, z)
    mi(x, z)
    mi.evaluate(x, z)
    mi.pointwise(x, z)
    after = mi.state_dict()
    del before["stream"], after["stream"]  # each of them draws pairs
    assert all(torch.equal(value, before[key]) for key, value in after.items())


@pytest.mark.parametrize("name", list(MARGINALS))
def test_every_way_to_draw_marginals(name: str) -> None:
    mi = MutualInformation(MLP((2,), (2,), widths=[8]), "dv", name)
    x, z = torch.randn(2, 60, 2)
    extra = torch.randn(60, 2) if name == "independent" else None
    assert mi.step(x, z, extra).isfinite()
    assert mi.maximise(x, z, extra).isfinite()


def test_a_wrong_number_of_extra_draws_is_one_clear_line() -> None:
    mi = MutualInformation(MLP((2,), (2,), widths=[8]), "dv", "independent")
    with pytest.raises(BadInput, match="take 60 extra draws"):
        mi.step(torch.randn(60, 2), torch.randn(60, 2))


def test_infonce_takes_all_pairs_of_itself() -> None:
    mi = MutualInformation(MLP((2,), (2,), widths=[8]), "infonce")
    assert isinstance(mi.marginals, AllPairs)
    assert mi.step(*torch.randn(2, 60, 2)).isfinite()


def test_infonce_without_the_score_matrix_is_one_clear_line() -> None:
    with pytest.raises(BadInput, match="marginals=all_pairs"):
        MutualInformation(MLP((2,), (2,)), "infonce", "derangement")


def test_what_is_no_network_and_no_tensor_is_one_clear_line() -> None:
    with pytest.raises(BadInput, match=r"network: want a torch\.nn\.Module .*, not 'mlp'"):
        MutualInformation("mlp")  # type: ignore[arg-type]
    mi, rows = MutualInformation(MLP((2,), (2,))), torch.randn(60, 2)
    for call in (mi.step, mi.evaluate, mi.pointwise, mi.maximise):
        with pytest.raises(BadInput, match=r"z: want a torch\.Tensor, not ndarray"):
            call(rows, rows.numpy())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match="mine, dv, mine_f"):
        MutualInformation(MLP((2,), (2,)), "mina")


def test_row_blocks_give_the_whole_matrix_and_its_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, z = torch.randn(2, 50, 2)
    found = []
    for limit in (2**14, 64):
        monkeypatch.setattr("mine_cli.estimator.scoring.PAIRS_AT_ONCE", limit)
        torch.manual_seed(1)
        mi = MutualInformation(
            NoisyMLP((2,), (2,), widths=[8]), "dv", AllPairs(rows=25), optimizer=sgd
        )
        mi.step(x, z)
        found.append([p.detach() for p in mi.statistics_parameters()])
    torch.testing.assert_close(found[0], found[1])


def test_groups_are_crossed_without_their_own_pairs() -> None:
    mi = MutualInformation(Separable((1,), (1,), widths=[4]), "dv", AllPairs(rows=4))
    x, z = torch.randn(2, 8, 1)
    t_joint, t_marginal = mi.scores(x, z)
    a, b = mi.network.embed(x, z)
    matrix = mi.network.head(a[:, None], b[None])
    torch.testing.assert_close(t_joint, matrix.diagonal())
    for i in range(8):
        own = [j for j in range(i // 4 * 4, i // 4 * 4 + 4) if j != i]
        torch.testing.assert_close(t_marginal[i], matrix[i, own])


def test_a_plain_network_scores_like_one_that_embeds() -> None:
    class Plain(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.inside = network

        def forward(self, x: Tensor, z: Tensor) -> Tensor:
            return self.inside(x, z)

    network = MLP((1, 3, 3), (2,), widths=[8])
    x, z = torch.randn(20, 1, 3, 3), torch.randn(20, 2)
    for bound in ("dv", "infonce"):
        plain, split = (
            MutualInformation(n, bound, marginals_for(bound)) for n in (Plain(network), network)
        )
        assert plain.evaluate(x, z).value == pytest.approx(split.evaluate(x, z).value, abs=1e-6)
        assert plain.step(x, z).item() == pytest.approx(split.step(x, z).item(), abs=1e-2)


def test_pointwise_is_the_log_ratio() -> None:
    law = Gaussian(dim=1, rho=0.8)
    x, z = law.sample(4000, torch.Generator().manual_seed(0))
    network = GaussianLogRatio(1, 0.8)
    for bound in BOUNDS:
        mi = MutualInformation(network, bound, marginals_for(bound))
        assert mi.pointwise(x, z).mean().item() == pytest.approx(law.true_mi, abs=0.08)
    mi = MutualInformation(network, "dv")
    mi.calibrate(x, z)
    # A constant that was fixed once holds for a single row as well.
    torch.testing.assert_close(mi.pointwise(x[:1], z[:1]), mi.pointwise(x, z)[:1])
    torch.testing.assert_close(mi.pointwise(x, z), network(x, z), atol=0.05, rtol=0)


def test_evaluation_mode_is_left_as_it_was() -> None:
    mi = MutualInformation(NoisyMLP((2,), (2,), widths=[8]))
    x, z = torch.randn(2, 64, 2)
    assert mi.evaluate(x, z).value == mi.evaluate(x, z).value
    assert mi.network.training


# Beside a loop of one's own


class Model(nn.Module):
    """An encoder with the term in it, as one would have it."""

    def __init__(self, bound: str = "mine", **options: Any) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 2)
        network = NoisyMLP((3,), (2,), widths=[8])
        self.mi = MutualInformation(network, bound, lr=1e-2, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x)


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def weights(mi: MutualInformation) -> list[Tensor]:
    return [p.detach().clone() for p in mi.statistics_parameters()]


def trained(model: Model, optimizer: torch.optim.Optimizer, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        x = torch.randn(64, 3, generator=torch.Generator().manual_seed(step))
        z = model(x)
        model.mi.step(x, z)
        optimizer.zero_grad()
        (z.square().mean() + model.mi.minimise(x, z)).backward()
        optimizer.step()


def test_a_step_leaves_no_gradient_and_clipping_sees_the_encoder_alone() -> None:
    model, x = Model(), torch.randn(64, 3)
    model.mi.step(x, model(x))
    assert all(p.grad is None for p in model.mi.statistics_parameters())
    (0.1 * model.mi.minimise(x, model(x))).backward()
    alone = torch.linalg.vector_norm(
        torch.cat([p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None])
    )
    torch.testing.assert_close(nn.utils.clip_grad_norm_(model.parameters(), 1.0), alone)


@pytest.mark.parametrize("bound", ["mine", "tuba"])  # without and with a parameter of its own
def test_an_optimiser_over_the_model_leaves_the_statistics_network_alone(bound: str) -> None:
    model = Model(bound)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.5)
    listed = {id(p) for p in model.parameters()} | {id(b) for b in model.buffers()}
    statistics = list(model.mi.statistics_parameters())
    assert statistics
    assert not listed & {id(p) for p in statistics}
    x = torch.randn(64, 3)
    model.mi.step(x, model(x))
    before = weights(model.mi)
    model.mi.minimise(x, model(x)).backward()
    optimizer.step()
    assert all(map(torch.equal, before, weights(model.mi)))


@pytest.mark.parametrize(
    ("bound", "optimizer", "steps"),
    [(bound, None, 1) for bound in BOUNDS]
    + [(bound, sgd, steps) for bound in ("mine", "tuba") for steps in (1, "auto")],
)
def test_resumed_from_the_model_s_state_dict_equals_uninterrupted(
    bound: str, optimizer: Callable[..., Any] | None, steps: Any
) -> None:
    def made() -> tuple[Model, torch.optim.Optimizer]:
        torch.manual_seed(0)
        schedule = [lambda step: 1 / (1 + step)]
        model = Model(
            bound, optimizer=optimizer, lr_schedule=schedule[0], statistics_steps=steps, noise=0.1
        )
        return model, torch.optim.SGD(model.parameters(), lr=0.01)

    whole, its_optimizer = made()
    trained(whole, its_optimizer, 12)
    first, first_optimizer = made()
    trained(first, first_optimizer, 9)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second, second_optimizer = made()
    second.load_state_dict(torch.load(file, weights_only=True))
    trained(second, second_optimizer, 3, first=9)
    wanted, found = whole.state_dict(), second.state_dict()
    assert wanted.keys() == found.keys()
    for key, value in wanted.items():
        assert torch.equal(value, found[key]), key


def test_a_copy_goes_on_as_the_term_itself() -> None:
    model, x = Model(), torch.randn(64, 3)
    model.mi.step(x, model(x))
    twin = copy.deepcopy(model)
    assert model.mi.step(x, model(x)) == twin.mi.step(x, twin(x))
    assert all(map(torch.equal, weights(model.mi), weights(twin.mi)))
    model.mi.step(x, model(x))
    assert not all(map(torch.equal, weights(model.mi), weights(twin.mi)))


def test_states_of_earlier_versions_and_of_other_shapes() -> None:
    model, fresh = Model(), Model()
    old = model.state_dict()
    assert set(old) == {
        "encoder.weight", "encoder.bias", "mi.log_partition", "mi.calibrated",
        *(f"mi.network.{name}" for name in model.mi.network.state_dict()),
        *(f"mi.bound.{name}" for name in model.mi.bound.state_dict()),
    }  # fmt: skip
    fresh.load_state_dict(old)
    assert all(map(torch.equal, weights(model.mi), weights(fresh.mi)))
    with pytest.raises(RuntimeError, match=r"size mismatch for network\.first_x"):
        MutualInformation(MLP((4,), (2,), widths=[8])).load_state_dict(model.mi.state_dict())
    with pytest.raises(RuntimeError, match=r"Unexpected key.*network\.other"):
        fresh.load_state_dict(old | {"mi.network.other": torch.ones(1)})
    del old["mi.bound.log_ema"]
    with pytest.raises(RuntimeError, match=r"Missing key.*mi\.bound\.log_ema"):
        fresh.load_state_dict(old)


def test_its_parts_go_where_the_model_goes() -> None:
    model, x = Model(), torch.randn(64, 3)
    model.mi.step(x, model(x))
    model.double().eval()
    assert not model.mi.network.training
    assert {p.dtype for p in model.mi.statistics_parameters()} == {torch.float64}
    assert model.mi.step(x.double(), model(x.double())).isfinite()
    state = model.mi.optimizer.state[next(model.mi.statistics_parameters())]
    assert state["exp_avg"].dtype == torch.float64
    assert "MLP, Mine, Derangement" in repr(model)


def test_a_network_may_change_its_precision_between_two_calls() -> None:
    """By itself too, of which the term is not told."""
    mi, x = MutualInformation(MLP((2,), (2,), widths=[8])), torch.randn(64, 2)
    assert mi(x, x).isfinite()
    mi.network.double()
    assert mi(x, x).isfinite()
    assert mi.evaluate(x, x).value < math.inf
    mi.network.float()
    assert mi.step(x, x).isfinite()


@pytest.mark.parametrize(
    ("bound", "marginals"),
    [("mine", "derangement"), ("mine", "all_pairs"), ("infonce", "all_pairs")],
)
def test_called_it_is_the_value_of_the_batch(bound: str, marginals: str) -> None:
    mi = MutualInformation(MLP((3,), (2,), widths=[8]), bound, marginals)
    x, z = torch.randn(64, 3), torch.randn(64, 2, requires_grad=True)
    state = mi.generator(x.device).get_state()
    value = mi(x, z)
    mi.generator(x.device).set_state(state)
    plan = mi.draw(64, mi.generator(x.device))
    torch.testing.assert_close(value, mi.bound.value(*mi.scores(x, z, *plan)))
    value.backward()
    assert z.grad is not None
    assert all(p.grad is None for p in mi.statistics_parameters())


def test_scores_without_the_pairs_that_are_drawn_are_one_clear_line() -> None:
    mi = MutualInformation(MLP((2,), (2,)))
    with pytest.raises(BadInput, match="Derangement: its pairs are drawn; want a pairing"):
        mi.scores(*torch.randn(2, 60, 2))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, nullcontext])
def test_a_step_is_one_under_any_mode(context: Callable[[], Any]) -> None:
    found = []
    for mode in (nullcontext, context):
        torch.manual_seed(0)
        mi = MutualInformation(MLP((2,), (3,), widths=[8]), num_classes=(None, 3))
        with mode():
            x, z = torch.randn(64, 2), torch.arange(64) % 3
            mi.step(x, z)
            mi.step(x, z)
        found.append(weights(mi))
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("fault", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("bound", list(BOUNDS))
def test_a_step_that_is_not_finite_is_not_taken(bound: str, fault: float) -> None:
    mi, twin = (
        MutualInformation(MLP((2,), (2,), widths=[8], activation="relu"), bound) for _ in range(2)
    )
    x, z = torch.randn(2, 64, 2)
    mi.step(x, z)
    before = {name: v.clone() for name, v in mi.state_dict().items() if name != "stream"}
    bad = z.clone()
    bad[[3, 17]] = fault
    with pytest.raises(Diverged, match="z is not finite in rows 3, 17 of a batch of 64"):
        mi.step(x, bad)
    after = mi.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    twin.on_nonfinite = "skip"
    assert not twin.step(x, bad).isfinite()
    assert twin.step(x, z).isfinite()
    assert (twin.skipped, twin.steps) == (1, 1)


def test_a_skipped_step_is_told_and_one_of_the_network_s_own_making_said_to_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    x, z = torch.randn(2, 64, 2)
    mi = MutualInformation(MLP((2,), (2,), widths=[8]), "mine_f", on_nonfinite="skip")
    with torch.no_grad():
        mi.network.constant.fill_(1e6)
    with caplog.at_level(logging.WARNING, "mine_cli"):
        mi.step(x, z)
    assert "loss is inf, of finite rows and scores; the step was not taken" in caplog.text


def test_rows_that_do_not_fit_are_one_clear_line() -> None:
    mi, rows = MutualInformation(MLP((2,), (3,), widths=[8])), torch.randn(60, 2)
    for call in (mi, mi.step, mi.evaluate, mi.pointwise, mi.minimise, mi.calibrate):
        with pytest.raises(BadInput, match=r"^z: int64 \[60\] holds whole numbers.*num_classes"):
            call(rows, torch.arange(60))
        with pytest.raises(
            BadInput, match=r"^network: MLP cannot score x \[2, 2\] with z \[2, 5.*\(5,"
        ):
            call(rows, torch.randn(60, 5))
        with pytest.raises(BadInput, match="x has 60 rows and z has 61"):
            call(rows, torch.randn(61, 3))
    mi.num_classes = (None, 3)
    with pytest.raises(BadInput, match="wants classes 0 to 2, not 0 to 59"):
        mi.step(rows, torch.arange(60))


def test_options_that_do_not_go_together_are_one_clear_line() -> None:
    for options, words in (
        ({"on_nonfinite": "stop"}, "on_nonfinite=stop: must be raise or skip"),
        ({"statistics_steps": 0}, "statistics_steps=0: must be 1 or more, or auto"),
        ({"statistics_steps": "many"}, "statistics_steps=many: must be"),
        ({"optimizer": sgd, "weight_decay": 0.1}, "weight_decay is of the default Adam"),
    ):
        with pytest.raises(BadInput, match=words):
            MutualInformation(MLP((2,), (2,)), **options)  # type: ignore[arg-type]


def test_classes_are_one_hot() -> None:
    """As integers, bytes or truth values they are what one would have coded by hand."""
    x, labels = torch.randn(60, 2), torch.arange(60) % 3
    found = []
    for z in (torch.nn.functional.one_hot(labels).float(), labels, labels.byte()):
        torch.manual_seed(0)
        mi = MutualInformation(MLP((2,), (3,), widths=[8]), num_classes=(None, 3))
        found.append((mi.step(x, z).item(), mi.evaluate(x, z).value))
    assert found[0] == found[1] == found[2]
    mi = MutualInformation(MLP((2,), (2,), widths=[8]), num_classes=2)
    assert mi.step(labels > 0, labels > 1).isfinite()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_rows_of_another_precision_are_cast(dtype: torch.dtype) -> None:
    mi = MutualInformation(MLP((2,), (2,), widths=[8]))
    x, z = torch.randn(64, 2).to(dtype), torch.randn(64, 2).to(dtype).requires_grad_()
    mi.step(x, z)
    mi.minimise(x, z).backward()
    assert z.grad is not None
    assert z.grad.dtype == dtype
    assert mi.evaluate(x, z.detach()).value == mi.evaluate(x.float(), z.detach().float()).value


def test_under_autocast_the_statistics_network_keeps_its_precision() -> None:
    """And a scaled half-precision loss gives the encoder the gradient of a plain one."""
    found = []
    for dtype, scale in ((None, 1.0), (torch.float16, 2.0**12), (torch.bfloat16, 1.0)):
        torch.manual_seed(0)
        model, x = Model(), torch.randn(64, 3)
        with nullcontext() if dtype is None else torch.autocast("cpu", dtype):
            z = model(x)
            assert dtype is None or z.dtype == dtype
            value = model.mi.step(x, z)
            loss = model.mi.maximise(x, z)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale, enabled=scale > 1)
        scaler.scale(loss).backward()
        gradient = model.encoder.weight.grad
        assert gradient is not None
        found.append((value.item(), gradient / scale))
    for value, gradient in found[1:]:
        assert value == pytest.approx(found[0][0], abs=0.02)
        assert (gradient - found[0][1]).norm() < 0.05 * found[0][1].norm()


def test_gradients_accumulate_over_micro_batches() -> None:
    """A step for each micro-batch, or one on what was collected of all of them."""
    torch.manual_seed(0)
    model = Model("infonce", marginals=AllPairs(64))
    model.mi.network.eval()
    batches = torch.randn(4, 64, 3)
    for x in batches:
        (model.mi.minimise(x, model(x)) / 4).backward()
    found = model.encoder.weight.grad
    model.encoder.zero_grad()
    whole = batches.flatten(0, 1)
    model.mi.minimise(whole, model(whole)).backward()  # groups of 64 rows: the same ones
    torch.testing.assert_close(found, model.encoder.weight.grad)
    codes = [model(x).detach() for x in batches]
    model.mi.step(whole, torch.cat(codes))
    assert model.mi.steps == 1


def test_a_checkpointed_encoder_has_the_gradient_of_a_plain_one() -> None:
    found = []
    for again in (False, True):
        torch.manual_seed(0)
        model, x = Model(), torch.randn(64, 3)
        z = torch.utils.checkpoint.checkpoint(model, x, use_reentrant=False) if again else model(x)
        model.mi.minimise(x, z).backward()
        found.append(model.encoder.weight.grad)
    assert torch.equal(*found)


@pytest.mark.slow  # compiles
def test_a_compiled_model_around_it_trains_as_a_plain_one() -> None:
    class Whole(Model):
        def forward(self, x: Tensor) -> Tensor:
            z = self.encoder(x)
            return z.square().mean() + self.mi.minimise(x, z)

    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = Whole()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss_of = torch.compile(model) if compiled else model
        for step in range(4):
            x = torch.randn(64, 3, generator=torch.Generator().manual_seed(step))
            model.mi.step(x, model.encoder(x))
            optimizer.zero_grad()
            loss_of(x).backward()
            optimizer.step()
        found.append([*model.parameters(), *model.mi.statistics_parameters()])
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-5)


def test_channels_last_images_are_scored_as_any() -> None:
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        mi = MutualInformation(MLP((3, 8, 8), (2,), widths=[8]))
        x = torch.randn(64, 3, 8, 8).to(memory_format=layout)
        found.append(mi.step(x, torch.randn(64, 2)).item())
    assert found[0] == pytest.approx(found[1], abs=1e-5)


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs an Apple device")
def test_on_an_apple_device() -> None:
    model = Model().to("mps")
    x = torch.randn(64, 3, device="mps")
    assert model.mi.step(x, model(x)).isfinite()
    model.mi.minimise(x, model(x)).backward()
    assert math.isfinite(model.mi.evaluate(x, model(x)).value)


def test_another_optimiser_decay_and_a_schedule_of_the_rate() -> None:
    x, z = torch.randn(2, 64, 2)
    mi = MutualInformation(MLP((2,), (2,), widths=[8]), optimizer=sgd)
    mi.step(x, z)
    assert isinstance(mi.optimizer, torch.optim.SGD)
    still = MutualInformation(MLP((2,), (2,), widths=[8]), lr_schedule=lambda step: min(step, 1))
    before = weights(still)
    still.step(x, z)  # at a rate of zero
    assert all(map(torch.equal, before, weights(still)))
    still.step(x, z)
    assert not all(map(torch.equal, before, weights(still)))
    sizes = []
    for decay in (0.0, 1.0):
        torch.manual_seed(0)
        mi = MutualInformation(MLP((2,), (2,), widths=[8]), lr=1e-2, weight_decay=decay)
        for _ in range(20):
            mi.step(x, z)
        sizes.append(sum(w.norm() for w in weights(mi)))
    assert sizes[1] < 0.95 * sizes[0]


def test_several_steps_in_one_call() -> None:
    x, z = torch.randn(2, 64, 2)
    once, thrice = (
        MutualInformation(MLP((2,), (2,), widths=[8]), statistics_steps=n) for n in (1, 3)
    )
    thrice.load_state_dict(once.state_dict())
    for _ in range(3):
        once.step(x, z)
    thrice.step(x, z)
    assert once.steps == thrice.steps == 3
    assert all(map(torch.equal, weights(once), weights(thrice)))


def test_noise_bounds_what_a_deterministic_code_says() -> None:
    """z = x, seen as z + N(0, 1): the truth is log 2 / 2 nats where it was infinite."""
    mi = MutualInformation(MLP((1,), (1,), widths=[32]), "dv", lr=5e-3, noise=(0.0, 1.0))
    for _ in range(500):
        x = torch.randn(256, 1)
        mi.step(x, x)
    x = torch.randn(4000, 1)
    found = mi.evaluate(x, x)
    assert found.value == pytest.approx(math.log(2) / 2, abs=0.08)
    assert found.value == mi.evaluate(x, x).value


@pytest.mark.parametrize("weight", [0.01, 1e5])
def test_information_is_clipped_to_the_loss_beside_it(weight: float) -> None:
    """Equation 21: no longer than the other loss's gradient, in its own direction."""
    model, x = Model("dv"), torch.randn(64, 3)
    model.mi.network.eval()
    unused = nn.Parameter(torch.ones(2))
    parameters = [*model.encoder.parameters(), unused]
    state = model.mi.generator(x.device).get_state()
    z = model(x)
    model.encoder.weight.grad = torch.ones_like(model.encoder.weight)  # what was there before
    clipped = model.mi.maximise_into(parameters, z.square().mean(), x, z, weight=weight)
    moved = [p.grad for p in model.encoder.parameters()]
    model.mi.generator(x.device).set_state(state)
    z = model(x)
    u = torch.autograd.grad(z.square().mean(), list(model.encoder.parameters()), retain_graph=True)
    m = torch.autograd.grad(weight * model.mi.maximise(x, z), list(model.encoder.parameters()))
    long_u, long_m = (torch.cat([g.flatten() for g in part]).norm() for part in (u, m))
    share = min(1.0, (long_u / long_m).item())
    torch.testing.assert_close(moved[0], 1 + u[0] + share * m[0])
    torch.testing.assert_close(moved[1], u[1] + share * m[1])
    torch.testing.assert_close(clipped.information_norm, long_m)
    assert (share < 1) == (weight > 1)
    assert unused.grad is not None
    assert not unused.grad.any()


def test_it_prints_as_a_number_with_its_error() -> None:
    law = Gaussian(dim=1, rho=0.8)
    mi = MutualInformation(GaussianLogRatio(1, 0.8), "dv")
    found = mi.evaluate(*law.sample(5000, torch.Generator().manual_seed(0)))
    assert str(found) == repr(found)
    assert (
        str(found)
        == f"{found.value:.3f} ± {found.standard_error:.3f} nats (5,000 rows, status ok)"
    )
    told = found.to_dict()
    assert told["estimate"] == found.value
    assert (told["rows"], told["status"]) == (5000, "ok")
    assert all(value is None or isinstance(value, int | float | str) for value in told.values())


def test_what_is_to_be_watched_is_written_to_a_log() -> None:
    class Writer:
        def __init__(self) -> None:
            self.seen: dict[str, tuple[float, int]] = {}

        def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
            self.seen[tag] = float(scalar_value), global_step

    writer, (x, z) = Writer(), torch.randn(2, 64, 2)
    mi = MutualInformation(MLP((2,), (2,), widths=[8]), statistics_steps="auto")
    mi.log_to(writer, 0)
    assert "mi/batch" not in writer.seen
    value = mi.step(x, z).item()
    found = mi.evaluate(x, z)
    mi.log_to(writer, 7, found)
    assert writer.seen["mi/batch"] == (value, 7)
    assert writer.seen["mi/estimate"] == (found.value, 7)
    assert writer.seen.keys() == {
        "mi/batch", "mi/lr", "mi/steps", "mi/skipped", "mi/statistics_steps", "mi/outrun",
        "mi/estimate", "mi/standard_error",
    }  # fmt: skip
