"""``task=gan``: signs, where gradients flow, clipping in place, resuming, what is reported."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from mine_cli.bounds import BOUNDS
from mine_cli.config.schemas import GANConf, TrainerConf
from mine_cli.data.mixtures import GaussianGrid
from mine_cli.estimator.term import MutualInformation
from mine_cli.marginals import MARGINALS
from mine_cli.networks.fully_connected import Discriminator, Generator
from mine_cli.networks.mlp import MLP
from mine_cli.tasks.adversarial.samples import Latent
from mine_cli.tasks.gan.losses import LOSSES
from mine_cli.tasks.gan.training import GAN, packed
from tests.devices import NEEDS_GPU


class Indifferent(nn.Module):
    """A discriminator that cannot tell: its logits depend on nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.logit + 0 * x.flatten(1).sum(1)


def made(
    conf: GANConf | None = None,
    discriminator: nn.Module | None = None,
    bound: str = "mine",
    marginals: str = "derangement",
    latent: Latent | None = None,
    seed: int = 0,
    device: str = "cpu",
    **trainer: Any,
) -> GAN:
    torch.manual_seed(seed)
    conf, latent = conf or GANConf(), latent or Latent(2)
    settings = {"steps": 100, "batch_size": 64, "lr": 1e-3, "weight_decay": 0.0, "warmup": 0.0}
    return GAN(
        conf,
        TrainerConf(**(settings | trainer)),
        GaussianGrid(),
        latent,
        Generator(latent.dim, (2,), widths=(32, 32)),
        discriminator or Discriminator((2 * conf.packing,), widths=(32, 32)),
        MutualInformation(MLP((2,), (latent.code_dim,), (32, 32)), bound, MARGINALS[marginals]()),
        samples=200,
        seed=seed,
        device=device,
    )


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def changed(before: list[Tensor], module: nn.Module) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


# The latent


def test_latent_laws() -> None:
    generator = torch.Generator().manual_seed(0)
    normal, uniform = (Latent(3, law).draw(20_000, generator) for law in ("normal", "uniform"))
    assert normal.mean().item() == pytest.approx(0, abs=0.03)
    assert normal.std().item() == pytest.approx(1, abs=0.03)
    assert -1 <= uniform.min() < -0.99
    assert 0.99 < uniform.max() <= 1
    assert uniform.std().item() == pytest.approx(3**-0.5, abs=0.01)


def test_the_code_is_the_last_part() -> None:
    x = torch.arange(10.0).view(2, 5)
    assert Latent(5).code(x).equal(x)
    assert Latent(5, code_dim=2).code(x).equal(x[:, 3:])


# Signs and flows


def information(gan: GAN) -> float:
    """I(G(z); z) by an evaluator of its own, trained from nothing on fresh draws."""
    torch.manual_seed(7)
    term = MutualInformation(MLP((2,), (gan.latent.code_dim,), (64, 64)), "mine", lr=2e-3)
    random = torch.Generator().manual_seed(7)
    judged = gan.judged_generator(random)
    for _ in range(400):
        latent = gan.latent.draw(256, random)
        with torch.no_grad():
            x = judged(latent)
        term.step(x, gan.latent.code(latent))
    latent, x = gan.draw_samples(judged, 2000, random)
    return term.evaluate(x, gan.latent.code(latent), pairs=100_000).value


