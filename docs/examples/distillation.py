"""Distillation: a student learns from a teacher's features. I(student; teacher) is raised.

    python docs/examples/distillation.py            the whole of it, with a picture
    python docs/examples/distillation.py --smoke    a few steps, to see that it runs

The teacher has seen all labels of MNIST, the student 200. All 60,000 images are shown to both, and
the student's features are to tell of the teacher's, by InfoNCE. The number is how often the
student's own reader, trained on the 200, is right on the test images.

Watch: the value of a batch should rise; once it stands still, the student has what it can hold.
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

FEATURES, LABELLED = 32, 200


class Classifier(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(196, width), nn.ReLU(), nn.Linear(width, FEATURES))
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(FEATURES, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    @torch.no_grad()
    def accuracy(self, x: Tensor, y: Tensor) -> float:
        return (self(x).argmax(1) == y).float().mean().item()


def teach(x: Tensor, y: Tensor, steps: int) -> Classifier:
    torch.manual_seed(0)
    teacher = Classifier(512)
    optimizer = torch.optim.Adam(teacher.parameters(), lr=1e-3)
    for _ in range(steps):
        rows = torch.randint(len(x), (256,))
        loss = cross_entropy(teacher(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return teacher.requires_grad_(False)


def learn(weight: float, teacher: Classifier, x: Tensor, y: Tensor, steps: int) -> Classifier:
    torch.manual_seed(1)
    student = Classifier(64)
    mi = MutualInformation(Separable((FEATURES,), (FEATURES,), widths=[64]), "infonce")
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)
    for _ in range(steps):
        rows = torch.randint(LABELLED, (64,))
        loss = cross_entropy(student(x[rows]), y[rows])
        if weight:
            batch = x[torch.randint(len(x), (256,))]
            ours, theirs = student.features(batch), teacher.features(batch)
            mi.step(ours, theirs)
            loss = loss + weight * mi.maximise(ours, theirs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return student


def main(smoke: bool = False) -> dict[str, float]:
    steps = 10 if smoke else 2000
    images, y, test, test_y = load_parts("mnist", Path(os.environ.get("MINE_RUN_DATA", "data")))
    x, test = (avg_pool2d(part, 2).flatten(1).add(1).div(2) for part in (images, test))
    teacher = teach(x, y, steps)
    models = {
        "teacher": teacher,
        "student alone": learn(0.0, teacher, x, y, steps),
        "student of the teacher": learn(1.0, teacher, x, y, steps),
    }
    found = {name: model.accuracy(test, test_y) for name, model in models.items()}
    for name, share in found.items():
        print(f"{name:23} {share:.1%}")
    if not smoke:
        draw(models, test, test_y)
    return found


def draw(models: dict[str, Classifier], x: Tensor, y: Tensor) -> None:
    """The share of each digit that is recognised."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3), layout="constrained")
    for name, model in models.items():
        axes.plot([model.accuracy(x[y == k], y[y == k]) for k in range(10)], "o-", label=name)
    axes.set(xlabel="digit", ylabel="recognised", xticks=range(10))
    axes.legend(frameon=False)
    figure.savefig("distillation.png", dpi=150)


if __name__ == "__main__":
    main("--smoke" in sys.argv)
