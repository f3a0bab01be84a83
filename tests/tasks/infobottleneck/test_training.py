"""``task=infobottleneck``: signs, where gradients flow, statuses, jobs together, test rows."""

import copy
import math
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mine_cli.api import composed
from mine_cli.bounds import DV
from mine_cli.config.schemas import InfoBottleneckConf, MethodConf, TrainerConf
from mine_cli.data.labelled import Labelled
from mine_cli.estimator.term import MutualInformation
from mine_cli.marginals import MARGINALS
from mine_cli.networks.encoders import (
    Additive,
    Bottleneck,
    Deterministic,
    Gaussian,
    Propagated,
)
from mine_cli.networks.interface import Bounded
from mine_cli.networks.mlp import MLP
from mine_cli.tasks.infobottleneck.rows import validation_split
from mine_cli.tasks.infobottleneck.stacked import Batched, objective
from mine_cli.tasks.infobottleneck.training import InfoBottleneck
from mine_cli.tasks.registry import experiment_of
from mine_cli.training.optim import set_rate

CLASSES, SIZE, FEATURES = 3, 6, 4
ENCODERS = {
    "deterministic": Deterministic,
    "gaussian": Gaussian,
    "additive": Additive,
    "propagated": Propagated,
}
METHODS = {
    "none": MethodConf(name="none"),
    "vib": MethodConf(name="vib", information="kl", beta=1e-2),
    "mine": MethodConf(name="mine", information="mine", beta=1e-2),
}


def blobs(rows: int = 600, spread: float = 0.5, seed: int = 0) -> Labelled:
    """Three Gaussian blobs, that are told apart with hardly an error."""
    random = torch.Generator().manual_seed(seed)
    centres = torch.randn(CLASSES, SIZE, generator=random) * 2
    y = torch.randint(CLASSES, (rows + 200,), generator=random)
    x = centres[y] + spread * torch.randn(len(y), SIZE, generator=random)
    return Labelled(x[:rows], y[:rows], x[rows:], y[rows:], CLASSES)


def bottleneck(encoder: str, seed: int, **options: Any) -> Bottleneck:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = ENCODERS[encoder]((SIZE,), features=FEATURES, widths=(16,), **options)
        return Bottleneck(made, FEATURES, CLASSES, sees="code")


def term(bound: str, marginals: str, limit: float | None, seed: int) -> MutualInformation:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network: nn.Module = MLP((FEATURES,), (FEATURES,), (16,))
        if limit is not None:
            network = Bounded(network, limit)
        return MutualInformation(network, bound, MARGINALS[marginals](), seed=seed)


def made(
    method: str | MethodConf = "mine",
    encoder: str = "gaussian",
    conf: InfoBottleneckConf | None = None,
    seed: int = 0,
    bound: str = "dv",
    marginals: str = "derangement",
    data: Labelled | None = None,
    std: float = 0.0067,
    limit: float | None = None,
    **trainer: Any,
) -> InfoBottleneck:
    settings = {"steps": 100, "batch_size": 50, "lr": 1e-3, "weight_decay": 0.0, "warmup": 0.0}
    conf = conf or InfoBottleneckConf(
        average=0.9, samples=3, pairs=4000, pairs_during_training=4000, attacked_rows=50
    )
    return InfoBottleneck(
        conf,
        METHODS[method] if isinstance(method, str) else method,
        TrainerConf(**(settings | trainer)),
        data or blobs(),
        partial(bottleneck, encoder, **({"std": std} if encoder == "gaussian" else {})),
        partial(term, bound, marginals, limit),
        seed=seed,
    )


def trained(task: InfoBottleneck, steps: int) -> InfoBottleneck:
    for step in range(1, steps + 1):
        task.train_step(step)
    return task


def step_of(task: InfoBottleneck) -> Batched:
    (batched,) = task.stacked.batched
    return batched


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def changed(before: list[Tensor], module: nn.Module) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


# The objective


def test_label_smoothing_is_torch_s() -> None:
    logits, y = torch.randn(2, 7, CLASSES), torch.randint(CLASSES, (2, 7))
    losses, plain = objective(logits, y, MethodConf(name="x", label_smoothing=0.2))
    for r in range(2):
        torch.testing.assert_close(losses[r], cross_entropy(logits[r], y[r], label_smoothing=0.2))
        torch.testing.assert_close(plain[r], cross_entropy(logits[r], y[r]))


