"""The configured MI term: what it starts from."""

import pytest
import torch

from mine_cli.errors import BadInput
from mine_cli.tasks import build
from tests.composition import composed

BOUNDS = ("mine", "dv", "mine_f", "tuba", "js", "smile")


def term(*overrides: str) -> build.MutualInformation:
    cfg = composed(*overrides)
    return build.term(cfg, (1, 8, 8), (3,), seed=0)


@pytest.mark.parametrize("network", ["mlp", "noisy_mlp", "bilinear", "conditioned_conv"])
@pytest.mark.parametrize("bound", BOUNDS)
def test_untrained_scores_say_that_nothing_is_shared(network: str, bound: str) -> None:
    """Each bound's own value is near zero then; from T = 0 that of `mine_f` is -1/e."""
    mi = term(f"network={network}", f"bound={bound}").eval()
    x, z = torch.randn(200, 1, 8, 8), torch.randn(200, 3)
    with torch.no_grad():
        scores = mi.network(x, z), mi.network(x, z.roll(1, 0))[:, None]
        assert float(mi.bound.value(*scores)) == pytest.approx(0, abs=0.05)


def test_a_learned_baseline_starts_where_t_does() -> None:
    mi = term("network=mlp", "bound=tuba", "bound.baseline=2.5").eval()
    with torch.no_grad():
        t = mi.network(torch.randn(50, 1, 8, 8), torch.randn(50, 3))
    assert float(t.mean()) == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize(
    "overrides",
    [
        ["network.widths=[64,30000000000000]"],
        ["network=separable", "network.features=30000000000000"],
    ],
)
def test_what_no_memory_holds_is_named(overrides: list[str]) -> None:
    cfg = composed(*overrides)
    key, _, value = overrides[-1].partition("=")
    with pytest.raises(BadInput) as caught:
        build.make(cfg.network, "network", (2,), (2,))
    assert f"{key}={value}" in str(caught.value)
    assert str(caught.value).endswith(": more than the memory can hold")


def test_each_size_that_adds_to_it_is_named() -> None:
    """A matrix of rows by centres."""
    cfg = composed("task=gan", "dataset.side=4000000")
    with pytest.raises(BadInput) as caught:
        build.make(cfg.dataset, "dataset")
    assert str(caught.value).startswith("dataset.side=4000000, dataset.n=100000")
