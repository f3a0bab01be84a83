"""What the jobs of a sweep are called."""

from itertools import product
from pathlib import Path

import pytest

from mine_cli.results.names import brief, job_names, short_keys, swept_of
from tests.sweep_folders import jobs_of, sweep_folder


def test_jobs_are_called_by_what_was_swept() -> None:
    every = [
        [f"bound={bound}", "trainer.steps=100", f"seed={seed}"]
        for bound, seed in product(("mine", "dv"), (0, 1))
    ]
    assert job_names(every) == [
        "bound=mine,seed=0", "bound=mine,seed=1", "bound=dv,seed=0", "bound=dv,seed=1",
    ]  # fmt: skip


def test_keys_go_by_their_last_word_where_that_tells_them_apart() -> None:
    assert short_keys(["dataset.rho", "seed"]) == {"dataset.rho": "rho", "seed": "seed"}
    both = ["dataset.seed", "seed", "trainer.lr"]
    assert list(short_keys(both).values()) == ["dataset.seed", "seed", "lr"]
    assert job_names([["+trainer.lr=1e-3"], ["+trainer.lr=1e-4"]]) == ["lr=1e-3", "lr=1e-4"]


def test_shared_folders_of_paths_are_left_out() -> None:
    paths = [f"/data/all/{day}/x.npz" for day in ("mon", "tue")]
    assert list(brief(paths).values()) == ["mon/x.npz", "tue/x.npz"]
    assert job_names([[f"dataset.path={path}"] for path in paths]) == [
        "path=mon-x.npz", "path=tue-x.npz",
    ]  # fmt: skip
    for values in (["a/b", "c"], ["/a/b", "a/b"], ["a/b"], ["mine", "dv"]):
        assert brief(values) == {value: value for value in values}


@pytest.mark.parametrize(
    "values",
    [
        ["price ($)", "price (€)", "größe", "a/b", "a\\b", "a\nb", ".", "..", "a:b*?<>|", " "],
        ["'[a,b]'", '"a=1"', "{x: 1}", "~", "身長", "x" * 300, "x" * 300 + "y", "ö" * 200],
        ["a/b", "a-b", "a b", "", "mine", "mine"],
    ],
)
def test_every_value_gives_a_folder_of_its_own(values: list[str], tmp_path: Path) -> None:
    """None leads elsewhere, none is longer than file systems allow, and no two are alike."""
    names = job_names([[f"dataset.x={value}", "seed=1"] for value in values])
    assert len(set(names)) == len(values)
    for name in names:
        (tmp_path / name).mkdir()
        assert (tmp_path / name).parent == tmp_path
        assert "\n" not in name
    assert len(list(tmp_path.iterdir())) == len(values)


def test_a_single_job_is_called_by_its_number() -> None:
    assert job_names([["bound=mine", "seed=0"]]) == ["0"]


def test_a_job_knows_what_was_swept_of_it(tmp_path: Path) -> None:
    jobs = jobs_of({"bound": ["mine", "dv"], "seed": [3]})
    sweep = sweep_folder(tmp_path / "sweep", jobs)
    assert swept_of(sweep / "1") == {"bound": "dv"}
    assert swept_of(sweep / "elsewhere") == {}
    assert swept_of(tmp_path) == {}
