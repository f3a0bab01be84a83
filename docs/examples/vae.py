"""A VAE that keeps its input: a heavy KL would empty the code, the MI term fills it again.

    python docs/examples/vae.py            the whole of it, with a picture
    python docs/examples/vae.py --smoke    a few steps, to see that it runs

MNIST, a code of eight numbers, KL weight 10: the code forgets nearly all. `maximise` puts a price
on that. The number is I(x; code) on test images, in nats, by a statistics network that is trained
afresh for each of the two on the finished encoder.

Watch: the KL is an upper bound on I(x; code); an estimate above it would be wrong. The information
that the term saw while it trained was maximised, and so flattered: measure with a fresh one.
"""

import os
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits

from mine_cli import MutualInformation
from mine_cli.data.mnist import load_parts
from mine_cli.networks import Separable

CODE = 8


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(196, 256), nn.ReLU(), nn.Linear(256, 2 * CODE))
        self.decoder = nn.Sequential(nn.Linear(CODE, 256), nn.ReLU(), nn.Linear(256, 196))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A draw of the code, and the KL of each row to N(0, 1), in nats."""
        mean, log_std = self.encoder(x).chunk(2, 1)
        kl = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(1)
        return mean + log_std.exp() * torch.randn_like(mean), kl


def statistics(lr: float = 1e-3) -> MutualInformation:
    return MutualInformation(Separable((196,), (CODE,), widths=[256]), "infonce", lr=lr)


def trained(weight: float, x: Tensor, steps: int) -> VAE:
    torch.manual_seed(0)
    vae, mi = VAE(), statistics()
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
    for _ in range(steps):
        batch = x[torch.randint(len(x), (256,))]
        code, kl = vae.encode(batch)
        lost = binary_cross_entropy_with_logits(vae.decoder(code), batch, reduction="none")
        loss = lost.sum(1).mean() + 10 * kl.mean()
        if weight:
            mi.step(batch, code)
            loss = loss + weight * mi.maximise(batch, code)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return vae


@torch.no_grad()
def measured(vae: VAE, x: Tensor, test: Tensor, steps: int) -> tuple[float, float]:
    """I(x; code) on test images, by a fresh term, and the mean KL that it cannot exceed."""
    mi = statistics()
    for _ in range(steps):
        batch = x[torch.randint(len(x), (256,))]
        mi.step(batch, vae.encode(batch)[0])
    code, kl = vae.encode(test)
    found = mi.evaluate(test, code, negatives=2000)  # InfoNCE ends at log 2001
    print(f"    {found}; KL {kl.mean():.3f}")
    return found.value, kl.mean().item()


def main(smoke: bool = False) -> dict[str, float]:
    steps = 10 if smoke else 1500
    images, _, test, _ = load_parts("mnist", Path(os.environ.get("MINE_RUN_DATA", "data")))
    x, test = (avg_pool2d(part, 2).flatten(1).add(1).div(2) for part in (images, test))
    found, vaes = {}, {}
    for name, weight in (("without the term", 0.0), ("with the term", 20.0)):
        vaes[name] = trained(weight, x, steps)
        print(f"I(x; code), {name}")
        found[name], found[f"KL, {name}"] = measured(vaes[name], x, test, steps)
    if not smoke:
        draw(vaes, test[:10])
    return found


@torch.no_grad()
def draw(vaes: dict[str, VAE], x: Tensor) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = {"input": x} | {k: vae.decoder(vae.encode(x)[0]).sigmoid() for k, vae in vaes.items()}
    figure, all_axes = pyplot.subplots(3, 1, figsize=(6, 2.6), layout="constrained")
    for axes, (name, images) in zip(all_axes, rows.items(), strict=True):
        axes.imshow(torch.cat([*images.view(-1, 14, 14)], 1), cmap="gray_r")
        axes.set_title(name, fontsize=8)
        axes.axis("off")
    figure.savefig("vae.png", dpi=150)


if __name__ == "__main__":
    main("--smoke" in sys.argv)
