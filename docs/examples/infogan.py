"""InfoGAN's code: a generator whose code names what it makes. I(sample; code) is raised.

    python docs/examples/infogan.py            the whole of it, with a picture
    python docs/examples/infogan.py --smoke    a few steps, to see that it runs

Eight Gaussians on a ring, a code of eight classes beside the noise. `maximise_into` stands in
place of `backward()`: the information's gradient is clipped to be no longer than the adversarial
one, as the paper has it (equation 21). The number is I(code; mode), counted: log 8 = 2.08 nats at
most.

Watch: the norms that `maximise_into` returns. If the information's is always the smaller one, it
is never clipped, and `weight` may grow; if modes are lost, the discriminator is what to look at.
"""

import math
import sys

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from mine_cli import MutualInformation
from mine_cli.networks import MLP

MODES, NOISE = 8, 4
ANGLES = torch.arange(MODES) * 2 * math.pi / MODES
CENTRES = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)


def real(n: int) -> Tensor:
    return CENTRES[torch.randint(MODES, (n,))] + 0.1 * torch.randn(n, 2)


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(NOISE + MODES, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(),
            nn.Linear(128, 2),
        )  # fmt: skip

    def forward(self, code: Tensor) -> Tensor:
        noise = torch.randn(len(code), NOISE)
        return self.layers(torch.cat([noise, one_hot(code, MODES).float()], 1))


def counted(code: Tensor, mode: Tensor) -> float:
    """I(code; mode) of the counts, in nats."""
    table = one_hot(code * MODES + mode, MODES * MODES).double().mean(0).view(MODES, MODES)
    product = table.sum(1, keepdim=True) * table.sum(0, keepdim=True)
    return (table * (table / product).log()).nansum().item()


def trained(weight: float, steps: int) -> tuple[float, Tensor, Tensor]:
    """I(code; mode) of 4,000 samples, the samples and their codes."""
    torch.manual_seed(0)
    generator = Generator()
    critic = nn.Sequential(
        nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1)
    )
    mi = MutualInformation(MLP((2,), (MODES,)), "dv", num_classes=(None, MODES), lr=1e-3)
    of_critic = torch.optim.Adam(critic.parameters(), lr=5e-4, betas=(0.5, 0.9))
    of_generator = torch.optim.Adam(generator.parameters(), lr=5e-4, betas=(0.5, 0.9))
    for _ in range(steps):
        code = torch.randint(MODES, (256,))
        fake, truth = generator(code), real(256).requires_grad_()
        logits = critic(truth)
        (slope,) = torch.autograd.grad(logits.sum(), truth, create_graph=True)
        loss = softplus(-logits).mean() + softplus(critic(fake.detach())).mean()
        of_critic.zero_grad()
        (loss + 0.1 * slope.square().sum(1).mean()).backward()  # R1, which keeps it steady
        of_critic.step()
        mi.step(fake, code)
        of_generator.zero_grad()
        adversarial = softplus(-critic(fake)).mean()
        mi.maximise_into(generator.parameters(), adversarial, fake, code, weight=weight)
        of_generator.step()
    with torch.no_grad():
        code = torch.randint(MODES, (4000,))
        fake = generator(code)
    return counted(code, torch.cdist(fake, CENTRES).argmin(1)), fake, code


def main(smoke: bool = False) -> dict[str, float]:
    steps = 20 if smoke else 4000
    runs = {"without the term": trained(0.0, steps), "with the term": trained(1.0, steps)}
    for name, (nats, _, _) in runs.items():
        print(f"I(code; mode), {name:16} {nats:.2f} of {math.log(MODES):.2f} nats")
    if not smoke:
        draw(runs)
    return {name: nats for name, (nats, _, _) in runs.items()}


def draw(runs: dict[str, tuple[float, Tensor, Tensor]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, both = pyplot.subplots(1, 2, figsize=(6, 3.2), layout="constrained")
    for axes, (name, (nats, x, code)) in zip(both, runs.items(), strict=True):
        axes.scatter(*x.T, c=code, cmap="tab10", s=3)
        axes.set(title=f"{name}: {nats:.2f} nats", aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
    figure.savefig("infogan.png", dpi=150)


if __name__ == "__main__":
    main("--smoke" in sys.argv)
