"""The MI term: what it trains, what it moves, and in which direction."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from mine_cli.bounds import BOUNDS
from mine_cli.data.gaussian import Gaussian
from mine_cli.errors import BadInput
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


@pytest.mark.parametrize("bound", list(BOUNDS))
def test_maximise_raises_and_minimise_lowers_the_information(bound: str) -> None:
    assert play(bound, "maximise") > 0.05
    assert play(bound, "minimise") < -0.05


def test_a_flipped_sign_would_be_noticed() -> None:
    assert play("mine", "maximise", sign=-1.0) < -0.05
    assert play("mine", "minimise", sign=-1.0) > 0.05


@pytest.mark.parametrize("bound", list(BOUNDS))
@pytest.mark.parametrize("direction", ["maximise", "minimise"])
def test_gradients_stay_on_their_own_side(bound: str, direction: str) -> None:
    channel = Channel()
    mi = MutualInformation(MLP((1,), (1,), widths=[8]), bound, marginals_for(bound))
    x, z = channel(64)
    mi.step(x, z)
    assert channel.gain.grad is None
    mi.optimizer.zero_grad(set_to_none=True)
    getattr(mi, direction)(x, z).backward()
    assert channel.gain.grad is not None
    assert channel.gain.grad != 0
    assert all(p.grad is None for p in mi.parameters())
    assert all(p.requires_grad for p in mi.parameters())
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
    mi.evaluate(x, z)
    mi.pointwise(x, z)
    assert all(torch.equal(value, before[key]) for key, value in mi.state_dict().items())


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
        mi = MutualInformation(NoisyMLP((2,), (2,), widths=[8]), "dv", AllPairs(rows=25))
        mi.step(x, z)
        found.append([p.grad for p in mi.parameters()])
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


@pytest.mark.parametrize("bound", list(BOUNDS))
def test_state_dict_round_trip_gives_the_same_next_step(bound: str) -> None:
    x, z = torch.randn(2, 64, 2)
    first, second = (
        MutualInformation(MLP((2,), (2,), widths=[8]), bound, marginals_for(bound))
        for _ in range(2)
    )
    for _ in range(3):
        first.step(x, z)
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
    second.generator(x.device).set_state(first.generator(x.device).get_state())
    assert first.step(x, z) == second.step(x, z)
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])


def test_evaluation_mode_is_left_as_it_was() -> None:
    mi = MutualInformation(NoisyMLP((2,), (2,), widths=[8]))
    x, z = torch.randn(2, 64, 2)
    assert mi.evaluate(x, z).value == mi.evaluate(x, z).value
    assert mi.network.training