def test_confidence_penalty_rewards_entropy() -> None:
    logits, y = torch.randn(1, 7, CLASSES), torch.randint(CLASSES, (1, 7))
    loss, plain = objective(logits, y, MethodConf(name="x", confidence_penalty=0.5))
    entropy = torch.distributions.Categorical(logits=logits[0]).entropy().mean()
    torch.testing.assert_close(loss[0], plain[0] - 0.5 * entropy)


# Signs and flows


@pytest.mark.parametrize("method", ["mine", "vib"])
def test_the_information_falls_as_beta_rises(method: str) -> None:
    """Judged by the encoder's own law, which no critic touches; a flipped sign raises it."""
    found = []
    for beta in (0.0, 0.1, 1.0):
        kind = MethodConf(name=method, information=METHODS[method].information, beta=beta)
        conf = InfoBottleneckConf(average=None, statistics_lr=1e-2, pairs_during_training=4000)
        task = made(kind, conf=conf, lr=3e-3, steps=400, schedule="constant", std=1.0)
        trained(task, 400)
        found.append(task.evaluate(400)["mi/reference"])
    assert found[0] > found[1] > found[2]
    assert found[0] > found[2] + 0.5


@pytest.mark.long
def test_on_digits_the_information_falls_as_beta_rises() -> None:
    """As the program composes it, in two epochs; a flipped sign raises it."""
    if not (Path(os.environ.get("MINE_RUN_DATA", "data")) / "MNIST" / "raw").is_dir():
        pytest.skip("needs MNIST in MINE_RUN_DATA")
    found = []
    for beta in (0.001, 0.01, 0.1):
        chosen = ["task=infobottleneck", "method=mine_gaussian", f"method.beta={beta}"]
        cfg = composed([*chosen, "trainer.steps=1080", "trainer.device=cpu"])
        task = trained(experiment_of(cfg).start(torch.device("cpu")), 1080)
        found.append(task.evaluate(1080))
    upper = [row["mi/reference_upper"] for row in found]
    assert upper[0] > 1.2 * upper[1]
    assert upper[1] > 10 * upper[2]
    assert found[0]["mi/reference"] > found[2]["mi/reference"] + 1
    assert found[2]["mi/estimate"] < found[2]["mi/reference"]


def test_on_a_gaussian_channel_value_and_gradient_are_right() -> None:
    """z = x + sigma eps has log(1 + 1 / sigma^2) / 2 a dimension; lowering it raises sigma."""
    torch.manual_seed(0)
    dim, sigma = 2, torch.tensor(0.7, requires_grad=True)
    mi = MutualInformation(MLP((dim,), (dim,), (64, 64)), "dv", lr=2e-3)
    for step in range(1500):
        mi.optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / 1500)
        x = torch.randn(512, dim)
        mi.step(x, x + sigma * torch.randn(512, dim))
    x = torch.randn(20_000, dim)
    with torch.no_grad():
        found = mi.evaluate(x, x + sigma * torch.randn(20_000, dim))
    truth = dim / 2 * math.log(1 + 1 / 0.7**2)
    assert found.value == pytest.approx(truth, rel=0.05)
    mi.minimise(x, x + sigma * torch.randn(20_000, dim)).backward()
    # dI / dsigma = -dim / (sigma (sigma^2 + 1)): descending it raises sigma.
    assert sigma.grad is not None
    assert sigma.grad.item() == pytest.approx(-dim / (0.7 * (0.7**2 + 1)), rel=0.15)


def test_each_optimiser_moves_its_own_networks_alone() -> None:
    task = trained(made(), 2)
    step = step_of(task)
    assert step.ensemble is not None
    _, z, _, seen = step.encode(step.batch()[0])
    before, held = weights(task.bottleneck), weights(task.term.statistics)
    _, losses = step.ensemble.step_and_minimise(step.pairs(seen, z), step.generators)
    assert not changed(before, task.bottleneck)
    assert changed(held, task.term.statistics)
    held = weights(task.term.statistics)
    step.adam.zero_grad()
    for p in task.term.statistics_parameters():
        p.grad = None
    losses.sum().backward()
    assert all(p.grad is None for p in task.term.statistics_parameters())
    assert any(p.grad.abs().sum() > 0 for p in task.bottleneck.encoder.parameters())
    step.adam.step()
    assert changed(before, task.bottleneck)
    assert not changed(held, task.term.statistics)
    owned = {id(p) for group in step.adam.optimizer.param_groups for p in group["params"]}
    assert not owned & {id(p) for p in task.term.statistics_parameters()}


