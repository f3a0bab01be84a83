"""Two codes of one image, disentangled: what, and how it is drawn. I(what; how) is lowered.

    python docs/examples/disentangle.py            the whole of it, with a picture
    python docs/examples/disentangle.py --smoke    a few steps, to see that it runs

An autoencoder of MNIST with two noisy codes: from `what` the digit is read, and both together draw
the image. Nothing keeps the digit out of `how`, which can use it to draw, but the term. The number
is how often a reader that is trained afresh reads the digit from `how`; 11 % is guessing.

Watch: the image must still be drawn; a term too heavy empties `how` in place of cleaning it.
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

WHAT, HOW = 4, 8


def perceptron(*sizes: int) -> nn.Sequential:
    first, second, third = sizes
    return nn.Sequential(nn.Linear(first, second), nn.ReLU(), nn.Linear(second, third))


class TwoCodes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = perceptron(196, 256, WHAT + HOW)
        self.decoder = perceptron(WHAT + HOW, 256, 196)
        self.label = perceptron(WHAT, 64, 10)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.encoder(x)
        return (mean + 0.5 * torch.randn_like(mean)).split([WHAT, HOW], 1)


def trained(weight: float, x: Tensor, y: Tensor, steps: int) -> tuple[TwoCodes, float]:
    """The model, and its squared error a pixel on the last batch."""
    torch.manual_seed(0)
    model = TwoCodes()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    mi = MutualInformation(MLP((WHAT,), (HOW,)), "js", lr=2e-3, statistics_steps=2)
    for _ in range(steps):
        rows = torch.randint(len(x), (256,))
        what, how = model.encode(x[rows])
        mi.step(what, how)
        error = (model.decoder(torch.cat([what, how], 1)) - x[rows]).square()
        loss = error.sum(1).mean() + 10 * cross_entropy(model.label(what), y[rows])
        loss = loss + weight * mi.minimise(what, how)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, error.mean().item()


def read(codes: Tensor, y: Tensor, test_codes: Tensor, test_y: Tensor, steps: int) -> float:
    """How often a perceptron that is trained afresh reads the digit."""
    reader = perceptron(codes.shape[1], 128, 10)
    optimizer = torch.optim.Adam(reader.parameters(), lr=2e-3)
    for _ in range(steps):
        rows = torch.randint(len(codes), (256,))
        loss = cross_entropy(reader(codes[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (reader(test_codes).argmax(1) == test_y).float().mean().item()


def main(smoke: bool = False) -> dict[str, float]:
    steps = 10 if smoke else 1500
    images, y, test, test_y = load_parts("mnist", Path(os.environ.get("MINE_RUN_DATA", "data")))
    x, test = (avg_pool2d(part, 2).flatten(1).add(1).div(2) for part in (images, test))
    found, models = {}, {}
    for name, weight in (("without the term", 0.0), ("with the term", 10.0)):
        models[name], error = trained(weight, x, y, steps)
        with torch.no_grad():
            codes, test_codes = models[name].encode(x), models[name].encode(test)
        for k, code in enumerate(("what", "how")):
            share = read(codes[k], y, test_codes[k], test_y, steps)
            found[f"{code}, {name}"] = share
            print(f"digit read from `{code}`, {name}: {share:.1%} (squared error {error:.4f})")
    if not smoke:
        draw(models, test[:10])
    return found


@torch.no_grad()
def draw(models: dict[str, TwoCodes], x: Tensor) -> None:
    """Images drawn from the first one's `what` and each one's `how`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = {"how it is drawn": x}
    for name, model in models.items():
        what, how = model.encoder(x).split([WHAT, HOW], 1)
        mixed = model.decoder(torch.cat([what[:1].expand_as(what), how], 1))
        rows[f"the first digit drawn so, {name}"] = mixed
    figure, all_axes = pyplot.subplots(3, 1, figsize=(6, 2.6), layout="constrained")
    for axes, (name, images) in zip(all_axes, rows.items(), strict=True):
        axes.imshow(torch.cat([*images.view(-1, 14, 14)], 1), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(name, fontsize=8)
        axes.axis("off")
    figure.savefig("disentangle.png", dpi=150)


if __name__ == "__main__":
    main("--smoke" in sys.argv)
