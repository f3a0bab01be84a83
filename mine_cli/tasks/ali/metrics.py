"""What reconstructions and codes are worth, as pure functions of tensors."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = [
    "BETAS",
    "KERNEL_SIGMA",
    "WINDOW",
    "agreement",
    "error_of_mean",
    "ms_ssim",
    "neighbour_accuracy",
    "reconstruction_error",
    "status",
]

# Of the five scales of Wang et al. the first three, their weights divided by their sum, through a
# Gaussian window of 5 pixels: an image of 28 is 7 pixels wide at the third scale, and the usual
# window of 11 at five scales wants 161.
WEIGHTS = (0.0448, 0.2856, 0.3001)
BETAS = tuple(weight / sum(WEIGHTS) for weight in WEIGHTS)
WINDOW, KERNEL_SIGMA = 5, 0.5

ENOUGH_KEPT = 0.5
CHUNK = 1000  # rows whose distances to all others are in memory at once


def reconstruction_error(x: Tensor, rebuilt: Tensor) -> float:
    r"""Returns the mean Euclidean norm :math:`\|x - G(E(x))\|`, of pixels in [-1, 1].

    Arguments:
        x: [n, ...].
        rebuilt: Of the same shape.

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), table 2
    """
    return float((x.double() - rebuilt.double()).flatten(1).norm(dim=1).mean())


def error_of_mean(x: Tensor) -> float:
    r"""Returns what `reconstruction_error` is if every row is given as their mean, of x [n, ...].

    A code that tells nothing of its row cannot do better than about that.
    """
    return reconstruction_error(x, x.double().mean(0))


def agreement(found: Tensor, wanted: Tensor) -> float:
    """Returns the share of reconstructions [n] that are of the mode or class of their input.

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), table 2
    """
    return float((found == wanted).double().mean())


def ms_ssim(x: Tensor, rebuilt: Tensor) -> float:
    """Returns the mean multi-scale structural similarity of images in [-1, 1], at most 1.

    By torchmetrics, on three scales with a Gaussian window of 5 pixels for images of every size:
    the usual five scales need 161 pixels, and the paper does not say what it took for 28.

    Arguments:
        x: Images, [n, C, H, W], with sides of at least 28.
        rebuilt: Of the same shape.

    References:
        | Multiscale structural similarity for image quality assessment (Wang et al., 2003), eq. 7
        | https://doi.org/10.1109/ACSSC.2003.1292216
    """
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure as similarity,
    )

    found = similarity(
        rebuilt.clamp(-1, 1),
        x,
        sigma=KERNEL_SIGMA,
        kernel_size=WINDOW,
        betas=BETAS,
        data_range=(-1.0, 1.0),
    )
    assert isinstance(found, Tensor)
    return float(found)


def neighbour_accuracy(
    codes: Tensor, labels: Tensor, known: Tensor, known_labels: Tensor
) -> float:
    """Returns how often the nearest of the known codes, by Euclidean distance, has the label.

    Arguments:
        codes: [n, d].
        labels: [n].
        known: Codes of training rows, [m, d].
        known_labels: [m].

    References:
        | Adversarial Feature Learning (Donahue et al., 2017), section 4.1
        | https://arxiv.org/abs/1605.09782
    """
    nearest = torch.cat([torch.cdist(part, known).argmin(1) for part in codes.split(CHUNK)])
    return agreement(known_labels[nearest], labels)


def status(metrics: dict[str, float | None], of_samples: Callable[..., str]) -> str:
    """Returns the samples' own status, or ``not_reconstructed`` where that is ``ok``.

    That is where fewer than half of the reconstructions are of the mode or class of their input,
    or where the mean of all rows is as near to each as its reconstruction.
    """
    word, kept = of_samples(metrics), metrics.get("own_mode")
    error, of_mean = metrics.get("reconstruction_error"), metrics.get("error_of_mean")
    lost = kept is not None and kept < ENOUGH_KEPT
    blind = error is not None and of_mean is not None and not error < of_mean
    return "not_reconstructed" if word == "ok" and (lost or blind) else word