class OneFolded(nn.Module):
    """A generator that at first drowns one coordinate of its latent in the other's sign."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor([0.05, 0.05]))

    def forward(self, latent: Tensor) -> Tensor:
        # The last two coordinates are noise that no gain can remove.
        return latent[:, 2:] * self.gain + latent[:, :2]


@pytest.mark.parametrize(
    ("bound", "loss"),
    [
        ("mine", "nonsaturating"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("js", "nonsaturating"), ("infonce", "nonsaturating"),
                ("mine", "wasserstein"), ("mine", "relativistic"),
            )
        ),
    ],
)  # fmt: skip
def test_the_information_rises_without_adversary_and_clipping(bound: str, loss: str) -> None:
    """By at least half a nat, judged by another network; a flipped sign lowers it."""
    marginals = "all_pairs" if bound == "infonce" else "derangement"
    conf = GANConf(loss=loss, clip="none", average=None, statistics_steps=2)
    gan = made(
        conf, Indifferent(), bound, marginals, Latent(4, code_dim=2), lr=0.02, steps=300,
        schedule="constant",
    )  # fmt: skip
    gan.generator, gan.weights = (folded := OneFolded()), list(folded.parameters())
    gan.generate, gan.optimizers["generator"] = folded, torch.optim.AdamW(gan.weights, lr=0.02)
    gan.optimizers["generator"].param_groups[0]["fused"] = False
    before = information(gan)
    for step in range(1, 301):
        gan.train_step(step)
    assert information(gan) > before + 0.5


def test_with_clipping_and_no_adversarial_gradient_the_generator_rests() -> None:
    gan = made(GANConf(clip="global"), Indifferent())
    before = weights(gan.generator)
    metrics = [gan.train_step(step) for step in range(1, 6)][-1]
    assert not changed(before, gan.generator)
    assert metrics["norm/information"] > 0
    assert metrics["norm/clipped"] == 0


@pytest.mark.parametrize("clip", ["global", "tensor", "none"])
def test_the_generator_s_gradient_is_that_of_this_step(clip: str) -> None:
    """Against gradients taken anew from the two losses, on copies, with the weights of now."""
    gan = made(GANConf(clip=clip, beta=3.0, average=None))
    for step in range(1, 4):
        gan.train_step(step)
    twin = copy.deepcopy(gan)
    latent, fake = gan._fakes()
    gan._train_generator(latent, fake)
    moved = [p.grad for p in gan.weights]

    fake = twin.generator(twin.latent.draw(64, twin.random))
    adversarial = -torch.sigmoid(twin.discriminator(fake)).log().mean()
    value = twin.term.maximise(fake, twin.latent.code(latent))
    u = torch.autograd.grad(adversarial, twin.weights, retain_graph=True)
    m = torch.autograd.grad(3.0 * value, twin.weights)
    if clip == "global":
        longest, length = (torch.cat([g.flatten() for g in part]).norm() for part in (u, m))
        m = [g * min(longest, length) / length for g in m]
    if clip == "tensor":
        m = [b * min(a.norm(), b.norm()) / b.norm() for a, b in zip(u, m, strict=True)]
    for found, a, b in zip(moved, u, m, strict=True):
        torch.testing.assert_close(found, a + b, rtol=1e-4, atol=1e-6)


each_loss = pytest.mark.parametrize("loss", LOSSES)


@each_loss
def test_each_part_of_a_step_moves_its_own_network_alone(loss: str) -> None:
    gan = made(GANConf(loss=loss, gradient_penalty=0.3, penalty_at="both"))
    parts: dict[str, Callable[[Tensor, Tensor], Any]] = {
        "discriminator": lambda latent, fake: gan._train_discriminator(fake.detach()),
        "term": lambda latent, fake: gan._train_statistics(latent, fake.detach()),
        "generator": gan._train_generator,
    }
    for name, part in parts.items():
        modules = {n: getattr(gan, n) for n in parts} | {"term": gan.term.statistics}
        before = {other: weights(module) for other, module in modules.items()}
        part(*gan._fakes())
        assert [n for n in parts if changed(before[n], modules[n])] == [name]


@each_loss
def test_the_generator_s_step_leaves_no_gradient_behind(loss: str) -> None:
    """What a generator's step computes must not enter the others' next steps."""
    gan = made(GANConf(loss=loss))
    gan._train_generator(*gan._fakes())
    for module in (gan.discriminator, gan.term):
        assert all(p.grad is None for p in module.parameters())


def test_losses_are_those_of_the_standard_objective() -> None:
    gan = made()
    random = gan.random.get_state()
    _, fake = gan._fakes()
    real = gan.dataset.draw(64, gan.random)
    with torch.no_grad():
        d_real, d_fake = (gan.discriminator(x).sigmoid() for x in (real, fake))
    gan.random.set_state(random)
    _, fake = gan._fakes()
    found = gan._train_discriminator(fake.detach())
    expected = -d_real.log().mean() - (1 - d_fake).log().mean()
    torch.testing.assert_close(found, expected)


class Linear(nn.Module):
    """A discriminator whose slope is its weight, everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.3, -0.2]))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


