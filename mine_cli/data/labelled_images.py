"""MNIST and Fashion-MNIST for a supervised task: the training images, and the test images."""

from pathlib import Path

import torch

from mine_cli.data.images import NUM_LABELS, check_name, load_parts
from mine_cli.data.labelled import Labelled

__all__ = ["CLOTHES", "LabelledImages"]

CLOTHES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
)  # fmt: skip
"""What the labels of Fashion-MNIST stand for, by its authors' table."""


class LabelledImages:
    """The 60,000 training and 10,000 test images of MNIST or Fashion-MNIST, with their labels.

    No test image is a training image, in either set. Pixels lie in [-1, 1], as in the code of
    the variational information bottleneck's authors.

    Arguments:
        name: ``mnist`` or ``fashion_mnist``.
        data_dir: Folder that holds, or shall hold, ``MNIST/raw`` or ``FashionMNIST/raw``.
        permute: Move the pixels about, in every image by the same permutation: nothing to a
            perceptron, but the loss of all neighbourhoods to convolutions.
        seed: Seed of that permutation.

    References:
        | Deep Variational Information Bottleneck (Alemi et al., 2017), section 4.1
        | https://arxiv.org/abs/1612.00410
    """

    def __init__(
        self,
        name: str = "mnist",
        data_dir: str | Path = "data",
        permute: bool = False,
        seed: int = 0,
    ) -> None:
        check_name(name)
        self.name, self.data_dir = name, Path(data_dir).expanduser()
        self.permute, self.seed = permute, seed
        self._labelled: Labelled | None = None

    def labelled(self) -> Labelled:
        """Return images, [n, 1, 28, 28], with labels, [n]; they are read once."""
        if self._labelled is None:
            x, y, test_x, test_y = load_parts(self.name, self.data_dir)
            if self.permute:
                x, test_x = self.permuted(x), self.permuted(test_x)
            digits = tuple(map(str, range(NUM_LABELS)))
            names = list(digits if self.name == "mnist" else CLOTHES)
            self._labelled = Labelled(x, y, test_x, test_y, NUM_LABELS, names, (-1.0, 1.0))
        return self._labelled

    def permuted(self, images: torch.Tensor) -> torch.Tensor:
        """Move the pixels of images, [n, 1, height, width], about."""
        flat = images.flatten(1)
        generator = torch.Generator().manual_seed(self.seed)
        return flat[:, torch.randperm(flat.shape[1], generator=generator)].view_as(images)
