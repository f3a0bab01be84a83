"""``task=ali``: signs, where gradients flow, the equilibrium, resuming, what is reported."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mine_cli.config.schemas import ALIConf, ALIMethodConf, TrainerConf
from mine_cli.data.mixtures import GaussianGrid
from mine_cli.estimator.term import MutualInformation
from mine_cli.marginals import Derangement, Independent
from mine_cli.networks.fully_connected import Encoder, Generator
from mine_cli.networks.joint import Perceptron
from mine_cli.networks.mlp import MLP
from mine_cli.tasks.adversarial.samples import Latent
from mine_cli.tasks.ali.autoencoder import Autoencoder, GaussianEncoder
from mine_cli.tasks.ali.sources import Points
from mine_cli.tasks.ali.training import ALI, in_the_plane

METHODS = {
    "ali": ALIMethodConf("ali"),
    "ali_mine": ALIMethodConf("ali_mine", information="mine", beta=1.0),
    "alice_l2": ALIMethodConf("alice_l2", cycle="l2", cycle_weight=1.0),
    "alice_adversarial": ALIMethodConf("alice_adversarial", cycle="adversarial", cycle_weight=1.0),
}


class Indifferent(nn.Module):
    """A discriminator that cannot tell: its logits depend on nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.logit + 0 * (x.flatten(1).sum(1) + z.flatten(1).sum(1))


def made(
    method: str = "ali_mine",
    conf: ALIConf | None = None,
    discriminator: nn.Module | None = None,
    encoder: nn.Module | None = None,
    generator: nn.Module | None = None,
    dataset: Any = None,
    marginals: Any = None,
    seed: int = 0,
    **trainer: Any,
) -> ALI:
    torch.manual_seed(seed)
    conf, latent = conf or ALIConf(evaluator_steps=20), Latent(2)
    settings = {"steps": 100, "batch_size": 64, "lr": 1e-3, "weight_decay": 0.0, "warmup": 0.0}
    network = encoder or Encoder((2,), 2 if conf.sigma is not None else 4, widths=(32, 32))
    generator = generator or Generator(2, (2,), widths=(32, 32))
    cycle = METHODS[method].cycle == "adversarial"
    return ALI(
        conf,
        METHODS[method],
        TrainerConf(**(settings | trainer)),
        Points(dataset or GaussianGrid(n=1000)),
        Autoencoder(GaussianEncoder(network, conf.sigma), generator, latent, (2,)),
        discriminator or Perceptron((2,), (2,), widths=(32, 32)),
        lambda seed: term(seed, marginals or Derangement()),
        Perceptron((2,), (2,), widths=(32, 32)) if cycle else None,
        samples=200,
        seed=seed,
    )


def term(seed: int, marginals: Any) -> MutualInformation:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MutualInformation(MLP((2,), (2,), (32, 32)), "mine", marginals, seed=seed)


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def changed(before: list[Tensor], module: nn.Module) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def modules(ali: ALI) -> dict[str, nn.Module]:
    found = {
        "encoder": ali.encoder,
        "generator": ali.generator,
        "discriminator": ali.discriminator,
        "statistics": ali.term.statistics,
    }
    if ali.cycle_discriminator is not None:
        found["cycle"] = ali.cycle_discriminator
    return found


def batch(ali: ALI) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, z = ali.source.draw(64, ali.random), ali.latent.draw(64, ali.random)
    return x, ali.encoder(x, ali.random), ali.generator(z), z


# Signs