@each_loss
@pytest.mark.parametrize(("at", "times"), [("real", 1), ("generated", 1), ("both", 2)])
def test_the_penalty_adds_its_own_gradient_to_the_discriminator_s(
    at: str, times: int, loss: str
) -> None:
    """Of a linear one gamma w for each kind: the penalty is gamma / 2 |w|^2."""
    gradients, losses = [], []
    for gamma in (0.0, 0.7):
        conf = GANConf(loss=loss, gradient_penalty=gamma, penalty_at=at)
        gan = made(conf, Linear(), lr=1e-3)
        losses.append(gan._train_discriminator(gan._fakes()[1].detach()))
        gradients.append(gan.discriminator.weight.grad)
    added = gradients[1] - gradients[0]
    torch.testing.assert_close(added, times * 0.7 * torch.tensor([0.3, -0.2]))
    assert torch.equal(*losses)


@pytest.mark.parametrize("at", ["real", "generated"])
def test_the_penalty_is_taken_at_the_samples_that_it_names(at: str) -> None:
    """Of logits a |x|^2 / 2 it is gamma / 2 a^2 E|x|^2, with the slope gamma a E|x|^2 in a."""

    class Bowl(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.tensor(0.5))

        def forward(self, x: Tensor) -> Tensor:
            return self.a * x.square().sum(1) / 2

    seen: dict[float, Tensor] = {}
    for gamma in (0.0, 0.6):
        gan = made(GANConf(gradient_penalty=gamma, penalty_at=at), Bowl())
        fake = gan._fakes()[1].detach()
        random = gan.random.get_state()
        real = gan.dataset.draw(64, gan.random)
        gan.random.set_state(random)
        gan._train_discriminator(fake)
        seen[gamma] = gan.discriminator.a.grad
    size = {"real": real, "generated": fake}[at].square().sum(1).mean()
    torch.testing.assert_close(seen[0.6] - seen[0.0], 0.6 * 0.5 * size)


@each_loss
def test_discriminator_and_generator_pull_apart_and_together(loss: str) -> None:
    """Twenty steps of either alone: real logits rise above generated ones, then the gap closes."""

    def gap(gan: GAN) -> float:
        random = torch.Generator().manual_seed(0)
        with torch.no_grad():
            fake = gan.generator(gan.latent.draw(500, random))
            real = gan.dataset.draw(500, random)
            return float(gan.discriminator(real).mean() - gan.discriminator(fake).mean())

    gan = made(GANConf(loss=loss, beta=0.0, average=None), lr=3e-3, schedule="constant")
    gaps = [gap(gan)]
    for _ in range(20):
        gan._train_discriminator(gan._fakes()[1].detach())
    gaps.append(gap(gan))
    for _ in range(20):
        gan._train_generator(*gan._fakes())
    gaps.append(gap(gan))
    assert gaps[1] > gaps[0] + 0.1
    assert gaps[2] < gaps[1] - 0.1


def test_packs_hold_neighbours_side_by_side() -> None:
    x = torch.arange(8.0).view(4, 2)
    assert packed(x, 1) is x
    assert packed(x, 2).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    images = torch.randn(6, 3, 4, 5)
    assert torch.equal(packed(images, 3)[1], torch.cat([*images[3:]]))


def test_a_packed_discriminator_sees_and_moves_whole_packs() -> None:
    """Its logits are of 32 pairs, and both samples of a pair get a gradient."""
    gan, seen = made(GANConf(packing=2)), []
    gan.discriminator.register_forward_hook(lambda *call: seen.append(call[2].shape))
    _, fake = gan._fakes()
    fake.retain_grad()
    gan._train_discriminator(fake.detach())
    gan.loss.generator(None, gan.discriminate(packed(fake, 2))).backward()
    assert {*seen} == {(32,)}
    assert (fake.grad != 0).any(1).all()


