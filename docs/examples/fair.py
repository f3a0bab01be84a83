"""A fair representation: the digit stays in the code, the colour goes. I(code; colour) is lowered.

    python docs/examples/fair.py            the whole of it, with a picture
    python docs/examples/fair.py --smoke    a few steps, to see that it runs

Red and green digits of MNIST. The statistics network sees codes and colours, the encoder lowers
what it finds. What counts in the end is not that number but whether *another* classifier, trained
afresh on codes of the finished encoder, still reads the colour; 50 % is guessing.

Watch: `mi.evaluate` on images that nothing was trained on should go to zero and stay there. Well
below zero, the encoder fools the network: take more `statistics_steps`.
"""

import os
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy

from mine_cli import MutualInformation
from mine_cli.data.mnist import load_parts
from mine_cli.networks import MLP

CODE = 16


def coloured(images: Tensor) -> tuple[Tensor, Tensor]:
    """Each digit in one of two channels, by chance: images [n, 2 * 196], colours [n]."""
    pooled = avg_pool2d(images, 2).add(1).div(2)
    colour = torch.randint(2, (len(images),))
    channels = torch.zeros(len(images), 2, 14, 14)
    channels[torch.arange(len(images)), colour] = pooled[:, 0]
    return channels.flatten(1), colour


class Encoder(nn.Module):
    """A code with noise of one: what is smaller than that is no longer there."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(392, 256), nn.ReLU(), nn.Linear(256, CODE))

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


def trained(beta: float, steps: int, seed: int) -> tuple[float, float, list[float]]:
    """Digits and colours read from codes of test images, and I(code; colour) on the way."""
    torch.manual_seed(seed)
    images, digits, *test = load_parts("mnist", Path(os.environ.get("MINE_RUN_DATA", "data")))
    (x, colour), (test_x, test_colour) = coloured(images), coloured(test[0])
    encoder, head = Encoder(), nn.Linear(CODE, 10)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-3)
    mi = MutualInformation(MLP((CODE,), (2,)), "js", num_classes=2, lr=2e-3, statistics_steps=3)
    curve = []
    for step in range(steps):
        rows = torch.randint(len(x), (256,))
        code = encoder(x[rows])
        mi.step(code, colour[rows])
        loss = cross_entropy(head(code), digits[rows]) + beta * mi.minimise(code, colour[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(1, steps // 20) == 0:
            with torch.no_grad():
                curve.append(mi.evaluate(encoder(test_x[:2000]), test_colour[:2000]).value)
    with torch.no_grad():
        codes, test_codes = encoder(x), encoder(test_x)
    digit = (head(test_codes).argmax(1) == test[1]).float().mean().item()
    return digit, read(codes, colour, test_codes, test_colour, steps), curve


def main(smoke: bool = False, seed: int = 0) -> dict[str, float]:
    found, curves = {}, {}
    for name, beta in (("without the term", 0.0), ("with the term", 3.0)):
        digit, colour, curves[name] = trained(beta, 10 if smoke else 2000, seed)
        found |= {f"digit, {name}": digit, f"colour, {name}": colour}
        print(f"{name}: digit read {digit:.1%}, colour read {colour:.1%}")
    if not smoke:
        draw(curves)
    return found


def draw(curves: dict[str, list[float]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3), layout="constrained")
    for name, values in curves.items():
        axes.plot(values, label=name)
    axes.set(xlabel="twentieths of the training", ylabel="I(code; colour), nats", ylim=(-0.2, 0.8))
    axes.legend(frameon=False)
    figure.savefig("fair.png", dpi=150)


if __name__ == "__main__":
    main("--smoke" in sys.argv)
