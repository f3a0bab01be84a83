"""The comparison of the arms: both in the same axes, on the same data, with honest means."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from mine_cli.figures import compare_generators, style
from mine_cli.figures.gan.comparison import colours_of
from mine_cli.figures.gan.run import percent, score
from mine_cli.results.files import read_json, write_json
from tests.gan_folders import GRID, images_run, points_run

SHORT = (1000, 2000)


@pytest.fixture
def sweep(tmp_path: Path) -> list[Path]:
    """Two arms of two seeds each."""
    arms = [(0.0, 0, 17), (0.0, 1, 18), (1.0, 0, 25), (1.0, 1, 25)]
    return [
        points_run(tmp_path / f"{beta}_{seed}", beta, seed, modes, steps=SHORT)
        for beta, seed, modes in arms
    ]


def legend(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.filterwarnings("error")
def test_the_picture_is_a_file(tmp_path: Path, sweep: list[Path]) -> None:
    path = compare_generators(tmp_path)
    assert path == tmp_path / "compare.png"
    assert imread(path).std() > 0.05


def test_data_and_arms_side_by_side(tmp_path: Path, sweep: list[Path], kept: list[Figure]) -> None:
    compare_generators(tmp_path)
    data, baseline, mine = kept[0].axes[:3]
    found = read_json(sweep[2] / "result.json")["metrics"]
    assert data.get_title(loc="left") == "data"
    assert baseline.get_title(loc="left").startswith("GAN (beta = 0), seed 0\n17 of 25 modes, ")
    assert mine.get_title(loc="left") == (
        f"GAN + MINE (beta = 1), seed 0\n25 of 25 modes, KL {score(found['kl'])}, "
        f"high quality {percent(found['high_quality'])}"
    )
    norms = {axes.get_images()[0].norm for axes in (data, baseline, mine)}
    assert len(norms) == 1


def test_scores_of_all_runs_in_the_same_axes(
    tmp_path: Path, sweep: list[Path], kept: list[Figure]
) -> None:
    compare_generators(tmp_path)
    modes, kl, quality, estimate = kept[0].axes[-4:]
    final = [read_json(folder / "result.json")["metrics"] for folder in sweep]
    low, high = sorted(score(run["kl"]) for run in final[:2])
    mean = score((final[0]["kl"] + final[1]["kl"]) / 2)
    assert legend(kl)[0] == f"GAN (beta = 0): mean KL {mean} ({low} to {high}), 2 seeds"
    assert legend(modes) == [
        "GAN (beta = 0): mean 17.5 modes (17 to 18), 2 seeds",
        "GAN + MINE (beta = 1): mean 25 modes, 2 seeds",
    ]
    # Of each arm two seeds and their mean, then the level of all modes.
    ends = [line.get_ydata()[-1] for line in modes.lines]
    assert ends == [17, 18, 17.5, 25, 25, 25, 25]
    colours = [line.get_color() for line in modes.lines[:6]]
    assert colours == [style.ORANGE] * 3 + [style.BLUE] * 3
    assert kl.get_yscale() == "log"
    assert legend(quality)[1].startswith("GAN + MINE (beta = 1): mean ")
    assert legend(estimate) == ["GAN (beta = 0)", "GAN + MINE (beta = 1)"]


def test_a_strip_shows_how_both_arms_got_there(
    tmp_path: Path, sweep: list[Path], kept: list[Figure]
) -> None:
    compare_generators(tmp_path)
    titles = [axes.get_title(loc="left") for axes in kept[0].axes]
    for name in ("GAN (beta = 0)", "GAN + MINE (beta = 1)"):
        start = titles.index(f"{name}, seed 0\nstep 1,000")
        assert titles[start + 1 : start + 3] == ["step 2,000", ""]


def test_scores_that_were_not_logged_have_no_panel(tmp_path: Path, kept: list[Figure]) -> None:
    for beta in (0, 1):
        images_run(tmp_path / str(beta), beta)
        path = tmp_path / str(beta) / "metrics.csv"
        rows = [row.split(",") for row in path.read_text().splitlines()]
        gone = [i for i, tag in enumerate(rows[0]) if tag == "mi/estimate"]
        path.write_text(
            "\n".join(",".join(v for i, v in enumerate(r) if i not in gone) for r in rows)
        )
    compare_generators(tmp_path)
    titles = [axes.get_title(loc="left") for axes in kept[0].axes[-2:]]
    assert titles == ["Modes: more is better", "KL: lower is better"]


def test_a_diverged_run_is_told_and_not_averaged(
    tmp_path: Path, sweep: list[Path], kept: list[Figure]
) -> None:
    points_run(tmp_path / "lost", 0.0, 2, modes=3, steps=(1000,), status="diverged")
    compare_generators(tmp_path)
    said = legend(kept[0].axes[-4])[0]
    assert said == "GAN (beta = 0): mean 17.5 modes (17 to 18), 2 seeds, 1 more diverged"


def test_images_are_compared_in_grids(tmp_path: Path, kept: list[Figure]) -> None:
    for beta in (0, 1):
        images_run(tmp_path / str(beta), beta, kinds=4 if beta == 0 else 10)
    compare_generators(tmp_path)
    grids = [axes.get_images()[0].get_array() for axes in kept[0].axes[:3]]
    assert len({grid.shape for grid in grids}) == 1
    assert "64 of 1,000 modes" in kept[0].axes[1].get_title(loc="left")


def test_another_seed_of_the_data_is_the_same_data(tmp_path: Path, kept: list[Figure]) -> None:
    for seed in (0, 1):
        points_run(tmp_path / str(seed), seed=seed, steps=SHORT, dataset=GRID | {"seed": seed})
    compare_generators(tmp_path)
    assert len(kept) == 1


@pytest.mark.parametrize("status", [None, "running"])
def test_a_run_that_has_not_ended_is_left_out(
    tmp_path: Path, sweep: list[Path], kept: list[Figure], status: str | None
) -> None:
    unfinished = points_run(tmp_path / "unfinished", 0.5, steps=(1000,))
    if status is None:
        (unfinished / "result.json").unlink()
    else:
        result = read_json(unfinished / "result.json") | {"status": status}
        write_json(unfinished / "result.json", result)
    compare_generators(tmp_path)
    assert len(legend(kept[0].axes[-4])) == 2
    for folder in sweep:
        shutil.rmtree(folder)
    assert compare_generators(tmp_path) is None


def test_nothing_is_compared_with_nothing(tmp_path: Path) -> None:
    assert compare_generators(tmp_path) is None


def test_the_arms_of_the_paper_keep_their_colours() -> None:
    assert colours_of([0.0, 1.0]) == {0.0: style.ORANGE, 1.0: style.BLUE}
    assert colours_of([0.1]) == {0.1: style.BLUE}
    several = colours_of([0.0, 0.1, 1.0, 10.0])
    assert several[1.0] == style.BLUE
    assert len(set(several.values())) == 4