class Folded(nn.Module):
    """An encoder whose gains at first let little of x through, below the noise of sigma 1."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor([0.1, 0.1]))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


def test_the_information_rises_without_an_adversary() -> None:
    """By at least half a nat, judged by a fresh network; a flipped sign lowers it."""
    conf = ALIConf(sigma=1.0, clip="none", average=None, evaluator_steps=400, statistics_steps=2)
    ali = made("ali_mine", conf, Indifferent(), Folded(), lr=0.02, steps=200, schedule="constant")
    before = ali._fresh_information()[0].value
    for step in range(1, 201):
        ali.train_step(step)
    after = ali._fresh_information()[0].value
    # Of two coordinates with variance 8 g^2 beside 1: log(1 + 8 g^2) nats, 0.08 at the start.
    assert before == pytest.approx(0.08, abs=0.1)
    assert after > before + 0.5


def test_the_fresh_network_is_not_the_one_that_was_pleased() -> None:
    ali = made()
    ali.train_step(1)
    kept = weights(ali.term.statistics)
    ali.evaluate(1)
    ali.result()
    assert not changed(kept, ali.term.statistics)
    other = ali.make_term(ali.seeds["evaluator"])
    assert other.seed != ali.term.seed


# Where gradients flow


@pytest.mark.parametrize("method", METHODS)
def test_each_step_moves_its_own_network_alone(method: str) -> None:
    ali = made(method)
    x, code, fake, z = batch(ali)
    rebuilt = ali.generator(code) if METHODS[method].cycle != "none" else None
    steps: dict[str, Any] = {
        "discriminator": lambda: ali._train_discriminator(x, code, fake, z),
        "statistics": lambda: ali._train_statistics(x, code.detach()),
        "models": lambda: ali._train_models(x, code, fake, z, rebuilt),
    }
    if ali.cycle_discriminator is not None and rebuilt is not None:
        judge, seen = ali.cycle_discriminator, rebuilt.detach()
        steps["cycle"] = lambda: ali._tell_apart("cycle", judge, (x, x), (x, seen))
    for name, step in steps.items():
        kept = {part: weights(module) for part, module in modules(ali).items()}
        for module in modules(ali).values():
            module.zero_grad(set_to_none=True)
        step()
        moved = {part for part, module in modules(ali).items() if changed(kept[part], module)}
        assert moved == ({"encoder", "generator"} if name == "models" else {name})
        touched = {
            part
            for part, module in modules(ali).items()
            if any(p.grad is not None for p in module.parameters())
        }
        # The statistics network leaves its own gradient to be watched, no other's.
        assert touched == moved


def test_the_information_moves_the_encoder_and_not_the_generator() -> None:
    """The generator's step is bit for bit that of the method without information."""
    plain, informed = made("ali"), made("ali_mine")
    for ali in (plain, informed):
        ali._train_models(*batch(ali), None)
    assert not changed(weights(plain.generator), informed.generator)
    assert changed(weights(plain.encoder), informed.encoder)


def test_the_information_never_outweighs_the_adversarial_loss() -> None:
    ali = made("ali_mine")
    ali.method.beta = 1e6
    metrics = ali.train_step(1)
    assert metrics["norm/information"] > metrics["norm/adversarial"]
    assert metrics["norm/clipped"] == pytest.approx(metrics["norm/adversarial"].item())


# Losses


class Exact(nn.Module):
    """Half of its input: the mean of z given x for x = z + eps, with both of them standard."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.share * x


class Noisy(nn.Module):
    """x = z + eps, with standard eps that the generator draws for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, z: Tensor) -> Tensor:
        return self.gain * z + torch.randn_like(z)


class Marginal:
    """N(0, 2 I) in the plane: the law of x = z + eps."""

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        return math.sqrt(2) * torch.randn(n, 2, generator=generator)


@pytest.mark.parametrize(("sigma", "same"), [(math.sqrt(0.5), True), (0.1, False)])
def test_where_the_joint_laws_agree_nobody_can_tell(sigma: float, same: bool) -> None:
    """A linear-Gaussian pair with the exact encoder, z | x ~ N(x / 2, I / 2): loss 2 log 2."""
    conf = ALIConf(sigma=sigma)
    ali = made("ali", conf, None, Exact(), Noisy(), Marginal(), batch_size=512, lr=2e-3)
    losses = []
    for _ in range(200):
        with torch.no_grad():
            x = ali.source.draw(512, ali.random)
            z = ali.latent.draw(512, ali.random)
            code, fake = ali.encoder(x, ali.random), ali.generator(z)
        losses.append(ali._train_discriminator(x, code, fake, z).item())
    found = sum(losses[-50:]) / 50
    if same:
        assert found == pytest.approx(2 * math.log(2), abs=0.02)
    else:
        assert found < 2 * math.log(2) - 0.2


