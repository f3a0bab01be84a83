"""The forty laws of one benchmark, each by its name."""

from collections.abc import Callable
from functools import partial

from torch import Generator, Tensor

from mine_cli.data.elliptical import DenseGaussian, SparseGaussian, Student
from mine_cli.data.laws import AdditiveNoise, Law, refuse_unfit

__all__ = ["FORTY", "BeyondNormal"]

PAIR = partial(DenseGaussian, dim=1, rho=0.75)
STUDENTS = ((2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3))  # columns, degrees of freedom


def sparse(dim: int, *transform: str) -> Callable[[], Law]:
    return partial(SparseGaussian, dim=dim, transform=transform)


FORTY: dict[str, Callable[[], Law]] = {
    "normal": PAIR,
    "uniform": partial(PAIR, transform=["normal_cdf"]),
    "additive_10": partial(AdditiveNoise, eps=0.1),
    "additive_75": partial(AdditiveNoise, eps=0.75),
    "bimodal": partial(PAIR, transform=["bimodal"]),
    "wiggly": partial(PAIR, transform=["wiggly"]),
    "half_cube": partial(PAIR, transform=["half_cube"]),
    "student_1_1": partial(Student, dim=1),
    "asinh_student_1_1": partial(Student, dim=1, transform=["asinh"]),
    "swiss_roll": partial(PAIR, transform=["swiss_roll"]),
    **{f"dense_{dim}": partial(DenseGaussian, dim=dim) for dim in (2, 3, 5, 25, 50)},
    **{f"sparse_{dim}": sparse(dim) for dim in (2, 3, 5, 25)},
    **{f"student_{dim}_{nu}": partial(Student, dim=dim, degrees=nu) for dim, nu in STUDENTS},
    **{f"uniform_sparse_{dim}": sparse(dim, "normal_cdf") for dim in (3, 5, 25)},
    **{f"half_cube_sparse_{dim}": sparse(dim, "half_cube") for dim in (3, 5, 25)},
    **{f"spiral_sparse_{dim}": sparse(dim, "spiral") for dim in (3, 5, 25)},
    **{f"spiral_uniform_sparse_{dim}": sparse(dim, "normal_cdf", "spiral") for dim in (3, 5, 25)},
    **{
        f"asinh_student_{dim}_{nu}": partial(Student, dim=dim, degrees=nu, transform=["asinh"])
        for dim, nu in ((2, 1), (3, 2), (5, 2))
    },
}
"""Name -> the law. The numbers are columns of x and of z, then degrees of freedom."""


class BeyondNormal:
    """One of the forty laws of Beyond Normal: 1 to 50 columns a side, 0.2 to 1.7 nats.

    Arguments:
        law: Its name, of `FORTY`.
        n: Number of rows of a fixed sample; None: fresh draws.
        seed: Seed of the fixed sample.

    References:
        | Beyond Normal: On the Evaluation of Mutual Information Estimators (Czyż et al., 2023),
        | section 3 https://arxiv.org/abs/2306.11078
    """

    def __init__(self, law: str = "normal", n: int | None = None, seed: int = 0) -> None:
        wanted = f"want one of {', '.join(FORTY)}"
        refuse_unfit([] if law in FORTY else [f"dataset.law={law}: {wanted}"], (), n)
        self.law, self.n, self.seed = law, n, seed
        self.drawn = FORTY[law]()
        self.true_mi, self.true_mi_note = self.drawn.true_mi, self.drawn.true_mi_note

    def sample(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws n rows, x and z ``[n, columns]``, on the generator's device."""
        return self.drawn.sample(n, generator)
