"""``task=infobottleneck`` made ready to run: which runs of a sweep stand in one table."""

from pathlib import Path
from typing import Any

import pytest

from mine_cli.results.files import read_json, write_json
from mine_cli.tasks.infobottleneck.experiment import gather
from tests.bottleneck_folders import bottleneck_run

LAST = (12_000,)


def changed(folder: Path, section: str, **settings: Any) -> None:
    path = folder / "result.json"
    result = read_json(path)
    write_json(path, result | {section: {**(result.get(section) or {}), **settings}})


def sweep_of(path: Path) -> Path:
    for method, beta in (("none", 0.0), ("mine_gaussian", 1e-3), ("mine_gaussian", 1e-2)):
        for seed in (0, 1):
            bottleneck_run(path / f"{method}_{beta}_{seed}", method, beta, seed, steps=LAST)
    return path


def test_runs_that_differ_in_method_beta_and_seed_are_gathered(tmp_path: Path) -> None:
    gather(sweep_of(tmp_path))
    assert {file.name for file in tmp_path.glob("*.*g")} == {"table.png", "plane.png"}


def test_jobs_that_end_at_once_are_not_in_one_anothers_way(
    tmp_path: Path, temporaries: list[str]
) -> None:
    sweep_of(tmp_path)
    temporaries.clear()
    gather(tmp_path)
    gather(tmp_path)
    assert len(set(temporaries)) == len(temporaries) == 8


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("trainer", {"lr": 5e-4}),
        ("dataset", {"name": "fashion_mnist"}),
        ("infobottleneck", {"statistics_steps": 2}),
        ("encoder", {"std": 2.0}),
        ("method", {"label_smoothing": 0.3}),
    ],
)
def test_runs_that_differ_in_more_are_not(
    section: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    sweep = sweep_of(tmp_path)
    changed(sweep / "mine_gaussian_0.001_1", section, **settings)
    gather(sweep)
    assert not list(sweep.glob("*.png"))


def test_where_a_run_lies_and_on_what_makes_no_difference(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path)
    changed(sweep / "none_0.0_0", "trainer", device="cuda")
    changed(sweep / "none_0.0_0", "dataset", data_dir="/elsewhere", seed=3)
    gather(sweep)
    assert (sweep / "table.png").exists()


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    gather(tmp_path)
    assert not list(tmp_path.iterdir())
