"""MNIST and Fashion-MNIST: image and label, the halves of an image, or classes to learn."""

from pathlib import Path

import torch
from torch import Tensor

from mine_cli.data import Rows
from mine_cli.data.labelled import Labelled
from mine_cli.data.mnist import NUM_LABELS, check_name, files_of, load, load_parts
from mine_cli.errors import BadInput

__all__ = ["CLOTHES", "ImageHalves", "ImageLabel", "LabelledImages", "label_entropy"]

AXES = ("horizontal", "vertical")


class ImageLabel:
    r"""An image against its label, one-hot: all 70,000 images of MNIST or Fashion-MNIST.

    The label is a function of the image, so that

    .. math:: I(X; Y) = H(Y) = -\sum_c p_c \log p_c

    with the empirical shares p_c of the labels: 2.301 nats for MNIST, log 10 for Fashion-MNIST.
    With the labels shuffled it is 0.

    Arguments:
        name: ``mnist`` or ``fashion_mnist``.
        data_dir: Folder that holds, or shall hold, ``MNIST/raw`` or ``FashionMNIST/raw``. Files
            that are there, packed or not, are read in place; a folder without them is filled
            from the network.
        shuffle_labels: Give every image the label of another, drawn at random.
        seed: Seed of that draw.

    References:
        | Gradient-based learning applied to document recognition (LeCun et al., 1998)
        | Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms
        | (Xiao et al., 2017)
    """

    def __init__(
        self,
        name: str = "mnist",
        data_dir: str | Path = "data",
        shuffle_labels: bool = False,
        seed: int = 0,
    ) -> None:
        check_name(name)
        self.name, self.data_dir = name, Path(data_dir).expanduser()
        self.shuffle_labels, self.seed = shuffle_labels, seed
        self._rows: Rows | None = None

    @property
    def files(self) -> list[Path]:
        """The files that are read."""
        return files_of(self.name, self.data_dir)

    def rows(self) -> Rows:
        """Returns images, [n, 1, 28, 28] in [0, 1], and labels, [n, 10]."""
        if self._rows is None:
            images, labels = load(self.name, self.data_dir)
            if self.shuffle_labels:
                generator = torch.Generator().manual_seed(self.seed)
                labels = labels[torch.randperm(len(labels), generator=generator)]
                truth, note = 0.0, "the labels are shuffled"
            else:
                truth = label_entropy(labels)
                note = "entropy of the label, which is a function of the image"
            self._rows = Rows(
                images,
                torch.nn.functional.one_hot(labels, NUM_LABELS).float(),
                true_mi=truth,
                true_mi_note=note,
                z_categorical=True,
                z_names=[f"label={i}" for i in range(NUM_LABELS)],
            )
        return self._rows


class ImageHalves:
    """The two halves of an image: all 70,000 images of MNIST or Fashion-MNIST.

    Arguments:
        name: ``mnist`` or ``fashion_mnist``.
        data_dir: As in `ImageLabel`.
        axis: ``horizontal``: left and right half, [n, 1, 28, 14] each; ``vertical``: upper and
            lower half, [n, 1, 14, 28] each.
    """

    def __init__(
        self, name: str = "mnist", data_dir: str | Path = "data", axis: str = "horizontal"
    ) -> None:
        check_name(name)
        if axis not in AXES:
            raise BadInput(f"dataset.axis={axis}: want {' or '.join(AXES)}")
        self.name, self.data_dir, self.axis = name, Path(data_dir).expanduser(), axis
        self._rows: Rows | None = None

    @property
    def files(self) -> list[Path]:
        """The files that are read."""
        return files_of(self.name, self.data_dir)

    def rows(self) -> Rows:
        """Returns the first and the second half of every image, in [0, 1]."""
        if self._rows is None:
            images, _ = load(self.name, self.data_dir)
            x, z = images.chunk(2, dim=3 if self.axis == "horizontal" else 2)
            note = "not known for the halves of an image"
            self._rows = Rows(x.contiguous(), z.contiguous(), true_mi_note=note)
        return self._rows


def label_entropy(labels: Tensor) -> float:
    r"""Returns the entropy in nats of the labels' shares, :math:`-\sum_c p_c \log p_c`."""
    shares = labels.bincount().double() / len(labels)
    return float(-torch.special.xlogy(shares, shares).sum())


CLOTHES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
)  # fmt: skip


class LabelledImages:
    """The 60,000 training and 10,000 test images of MNIST or Fashion-MNIST, with their labels.

    No test image is a training image, in either set. Pixels lie in [-1, 1], as in the code of
    the variational information bottleneck's authors.

    Arguments:
        name: ``mnist`` or ``fashion_mnist``.
        data_dir: Folder that holds, or shall hold, ``MNIST/raw`` or ``FashionMNIST/raw``.
        permute: Move the pixels about, in every image by the same permutation: nothing to a
            perceptron, but the loss of all neighbourhoods to convolutions.
        outliers: The other name, whose test images a classifier of these is to be unsure of; None:
            none are looked at.
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
        outliers: str | None = None,
        seed: int = 0,
    ) -> None:
        check_name(name)
        if outliers == name:
            raise BadInput(f"dataset.outliers={name}: the data set itself; want another")
        self.name, self.data_dir = name, Path(data_dir).expanduser()
        self.permute, self.outliers, self.seed = permute, outliers, seed
        self._labelled: Labelled | None = None

    @property
    def files(self) -> list[Path]:
        """The files that are read."""
        names = [self.name, *([self.outliers] if self.outliers else [])]
        return [file for name in names for file in files_of(name, self.data_dir)]

    def labelled(self) -> Labelled:
        """Returns images, [n, 1, 28, 28], with labels, [n]; they are read once."""
        if self._labelled is None:
            x, y, test_x, test_y = load_parts(self.name, self.data_dir)
            others = None if self.outliers is None else load_parts(self.outliers, self.data_dir)[2]
            digits = tuple(map(str, range(NUM_LABELS)))
            self._labelled = Labelled(
                self.permuted(x),
                y,
                self.permuted(test_x),
                test_y,
                NUM_LABELS,
                list(digits if self.name == "mnist" else CLOTHES),
                (-1.0, 1.0),
                outliers=None if others is None else self.permuted(others),
            )
        return self._labelled

    def permuted(self, images: torch.Tensor) -> torch.Tensor:
        """Moves the pixels of images, [n, 1, height, width], about, if that is asked for."""
        if not self.permute:
            return images
        flat = images.flatten(1)
        generator = torch.Generator().manual_seed(self.seed)
        return flat[:, torch.randperm(flat.shape[1], generator=generator)].view_as(images)
