"""Fit, select and report: disjoint, complete, standardised by the fit rows alone."""

import numpy
import pytest
import torch
from torch import Tensor

from mine_cli.data import Rows
from mine_cli.data.gaussian import Gaussian
from mine_cli.tasks.mi_estimate.parts import Parts, clusters_of, of_law, part_of, split_rows

CPU = torch.device("cpu")
N = 400


def table(**changes: object) -> Rows:
    """Rows that tell their number: x = (i, i^2), z = noise beside i."""
    i = torch.arange(N, dtype=torch.float32)
    noise = torch.from_numpy(numpy.random.default_rng(0).normal(size=N).astype("float32"))
    return Rows(torch.stack([i, i**2], 1), torch.stack([noise, -i], 1), **changes)


def split(rows: Rows, folds: int = 1, how: str = "random", seed: int = 0) -> list[Parts]:
    splits, _ = split_rows(rows, folds, how, [0.8, 0.1, 0.1], seed)
    found = [part_of(rows, split, CPU, "standard", *clusters_of(rows, how)) for split in splits]
    for parts, split in zip(found, splits, strict=True):
        parts.indices = split.fit, split.select, split.report
    return found


def indices(parts: Parts) -> tuple[Tensor, Tensor, Tensor]:
    return parts.indices


def numbers(parts: Parts, name: str) -> Tensor:
    """Which rows a part truly holds, read back from its standardised x."""
    assert parts.margins is not None
    x = getattr(parts, name)[0] * parts.margins[0].std + parts.margins[0].mean
    return x[:, 0].round().long()


@pytest.mark.parametrize("how", ["random", "blocks"])
@pytest.mark.parametrize("folds", [1, 2, 5])
def test_parts_are_disjoint_and_hold_the_rows_they_name(folds: int, how: str) -> None:
    reported = []
    for parts in split(table(), folds, how):
        every = torch.cat(indices(parts))
        assert torch.equal(every.sort().values, torch.arange(N))
        for name, index in zip(("fit", "select", "report"), indices(parts), strict=True):
            assert torch.equal(numbers(parts, name), index)
        assert len(parts.report[0]) == pytest.approx(N * (0.1 if folds == 1 else 1 / folds), abs=1)
        reported.append(indices(parts)[2])
    if folds > 1:
        assert torch.equal(torch.cat(reported).sort().values, torch.arange(N))


def test_shares_of_one_split() -> None:
    (parts,) = split(table())
    assert [len(index) for index in indices(parts)] == [320, 40, 40]


@pytest.mark.parametrize("folds", [1, 3])
def test_standardisation_is_fitted_on_the_fit_rows_alone(folds: int) -> None:
    """Whatever stands in the other rows, the scales and the fit rows stay as they are."""
    rows = table()
    for k, parts in enumerate(split(rows, folds, "blocks")):
        fit, select, report = indices(parts)
        assert torch.allclose(parts.fit[0].mean(0), torch.zeros(2), atol=1e-4)
        assert torch.allclose(parts.fit[0].std(0, correction=0), torch.ones(2), atol=1e-4)
        poisoned = table()
        for index, value in ((select, 1e9), (report, -1e9)):
            poisoned.x[index] += value * torch.rand(len(index), 2)
            poisoned.z[index] += value
        again = split(poisoned, folds, "blocks")[k]
        assert torch.equal(indices(again)[0], fit)
        for side in (0, 1):
            assert torch.equal(again.fit[side], parts.fit[side])
        assert parts.margins is not None
        assert again.margins is not None
        for old, new in zip(parts.margins, again.margins, strict=True):
            assert torch.equal(old.mean, new.mean)
            assert torch.equal(old.std, new.std)


def test_one_hot_codes_stay_as_they_are() -> None:
    rows = table()
    rows.z = torch.nn.functional.one_hot(torch.arange(N) % 4, 4).float()
    rows.z_categorical = True
    (parts,) = split(rows)
    assert torch.equal(parts.report[1], rows.z[indices(parts)[2]])


def test_the_seed_decides_the_split_and_nothing_else_does() -> None:
    first, again, other = split(table()), split(table()), split(table(), seed=1)
    assert torch.equal(indices(first[0])[2], indices(again[0])[2])
    assert not torch.equal(indices(first[0])[2], indices(other[0])[2])


@pytest.mark.parametrize("folds", [1, 4])
def test_copies_stay_together_at_random_and_draw_a_warning_in_blocks(folds: int) -> None:
    i = torch.arange(N) % 100
    twins = Rows(i[:, None].float(), i[:, None].float())
    (said,) = split_rows(twins, folds, "random", [0.8, 0.1, 0.1], 0)[1]
    assert said.startswith("300 rows are copies of others")
    for parts in split(twins, folds):
        assert all(
            not torch.isin(i[a], i[b]).any()
            for a, b in ((indices(parts)[0], indices(parts)[2]), indices(parts)[:2])
        )
    (line,) = split_rows(twins, folds, "blocks", [0.8, 0.1, 0.1], 0)[1]
    assert "identical twin" in line
    assert "split=blocks" in line