def test_the_penalty_reaches_the_discriminator_alone() -> None:
    gan = made(GANConf(gradient_penalty=1.0))
    before = {name: weights(getattr(gan, name)) for name in ("generator", "term")}
    gan._train_discriminator(gan._fakes()[1].detach())
    assert all(p.grad is not None for p in gan.discriminator.parameters())
    for name, kept in before.items():
        assert not changed(kept, getattr(gan, name))
        assert all(p.grad is None for p in getattr(gan, name).parameters())


def test_samples_that_a_data_set_keeps_are_not_marked_by_the_penalty() -> None:
    class Kept:
        x = torch.randn(64, 2)

        def draw(self, n: int, generator: torch.Generator) -> Tensor:
            return self.x

    gan = made(GANConf(gradient_penalty=1.0))
    gan.dataset = Kept()
    gan.train_step(1)
    assert not gan.dataset.x.requires_grad
    assert gan.dataset.x.grad is None


def test_without_penalty_a_step_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, and nothing is differentiated twice."""
    monkeypatch.setattr("mine_cli.tasks.gan.training.squared_slope", None)
    gan, twin = made(), made()
    gan._train_discriminator(gan._fakes()[1].detach())
    _, fake = twin._fakes()
    real = twin.dataset.draw(64, twin.random)
    loss = softplus(-twin.discriminator(real)).mean()
    loss = loss + softplus(twin.discriminator(fake.detach())).mean()
    loss.backward()
    twin.optimizers["discriminator"].step()
    for found, expected in zip(
        gan.discriminator.parameters(), twin.discriminator.parameters(), strict=True
    ):
        assert torch.equal(found, expected)


def test_beta_zero_never_touches_the_statistics_network() -> None:
    gan = made(GANConf(beta=0.0))
    before = weights(gan.term)
    metrics = gan.train_step(1)
    assert not changed(before, gan.term)
    assert "norm/information" not in metrics
    assert gan.evaluate(1).get("mi/estimate") is None
    result = gan.result()
    assert "estimate" not in result
    assert result["metrics"]["estimate_status"] is None


def test_numbers_of_steps() -> None:
    gan = made(GANConf(discriminator_steps=2, generator_steps=3, statistics_steps=4))
    gan.train_step(1)
    steps = {
        name: int(next(iter(optimizer.state.values()))["step"])
        for name, optimizer in gan.optimizers.items()
    }
    assert steps == {"discriminator": 2, "generator": 3, "statistics": 12}


def test_learning_rates_are_each_network_s_own_and_decay_together() -> None:
    conf = GANConf(discriminator_lr=2e-3, statistics_lr=3e-3)
    gan = made(conf, lr=1e-3, schedule="linear", steps=100)
    gan.train_step(50)
    rates = {name: o.param_groups[0]["lr"] for name, o in gan.optimizers.items()}
    assert rates == pytest.approx({"generator": 5e-4, "discriminator": 1e-3, "statistics": 1.5e-3})


@pytest.mark.parametrize(
    ("bound", "marginals"),
    [
        (bound, marginals)
        for bound in sorted(BOUNDS)
        for marginals in sorted(MARGINALS)
        if bound != "infonce" or marginals == "all_pairs"
    ],
)
def test_every_bound_and_marginals(bound: str, marginals: str) -> None:
    gan = made(bound=bound, marginals=marginals, latent=Latent(3, "uniform", 2))
    for step in (1, 2):
        metrics = gan.train_step(step)
    assert all(value.isfinite() for value in metrics.values())
    assert math.isfinite(gan.evaluate(2)["mi/estimate"] or 0.0)


# What is judged


def test_the_average_is_what_is_judged() -> None:
    gan = made(GANConf(average=0.5))
    gan.train_step(1)
    first = weights(gan.generator)
    gan.train_step(2)
    second = weights(gan.generator)
    judged = gan.judged_generator(torch.Generator().manual_seed(0))
    for a, b, found in zip(first, second, judged.parameters(), strict=True):
        torch.testing.assert_close(found, 0.5 * a + 0.5 * b)
    assert not judged.training
    assert gan.generator.training


def test_judging_changes_nothing() -> None:
    gan, other = made(), made()
    for step in (1, 2):
        gan.train_step(step)
        gan.evaluate(step)
        other.train_step(step)
    for a, b in zip(gan.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    same = [gan.evaluate(2)["gan/kl"] for _ in range(2)]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("modes", "good", "word"),
    [
        (2.0, 1.0, "collapsed"), (3.0, 1.0, "modes_missing"), (22.0, 1.0, "modes_missing"),
        (23.0, 1.0, "ok"), (25.0, 0.49, "low_quality"), (17.0, 0.025, "modes_missing"),
        (25.0, 0.5, "ok"), (25.0, None, "ok"),
    ],
)  # fmt: skip
def test_a_generator_that_misses_modes_or_quality_is_called_so(
    modes: float, good: float | None, word: str
) -> None:
    gan = made()
    gan.evaluate(0)
    gan.found["metrics"] |= {"modes": modes, "high_quality": good}
    assert gan.result()["status"] == word


def test_a_data_set_without_modes() -> None:
    class Plain:
        def draw(self, n: int, generator: torch.Generator) -> Tensor:
            return torch.randn(n, 2, generator=generator)

    gan = made()
    gan.dataset = Plain()
    gan.train_step(1)
    gan.evaluate(1)
    assert gan.result()["status"] == "ok"
    assert gan.result()["metrics"]["samples"] == 200


# Resuming


@pytest.mark.parametrize(
    "conf",
    [
        GANConf(generator_steps=2, statistics_steps=2),
        GANConf(average=None, beta=0.0, gradient_penalty=0.3),
        GANConf(loss="wasserstein", discriminator_steps=3, clip="none", packing=2),
        GANConf(loss="relativistic", gradient_penalty=0.3, penalty_at="both"),
    ],
)
def test_a_resumed_training_is_the_same_bit_for_bit(conf: GANConf) -> None:
    whole, first, second = (made(conf) for _ in range(3))
    for step in range(1, 11):
        whole.train_step(step)
    for step in range(1, 5):
        first.train_step(step)
    first.evaluate(4)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for step in range(5, 11):
        second.train_step(step)
    draws = []
    for gan in (whole, second):
        random = torch.Generator().manual_seed(0)
        draws.append(gan.draw_samples(gan.judged_generator(random), 50, random)[1])
    assert torch.equal(*draws)
    for a, b in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


# Recorded and compiled


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=NEEDS_GPU)])
@pytest.mark.parametrize(
    "conf",
    [
        GANConf(generator_steps=2),
        GANConf(loss="wasserstein", discriminator_steps=5, clip="none", packing=2),
        GANConf(loss="relativistic", gradient_penalty=0.3, penalty_at="both"),
    ],
    ids=lambda conf: conf.loss,
)
def test_steps_of_a_cuda_graph_are_the_plain_ones(conf: GANConf, device: str) -> None:
    found = []
    for compile in (False, True):
        gan = made(conf, device=device, compile=compile)
        metrics = [gan.train_step(step) for step in range(1, 9)][-1]
        found.append([*metrics.values(), *(p.detach().clone() for p in gan.parameters())])
    for plain, recorded in zip(*found, strict=True):
        torch.testing.assert_close(recorded, plain, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_compiled_networks_learn_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin first: its graphs, run backward once, must not serve the arm that runs them twice.

    Both arms start with nothing compiled in the process, and find what the disk holds.
    """
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    confs = (
        GANConf(beta=0.0),
        GANConf(generator_steps=2, statistics_steps=2),
        GANConf(gradient_penalty=0.3),
    )
    for conf in confs:
        torch.compiler.reset()
        plain, compiled = (made(conf, compile=compiled) for compiled in (False, True))
        for step in range(1, 6):
            expected, found = (gan.train_step(step) for gan in (plain, compiled))
            assert found.keys() == expected.keys()
            for name, value in found.items():
                assert value == pytest.approx(float(expected[name]), rel=1e-3, abs=1e-4), name
        kl = [gan.evaluate(5)["gan/kl"] for gan in (plain, compiled)]
        assert kl[0] == pytest.approx(kl[1], abs=0.02)
