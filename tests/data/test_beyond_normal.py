import pytest
import torch

from mine_cli.data.beyond_normal import FORTY, BeyondNormal
from mine_cli.errors import BadInput

# As published with the suite, to three digits.
PUBLISHED = {
    "normal": 0.413, "additive_10": 1.709, "additive_75": 0.333, "student_1_1": 0.224,
    "dense_2": 0.294, "dense_50": 1.624, "sparse_25": 1.022, "student_2_1": 0.432,
    "student_5_2": 0.448, "spiral_uniform_sparse_5": 1.022, "asinh_student_2_1": 0.432,
}  # fmt: skip


def test_there_are_forty() -> None:
    assert len(FORTY) == 40


@pytest.mark.parametrize("law", [*FORTY])
def test_each_can_be_drawn(law: str) -> None:
    found = BeyondNormal(law)
    x, z = found.sample(2000, torch.Generator().manual_seed(0))
    assert x.isfinite().all()
    assert z.isfinite().all()
    assert 0.1 < found.true_mi < 1.8
    assert found.true_mi == pytest.approx(PUBLISHED.get(law, found.true_mi), abs=6e-4)
    columns = next((int(word) for word in law.split("_") if word.isdigit() and int(word) < 60), 1)
    wanted = (2, 1) if law == "swiss_roll" else (1, 1) if "additive" in law else (columns, columns)
    assert (x.shape[1], z.shape[1]) == wanted


def test_an_unknown_law() -> None:
    with pytest.raises(BadInput, match=r"dataset\.law=student: want one of normal, uniform, "):
        BeyondNormal("student")