@pytest.mark.parametrize("levels", [2, 9])
def test_repeats_of_discrete_values_are_split_like_all_rows(levels: int) -> None:
    """Each cell of the table has rows in each part."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(levels, (40 * levels**2, 1), generator=generator).float()
    z = torch.where(torch.rand(x.shape, generator=generator) < 0.5, x, x.roll(1, 0))
    splits, warnings = split_rows(Rows(x, z), 1, "random", [0.6, 0.2, 0.2], 0)
    assert warnings == []
    for part in (splits[0].fit, splits[0].select, splits[0].report):
        assert len(x[part].unique()) == levels


def test_groups_stay_together() -> None:
    groups = torch.arange(N) // 8
    for parts in split(table(groups=groups), 3, "groups:person"):
        fit, select, report = (set(groups[index].tolist()) for index in indices(parts))
        assert not fit & select
        assert not fit & report
        assert not select & report


def test_a_law_gives_fresh_draws_to_all_three() -> None:
    law = Gaussian(dim=3, rho=0.5)
    parts = of_law(law, 50, 70, seed=0, device=CPU)
    assert len(parts.select[0]) == 50
    assert len(parts.report[1]) == 70
    assert not torch.isin(parts.select[0], parts.report[0]).any()
    again, other = (of_law(law, 50, 70, seed=seed, device=CPU) for seed in (0, 1))
    assert torch.equal(again.report[0], parts.report[0])
    assert not torch.isin(other.report[0], parts.report[0]).any()
    longer = of_law(law, 60, 70, seed=0, device=CPU)
    assert torch.equal(longer.report[0], parts.report[0])


class Scaled:
    """A law in units of its own: a Gaussian, far from 0 and wide, or narrow."""

    def __init__(self, scale: float, shift: float) -> None:
        self.scale, self.shift, self.law = scale, shift, Gaussian(dim=2, rho=0.5)

    def sample(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        x, z = self.law.sample(n, generator)
        return self.shift + self.scale * x, z


@pytest.mark.parametrize("kind", ["standard", "rank"])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-3, 5.0), (1e4, -1e5)])
def test_fresh_draws_are_seen_on_margins_whatever_their_units(
    kind: str, scale: float, shift: float
) -> None:
    """All parts and all batches, with the information left as it is: the map rises."""
    law = Scaled(scale, shift)
    parts = of_law(law, 500, 700, seed=0, device=CPU, kind=kind)
    assert parts.kind == kind
    assert parts.law is not None
    assert parts.margins is not None
    batch = parts.law.sample(4000, torch.Generator().manual_seed(1))
    for x, _ in (parts.select, parts.report, batch):
        assert x.mean(0).abs().max() < 0.15
        assert (x.std(0) - 1).abs().max() < 0.15
    drawn, _ = law.sample(4000, torch.Generator().manual_seed(1))
    assert torch.equal(batch[0], parts.margins[0](drawn))
    rising = batch[0].gather(0, drawn.argsort(0))
    assert (rising.diff(dim=0) >= 0).all()


def test_report_rows_know_their_group_or_twins_or_neighbours() -> None:
    groups = torch.arange(N) // 8
    for parts in split(table(groups=groups), 3, "groups:person"):
        assert parts.whole
        assert torch.equal(parts.clusters, groups[indices(parts)[2]])
    i = (torch.arange(N) % 100)[:, None].float()
    (parts,) = split(Rows(i, i))
    report = indices(parts)[2]
    assert parts.whole
    same = parts.clusters[:, None] == parts.clusters
    assert torch.equal(same, i[report] == i[report].T)
    (series,) = split(table(), how="blocks")
    assert not series.whole
    assert series.clusters.unique(return_counts=True)[1].tolist() == [20, 20]
    (alone,) = split(table())
    assert alone.clusters is None
    assert not alone.whole


class Pictures:
    """Large images, of which few fit into the memory; tells how many were asked for."""

    def __init__(self, side: int) -> None:
        self.side, self.asked = side, 0

    def sample(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        self.asked = max(self.asked, n)
        x = torch.randn(n, 3, self.side, self.side, generator=generator)
        return x, x[:, :, 0, 0]


@pytest.mark.parametrize(("side", "most"), [(8, 10_000), (128, 210), (400, 100)])
def test_margins_of_large_images_are_fitted_to_fewer_draws(side: int, most: int) -> None:
    law = Pictures(side)
    of_law(law, 5, 5, seed=0, device=CPU)
    assert most * 0.95 <= law.asked <= most