def test_the_encoder_descends_cross_entropy_plus_beta_times_the_term() -> None:
    """The gradient of one step against one taken anew, with the random stream rewound."""
    task = trained(made(MethodConf(name="x", information="mine", beta=0.5)), 60)
    twin = copy.deepcopy(task)
    task.train_step(61)
    found = [p.grad for p in task.bottleneck.parameters()]

    step = step_of(twin)
    assert step.ensemble is not None
    x, y = step.batch()
    logits, z, _, seen = step.encode(x)
    set_rate(step.ensemble.optimizer, twin.trainer, 61)
    _, value = step.ensemble.step_and_minimise(step.pairs(seen, z), [twin.generator])
    assert value.item() > 0
    loss = cross_entropy(logits[0], y[0]) + 0.5 * value.sum()
    expected = torch.autograd.grad(loss, list(twin.bottleneck.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


# Statuses


def test_without_remedies_the_encoder_outruns_the_statistics_network() -> None:
    conf = InfoBottleneckConf(
        statistics_lr=1e-5, average=None, samples=2, pairs=4000, attacked_rows=20
    )
    kind = MethodConf(name="x", information="mine", beta=10.0)
    task = trained(made(kind, conf=conf, lr=1e-2, steps=400, schedule="constant"), 400)
    task.evaluate(400)
    result = task.result()
    assert result["status"] == "outrun"
    assert result["estimate"] < -2 * result["standard_error"]


def test_bounded_scores_keep_the_term_within_their_limit() -> None:
    """Where the unbounded network was outrun, a bounded one reads no less than minus 2 c."""
    kind = MethodConf(name="x", information="mine", beta=10.0)
    conf = InfoBottleneckConf(statistics_lr=1e-5, average=None, pairs_during_training=4000)
    task = made(kind, conf=conf, limit=0.5, lr=1e-2, steps=400, schedule="constant")
    assert trained(task, 400).evaluate(400)["mi/estimate"] > -1.0


# Members


@pytest.mark.parametrize(
    ("method", "encoder"),
    # The divergence needs a law.
    [(m, e) for m in METHODS for e in ENCODERS if m != "vib" or e == "gaussian"],
)
def test_every_encoder_with_every_kind_of_method_learns(method: str, encoder: str) -> None:
    task = trained(made(method, encoder, lr=1e-2, steps=100), 100)
    found = task.evaluate(100)
    assert found["ib/error"] < 0.1
    assert found["mi/z_y"] > 0.8
    result = task.result()
    assert result["metrics"]["error"] < 0.1
    assert result["metrics"]["i_zy"] < result["metrics"]["h_y"]
    assert (result.get("estimate") is None) == (method != "mine")


def same_networks(one: InfoBottleneck, other: InfoBottleneck, tolerance: float = 0.0) -> None:
    """But for rounding also of T's constant, which the bounds are blind to: its gradient is
    rounding, and Adam makes a random walk of it."""
    for a, b in ((one.bottleneck, other.bottleneck), (one.judged, other.judged)):
        for x, y in zip(a.parameters(), b.parameters(), strict=True):
            torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance)
    for name, value in one.term.state_dict().items():
        if not tolerance or value.numel() > 1:
            expected = other.term.state_dict()[name]
            torch.testing.assert_close(value, expected, rtol=tolerance, atol=tolerance)


def kinds(information: str) -> list[dict[str, Any]]:
    """Jobs that can be stepped as one: each with a seed, beta, rates and a bound of its own."""
    settings = {"average": 0.9, "samples": 3, "pairs": 4000, "attacked_rows": 50}
    return [
        {
            "method": MethodConf(name="x", information=information, beta=beta),
            "conf": InfoBottleneckConf(statistics_lr=rate, **settings),
            "seed": seed,
            "lr": lr,
            "bound": bound,
        }
        for seed, beta, rate, lr, bound in (
            (0, 1e-2, None, 1e-3, "dv"),
            (1, 0.3, None, 1e-3, "dv"),
            (2, 0.1, 5e-3, 1e-3, "mine"),
            (3, 1e-2, None, 2e-3, "dv"),
        )
    ]


@pytest.mark.parametrize(
    ("information", "marginals"),
    [("none", "derangement"), ("kl", "derangement")]
    + [("mine", marginals) for marginals in ("derangement", "independent", "all_pairs")],
)
def test_beside_others_as_alone(information: str, marginals: str) -> None:
    data = blobs()
    jobs = [kind | {"data": data, "marginals": marginals} for kind in kinds(information)]
    ones, tasks = ([made(**job) for job in jobs] for _ in range(2))
    together = tasks[0].stack(tasks[1:])
    for step in range(1, 101):
        together.step(step)
    for alone, task in zip(ones, tasks, strict=True):
        trained(alone, 100)
        same_networks(alone, task, 1e-3)
        for tag, value in alone.metrics().items():
            assert task.metrics()[tag].item() == pytest.approx(value.item(), abs=1e-3)
        own, beside = alone.result(), task.result()
        assert own["status"] == beside["status"]
        assert own.get("estimate") == pytest.approx(beside.get("estimate"), abs=1e-3)
        for name in ("error", "cross_entropy", "i_zy"):
            assert own["metrics"][name] == pytest.approx(beside["metrics"][name], abs=1e-3)


def test_who_leaves_takes_all_that_is_under_way_along() -> None:
    """Three together, then two of them, then one from the other's checkpoint."""
    jobs = kinds("mine")[:3]
    ones, tasks = ([made(**job) for job in jobs] for _ in range(2))
    together = tasks[0].stack(tasks[1:])
    for step in range(1, 31):
        together.step(step)
    pair = tasks[2].stack(tasks[:1])
    for step in range(31, 61):
        pair.step(step)
    last = made(**jobs[2])
    last.load_state_dict(copy.deepcopy(tasks[2].state_dict()))
    for step in range(61, 91):
        last.train_step(step)
    for task, other, steps in ((ones[1], tasks[1], 30), (ones[0], tasks[0], 60)):
        same_networks(trained(task, steps), other, 2e-3)
    same_networks(trained(ones[2], 90), last, 2e-3)


def test_a_task_goes_on_from_its_state_bit_for_bit() -> None:
    whole, first, second = (made() for _ in range(3))
    trained(whole, 30)
    trained(first, 20)
    first.evaluate(20)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for step in range(21, 31):
        second.train_step(step)
    same_networks(whole, second)


def test_a_bound_that_fails_is_told_of_by_its_own_task() -> None:
    class Fails(DV):
        def loss(self, t_joint: Tensor, t_marginal: Tensor) -> Tensor:
            raise FileNotFoundError("absent.txt")

    ones, tasks = ([made(seed=seed) for seed in range(2)] for _ in range(2))
    tasks[1].term.bound = Fails()
    together = tasks[0].stack(tasks[1:])
    together.step(1)
    assert together.failed
    with pytest.raises(FileNotFoundError, match="absent"):
        tasks[1].metrics()
    trained(ones[0], 1)
    same_networks(ones[0], tasks[0], 1e-5)
    assert tasks[0].metrics()


# Which rows are looked at


def test_errors_are_of_the_test_rows_alone() -> None:
    """Test labels that are all one off: whoever learned from training rows is always wrong."""
    data = blobs()
    data.test_y = (data.test_y + 1) % CLASSES
    task = trained(made("none", "deterministic", data=data, lr=1e-2, steps=100), 100)
    assert task.evaluate(100)["ib/error"] < 0.05
    assert task.result()["metrics"]["error"] > 0.95


def test_no_test_row_is_looked_at_before_the_end() -> None:
    data = blobs()
    data.test_x = data.test_x * math.nan
    task = trained(made(data=data, lr=1e-2), 20)
    found = task.evaluate(20)
    assert all(value is None or math.isfinite(value) for value in found.values())
    assert all(p.isfinite().all() for p in task.parameters())
    assert task.result()["status"] == "diverged"


def test_validation_rows_train_nothing_and_are_the_same_for_all() -> None:
    fit, held_out = validation_split(1000, 0.1)
    assert len(held_out) == 100
    assert sorted([*fit.tolist(), *held_out.tolist()]) == list(range(1000))
    data = blobs()
    task = made(data=data)
    rows = {tuple(row) for row in task.feed.x.tolist()}
    assert not rows & {tuple(row) for row in task.rows.held_out[0].tolist()}


def test_tasks_over_the_same_data_share_the_rows() -> None:
    data = blobs()
    one, other = (made(data=data, seed=seed) for seed in range(2))
    assert one.feed.x is other.feed.x
    assert one.rows is other.rows
    assert made(data=blobs()).feed.x is not one.feed.x
    conf = InfoBottleneckConf(validation=0.5)
    assert len(made(data=data, conf=conf).feed.x) == 300
    data.test_y = (data.test_y + 1) % CLASSES
    assert made(data=data).rows is not one.rows


def test_without_validation_rows_all_train() -> None:
    fit, watched = validation_split(500, 0.0)
    assert fit.tolist() == list(range(500))
    assert 0 < len(watched) <= 500
