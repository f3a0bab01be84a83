from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import entropy

from mine_cli.data.image_channel import ImageChannel
from mine_cli.data.mnist import load
from mine_cli.errors import BadInput
from tests.image_folders import write_images


@pytest.mark.parametrize("flip", [0.0, 0.1, 0.5])
def test_truth_is_the_information_of_the_channel_s_table(flip: float) -> None:
    stay = (1 - flip) / 2
    joint = [stay, flip / 2, flip / 2, stay]
    one_bit = 2 * entropy([0.5, 0.5]) - entropy(joint)
    assert ImageChannel(bits=3, flip=flip).true_mi == pytest.approx(3 * one_bit, abs=1e-9)


def test_images_show_the_bits_and_their_flips(tmp_path: Path) -> None:
    folder = write_images(tmp_path)
    images, labels = load("mnist", folder)
    shown = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(images[:, 0], labels, strict=True)
    }
    law = ImageChannel(data_dir=folder, bits=2, flip=0.2)
    x, z = law.sample(2000, torch.Generator().manual_seed(0))
    assert x.shape == z.shape == (2000, 2, 28, 28)
    sent, received = (
        torch.tensor([[shown[image.numpy().tobytes()] for image in row] for row in side])
        for side in (x, z)
    )
    assert set(sent.flatten().tolist()) == {0, 1}
    assert sent.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert (sent != received).float().mean(0).tolist() == pytest.approx([0.2, 0.2], abs=0.04)
    # Another image of the bit: its pixels say nothing of which one was sent.
    same = (x == z).flatten(2).all(2)
    assert same.float().mean() < 0.2


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "cifar"}, "cifar"),
        ({"bits": 0}, "dataset.bits=0"),
        ({"flip": 0.6}, "0 to 0.5"),
        ({"n": 0}, "dataset.n=0"),
    ],
)
def test_bad_parameters(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        ImageChannel(**values)
    assert told in caught.value.faults[0]
