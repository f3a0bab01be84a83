import pytest
import torch

from mine_cli.data import Rows, finite_rows
from mine_cli.errors import BadInput


class Finite:
    def rows(self) -> Rows:
        return Rows(torch.zeros(3, 1), torch.ones(3, 2), true_mi=0.0)


class OwnLaw:
    n = 7

    def sample(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.randn(n, 1, generator=generator)
        return x, -x


class Pair:
    def rows(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(3, 1), torch.zeros(3, 1)


def test_a_user_s_own_data_set_needs_no_base_class() -> None:
    assert finite_rows(Finite()).true_mi == 0.0
    rows = finite_rows(OwnLaw())
    assert len(rows) == 7
    assert rows.true_mi is None


@pytest.mark.parametrize(("dataset", "told"), [(object(), "neither"), (Pair(), "want data.Rows")])
def test_an_object_that_is_no_data_set(dataset: object, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        finite_rows(dataset)


@pytest.mark.parametrize("groups", [None, torch.zeros(4)])
def test_unequal_lengths(groups: torch.Tensor | None) -> None:
    n = 4 if groups is None else 3
    with pytest.raises(BadInput, match="want as many in each"):
        Rows(torch.zeros(3, 1), torch.zeros(n, 1), groups=groups)