def test_the_l2_cycle_is_the_mean_square() -> None:
    ali = made("alice_l2")
    x, y = torch.randn(5, 2), torch.randn(5, 2)
    assert ali._cycle_loss(x, y).item() == pytest.approx((x - y).square().sum().item() / 10)


@pytest.mark.parametrize("method", ["alice_l2", "alice_adversarial"])
def test_a_cycle_lowers_the_error_of_the_reconstruction(method: str) -> None:
    ali = made(method, ALIConf(average=None), Indifferent(), lr=3e-3, steps=300)
    before = ali.evaluate(0)["ali/reconstruction_error"]
    for step in range(1, 301):
        ali.train_step(step)
    after = ali.evaluate(300)["ali/reconstruction_error"]
    assert before is not None
    assert after is not None
    assert after < 0.8 * before


def test_both_kinds_of_pairs_are_penalised() -> None:
    """The step with a penalty is another one, and its told loss has none of it."""
    plain = made("ali")
    steep = made("ali", ALIConf(gradient_penalty=10.0))
    losses = [ali._train_discriminator(*batch(ali)).item() for ali in (plain, steep)]
    assert losses[0] == losses[1]
    assert changed(weights(plain.discriminator), steep.discriminator)


# Codes


@pytest.mark.parametrize("sigma", [0.0, 0.5, None])
def test_codes_are_drawn_with_their_standard_deviation(sigma: float | None) -> None:
    torch.manual_seed(0)
    encoder = GaussianEncoder(Encoder((2,), 2 if sigma is not None else 4), sigma).eval()
    x, random = torch.randn(1, 2).expand(20_000, 2), torch.Generator().manual_seed(0)
    with torch.no_grad():
        code, (mean, std) = encoder(x, random), encoder.law(x)
    wanted = std[0].tolist() if isinstance(std, Tensor) else [std, std]
    assert code.mean(0).tolist() == pytest.approx(mean[0].tolist(), abs=0.03)
    assert code.std(0).tolist() == pytest.approx(wanted, rel=0.03)


def test_codes_in_the_plane_keep_the_largest_distances() -> None:
    torch.manual_seed(0)
    flat = torch.randn(100, 2) * torch.tensor([3.0, 2.0])
    turned = flat @ torch.linalg.qr(torch.randn(5, 5)).Q[:2]
    found = in_the_plane(turned)
    assert torch.cdist(found, found).allclose(torch.cdist(flat, flat), atol=2e-2)
    assert in_the_plane(flat) is flat
    assert in_the_plane(flat[:, :1]).shape == (100, 2)


# What is judged and saved


def test_evaluation_trains_nothing_and_draws_from_no_training_stream() -> None:
    ali = made()
    ali.train_step(1)
    state, kept = ali.random.get_state(), weights(ali.model)
    first = ali.evaluate(1)
    assert torch.equal(ali.random.get_state(), state)
    assert not changed(kept, ali.model)
    assert ali.evaluate(1) == first


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("marginals", [Derangement(), Independent()])
def test_a_resumed_training_is_the_uninterrupted_one(method: str, marginals: Any) -> None:
    conf = ALIConf(evaluator_steps=20, statistics_steps=2, gradient_penalty=0.1)
    first, second = (made(method, conf, marginals=marginals) for _ in range(2))
    for step in range(1, 5):
        first.train_step(step)
    first.evaluate(4)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for step in range(5, 8):
        a, b = first.train_step(step), second.train_step(step)
        assert {k: v.item() for k, v in a.items()} == {k: v.item() for k, v in b.items()}
    assert first.evaluate(7) == second.evaluate(7)
    assert first.result() == second.result()


def test_a_result_says_what_codes_tell_and_how_faithful_they_are() -> None:
    ali = made("ali")
    ali.train_step(1)
    ali.evaluate(100)
    found = ali.result()
    assert found["status"] != "ok"  # after one step
    assert math.isfinite(found["estimate"])
    wanted = {"own_mode", "reconstruction_error", "neighbour", "modes", "kl", "samples"}
    assert wanted <= found["metrics"].keys()
    assert found["metrics"]["ms_ssim"] is None  # of points
