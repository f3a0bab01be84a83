"""Contrastive pretraining: two views of one image tell of each other. I(code; code') is raised.

    python docs/examples/contrastive.py            the whole of it, with a picture
    python docs/examples/contrastive.py --smoke    a few steps, to see that it runs

No label is seen by the encoder; a linear reader that is trained on 1,000 labelled codes says what
it has learned. InfoNCE in nats has a ceiling: log 256, here, with batches of 256 images.

Watch: the value of a batch. Close to the ceiling, larger batches or harder views have more to
teach; a value that breaks down says that codes grow without limit: a LayerNorm holds them.
"""

import os
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, avg_pool2d, cross_entropy, grid_sample

from mine_cli import MutualInformation
from mine_cli.data.mnist import load_parts
from mine_cli.marginals import AllPairs
from mine_cli.networks import Bilinear

BATCH, FEATURES = 256, 64


def view(images: Tensor) -> Tensor:
    """Each image turned, moved, stretched and made smaller at random, with noise, [n, 196]."""
    n = len(images)
    angle, zoom = torch.empty(n).uniform_(-0.3, 0.3), torch.empty(n).uniform_(0.8, 1.2)
    slant, (dx, dy) = torch.empty(n).uniform_(-0.2, 0.2), torch.empty(2, n).uniform_(-0.15, 0.15)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    affine = torch.stack([cos, slant - sin, dx, sin, cos, dy], 1).view(n, 2, 3)
    grid = affine_grid(affine, [n, 1, 14, 14], align_corners=False)
    moved = grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved.flatten(1) + 0.1 * torch.randn(n, 196)


def read_by_a_line(encoder: nn.Module, images: Tensor, labels: Tensor, *test: Tensor) -> float:
    """How often a linear reader of codes, trained on a thousand of them, is right on the test."""
    with torch.no_grad():
        codes, test_codes = encoder(images.flatten(1)), encoder(test[0].flatten(1))
    mean, std = codes.mean(0), codes.std(0) + 1e-6
    line = nn.Linear(codes.shape[1], 10)
    optimizer = torch.optim.Adam(line.parameters(), lr=1e-2, weight_decay=1e-4)
    for _ in range(300):
        loss = cross_entropy(line((codes - mean) / std), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (line((test_codes - mean) / std).argmax(1) == test[1]).float().mean().item()


def main(smoke: bool = False) -> dict[str, float]:
    torch.manual_seed(0)
    images, labels, *test = load_parts("mnist", Path(os.environ.get("MINE_RUN_DATA", "data")))
    images, test[0] = avg_pool2d(images, 2), avg_pool2d(test[0], 2)
    few = images[:1000], labels[:1000]
    encoder = nn.Sequential(
        nn.Linear(196, 512), nn.ReLU(), nn.Linear(512, FEATURES), nn.LayerNorm(FEATURES)
    )
    untrained = read_by_a_line(encoder, *few, *test)
    network = Bilinear((FEATURES,), (FEATURES,))  # whatever else it takes, the codes have to learn
    mi = MutualInformation(network, "infonce", AllPairs(BATCH), lr=2e-3)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=2e-3)
    curve = []
    for _ in range(10 if smoke else 750):
        batch = images[torch.randint(len(images), (BATCH,))]
        one, other = encoder(view(batch)), encoder(view(batch))
        curve.append(mi.step(one, other).item())
        loss = mi.maximise(one, other)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = {"untrained": untrained, "pretrained": read_by_a_line(encoder, *few, *test)}
    for name, share in found.items():
        print(f"digits read from 1,000 labelled codes, {name:10} {share:.1%}")
    if not smoke:
        draw(curve)
    return found


def draw(curve: list[float]) -> None:
    import math

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3), layout="constrained")
    axes.plot(curve, linewidth=0.8)
    axes.axhline(math.log(BATCH), color="0.5", linestyle="--", label="log 256, the ceiling")
    axes.set(xlabel="step", ylabel="I(code; code') of the batch, nats", ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig("contrastive.png", dpi=150)


if __name__ == "__main__":
    main("--smoke" in sys.argv)
