"""A fair representation: the digit stays in the code, the paper goes. I(code; paper) is lowered.

    python docs/examples/fair.py            the whole of it, with a picture
    python docs/examples/fair.py --smoke    a few steps, to see that it runs

Digits of MNIST on dark or bright paper. The statistics network sees codes and papers, the encoder
lowers what it finds. What counts in the end is not that number but whether *another* classifier,
trained afresh on codes of the finished encoder, still reads the paper; 50 % is guessing.

Watch: `mi.evaluate` on fresh images should go to zero and stay there. Well below zero, the encoder
fools the network: lower `BETA` or the encoder's rate. At zero while another classifier reads the
paper, the network is at fault: for classes take `Separable`, which is a classifier.
"""

import os
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy

from mine_cli import MutualInformation
from mine_cli.data.mnist import load_parts
from mine_cli.networks import Separable

CODE, BETA = 16, 1.0


def on_paper(images: Tensor) -> tuple[Tensor, Tensor]:
    """Each digit on a paper of its own chance: images [n, 196], 0 or 1 for dark or bright [n]."""
    paper = torch.randint(2, (len(images),))
    return avg_pool2d(images, 2).flatten(1).add(1).div(2) + 0.5 * paper[:, None], paper


class Encoder(nn.Module):
    """A code with noise of one: what is smaller than that is no longer there."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(196, 256), nn.ReLU(), nn.Linear(256, CODE))

    def forward(self, x: Tensor) -> Tensor:
        mean = self.mean(x)
        return mean + torch.randn_like(mean)


def read(codes: Tensor, labels: Tensor, test_codes: Tensor, test: Tensor, steps: int) -> float:
    """How often a perceptron that is trained afresh on codes reads the labels of others."""
    reader = nn.Sequential(
        nn.Linear(CODE, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    optimizer = torch.optim.Adam(reader.parameters(), lr=1e-3)
    for _ in range(steps):
        rows = torch.randint(len(codes), (256,))
        loss = cross_entropy(reader(codes[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (reader(test_codes).argmax(1) == test).float().mean().item()


def trained(data: tuple[Tensor, ...], beta: float, steps: int) -> tuple[float, float, list[float]]:
    """Digits and papers read from codes of test images, and I(code; paper) on the way."""
    images, digits, test_images, test_digits = data
    (x, paper), (test_x, test_paper) = on_paper(images), on_paper(test_images)
    encoder, head = Encoder(), nn.Linear(CODE, 10)
    weights = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-3, betas=(0.5, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network = Separable((CODE,), (2,), widths=[128, 128], features=8)
    mi = MutualInformation(network, "js", num_classes=2, lr=2e-3, statistics_steps=3)
    curve = []
    for step in range(steps):
        rows = torch.randint(len(x), (256,))
        code = encoder(x[rows])
        mi.step(code, paper[rows])
        loss = cross_entropy(head(code), digits[rows]) + beta * mi.minimise(code, paper[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % max(1, steps // 20) == 0:
            curve.append(mi.evaluate(encoder(test_x[:2000]), test_paper[:2000]).value)
    with torch.no_grad():
        codes, test_codes = encoder(x), encoder(test_x)
    digit = (head(test_codes).argmax(1) == test_digits).float().mean().item()
    return digit, read(codes, paper, test_codes, test_paper, steps), curve


def main(smoke: bool = False, seed: int = 0) -> dict[str, float]:
    data = load_parts("mnist", Path(os.environ.get("MINE_RUN_DATA", "data")))
    found, curves = {}, {}
    for name, beta in (("without the term", 0.0), ("with the term", BETA)):
        torch.manual_seed(seed)
        digit, paper, curves[name] = trained(data, beta, 5 if smoke else 4000)
        found |= {f"digit, {name}": digit, f"paper, {name}": paper}
        print(f"{name}: digit read {digit:.1%}, paper read {paper:.1%}", flush=True)
    if not smoke:
        draw(curves)
    return found


def draw(curves: dict[str, list[float]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3), layout="constrained")
    for name, values in curves.items():
        axes.plot([i / len(values) for i in range(len(values))], values, label=name)
    axes.set(xlabel="share of the training", ylabel="I(code; paper), nats", ylim=(-0.05, None))
    axes.legend(frameon=False)
    figure.savefig("fair.png", dpi=150)


if __name__ == "__main__":
    main("--smoke" in sys.argv)
