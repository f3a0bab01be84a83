"""The picture of a sweep: estimates on the line of truth, what is not ok marked, axes that fit."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev

import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import imread

from mine_cli import figures
from mine_cli.figures import style
from mine_cli.figures.sweep.series import AT_LEAST
from mine_cli.results.files import read_json
from mine_cli.results.ledger import Ledger
from tests.bottleneck_folders import bottleneck_run
from tests.gan_folders import points_run
from tests.sweep_folders import (
    Arms,
    estimated,
    finish,
    gaussian_sweep,
    jobs_of,
    sweep_folder,
    truth_of,
)

BOUNDS = ["mine", "mine_f", "infonce"]
RHOS = [round(k / 14, 2) for k in range(1, 14)]
SEEDS = [0, 1, 2]


def gathered(path: Path, grid: Arms, ended: Mapping[int, str] | None = None) -> Path:
    """A sweep with its results.csv."""
    sweep = gaussian_sweep(path, grid, ended)
    Ledger(sweep).write()
    return sweep


def drawn(axes: Axes) -> list[ErrorbarContainer]:
    """The series of the axes."""
    return [found for found in axes.containers if isinstance(found, ErrorbarContainer)]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def signs(axes: Axes, marker: str, size: float) -> list[tuple[float, float]]:
    """Where a sign of this size stands: x in the units of the axis."""
    lines = [line for line in axes.lines if line.get_markersize() == size]
    alone = [line for line in lines if len(line.get_xdata()) == 1 and line.get_marker() == marker]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in alone]


@pytest.mark.filterwarnings("error")
def test_three_bounds_over_thirteen_correlations_are_a_file(tmp_path: Path) -> None:
    ended = {3: "failed", 38: "diverged", 77: "high_variance", 116: "at_ceiling", 80: "pending"}
    grid = {"bound": BOUNDS, "dataset.rho": RHOS, "seed": SEEDS}
    sweep = gathered(tmp_path / "sweep", grid, ended)
    assert figures.compare_jobs(sweep) == sweep / "sweep.png"
    assert imread(sweep / "sweep.png").std() > 0.05


def test_estimates_stand_over_the_truth_and_errors_below(
    tmp_path: Path, kept: list[Figure]
) -> None:
    grid = {"bound": BOUNDS, "dataset.rho": RHOS, "seed": SEEDS}
    figures.compare_jobs(gathered(tmp_path / "sweep", grid))
    above, below = kept[0].axes
    assert (len(drawn(above)), len(drawn(below))) == (3, 3)
    truths = [truth_of(rho) for rho in RHOS]
    line = above.lines[0]
    assert list(line.get_xdata()) == list(line.get_ydata()) == [truths[0], truths[-1]]
    results = [estimated(job) for job in jobs_of(grid)]
    last = [result["estimate"] for result in results[-3:]]
    infonce = drawn(above)[2].lines[0]
    assert list(infonce.get_xdata()) == pytest.approx(truths)
    assert infonce.get_ydata()[-1] == pytest.approx(mean(last))
    [bars] = drawn(above)[2].lines[2]
    low, high = bars.get_segments()[-1][:, 1]
    own = results[-1]["standard_error"]
    assert high - low == pytest.approx(4 * max(stdev(last), own) / 3**0.5)
    assert legend(kept[0])[-1] == (
        "two standard errors over seeds,\nor by the jobs' own where that is more"
    )
    errors = drawn(below)[2].lines[0].get_ydata()
    assert errors[-1] == pytest.approx(mean(last) - truths[-1])
    assert above.get_xlim()[0] < truths[0] < truths[-1] < above.get_xlim()[1]
    assert above.get_ylim()[1] > truths[-1]


def test_a_bound_has_a_colour_and_a_marker(tmp_path: Path, kept: list[Figure]) -> None:
    figures.compare_jobs(gathered(tmp_path / "sweep", {"bound": BOUNDS, "dataset.rho": RHOS}))
    lines = [container.lines[0] for container in drawn(kept[0].axes[0])]
    assert [line.get_color() for line in lines] == [style.BLUE, style.ORANGE, style.GREEN]
    assert len({line.get_marker() for line in lines}) == 3
    assert legend(kept[0]) == [
        "bound=mine", "bound=mine_f", "bound=infonce", "estimate = truth",
        "two standard errors of each estimate",
    ]  # fmt: skip


def test_statuses_are_marked_and_explained(tmp_path: Path, kept: list[Figure]) -> None:
    grid = {"bound": ["mine", "dv"], "dataset.rho": [0.3, 0.6, 0.9]}
    ended = {1: "high_variance", 2: "at_ceiling", 4: "failed", 5: "diverged"}
    sweep = gathered(tmp_path / "sweep", grid, ended)
    figures.compare_jobs(sweep)
    assert legend(kept[0])[-4:] == [
        "high_variance: 1 of 6 jobs", "at_ceiling: 1 of 6 jobs", "diverged: 1 of 6 jobs",
        "failed: 1 of 6 jobs",
    ]  # fmt: skip
    above, below = kept[0].axes
    estimate = read_json(sweep / "1" / "result.json")["estimate"]
    assert signs(above, "o", 10) == [(truth_of(0.6), estimate)]
    assert len(signs(above, "s", 10)) == len(signs(below, "s", 10)) == 1
    # The truth of a failed job is that of another with the same data.
    assert [x for x, _ in signs(above, "+", 7)] == [truth_of(0.6)]
    assert [x for x, _ in signs(above, "x", 7)] == [truth_of(0.9)]
    assert signs(below, "x", 7) == []


def test_nothing_stands_beside_its_truth_and_all_is_seen(
    tmp_path: Path, kept: list[Figure]
) -> None:
    grid = {"bound": BOUNDS, "dataset.rho": RHOS}
    figures.compare_jobs(gathered(tmp_path / "sweep", grid, {12: "failed", 25: "failed"}))
    above, below = kept[0].axes
    for axes in (above, below):
        lines = [found.lines[0] for found in drawn(axes)]
        for line in lines:
            at = line.get_transform().transform(line.get_xydata())
            assert at == pytest.approx(axes.transData.transform(line.get_xydata()))
        sizes = [line.get_markersize() for line in lines]
        assert sizes == sorted(set(sizes), reverse=True)  # what is drawn later hides none
    assert len(signs(above, "+", 11)) == len(signs(above, "+", 9)) == 1


def test_what_else_moves_the_truth_has_its_own_axes(tmp_path: Path, kept: list[Figure]) -> None:
    grid = {"bound": BOUNDS, "dataset.dim": [2, 20], "dataset.rho": RHOS}
    figures.compare_jobs(gathered(tmp_path / "sweep", grid))
    titles = [axes.get_title(loc="left") for axes in kept[0].axes]
    assert titles == ["dataset.dim=2", "dataset.dim=20", "", ""]
    assert legend(kept[0])[:3] == ["bound=mine", "bound=mine_f", "bound=infonce"]
    wide = gathered(tmp_path / "wide", {"dataset.dim": list(range(1, 6)), "dataset.rho": RHOS})
    figures.compare_jobs(wide)  # too many axes: series in one
    assert len(kept[1].axes) == 2
    assert legend(kept[1])[:2] == ["dataset.dim=1", "dataset.dim=2"]


def test_data_of_unknown_truth_have_no_axes(tmp_path: Path, kept: list[Figure]) -> None:
    grid = {"dataset.dim": [2, 5, 20], "dataset.rho": [0.3, 0.5, 0.7, 0.9]}
    figures.compare_jobs(
        gathered(tmp_path / "sweep", grid, dict.fromkeys(range(8, 12), "pending"))
    )
    assert [axes.get_title(loc="left") for axes in kept[0].axes[:2]] == [
        "dataset.dim=2", "dataset.dim=5",
    ]  # fmt: skip
    assert "pending: 4 of 12 jobs" in legend(kept[0])


def test_two_settings_are_told_by_colour_and_by_marker(tmp_path: Path, kept: list[Figure]) -> None:
    grid = {"bound": BOUNDS, "network": ["mlp", "separable"], "dataset.rho": RHOS}
    figures.compare_jobs(gathered(tmp_path / "sweep", grid))
    lines = [container.lines[0] for container in drawn(kept[0].axes[0])]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 6
    assert len({line.get_color() for line in lines}) == 3
    assert legend(kept[0])[:5] == [
        "bound=mine", "bound=mine_f", "bound=infonce", "network=mlp", "network=separable",
    ]  # fmt: skip


def test_many_series_have_a_scale_of_colours(tmp_path: Path, kept: list[Figure]) -> None:
    grid = {"trainer.lr": [0.001 * k for k in range(1, 13)], "dataset.rho": RHOS}
    figures.compare_jobs(gathered(tmp_path / "sweep", grid))
    colours = {container.lines[0].get_color() for container in drawn(kept[0].axes[0])}
    assert len(colours) == 12


def test_a_number_is_an_axis(tmp_path: Path, kept: list[Figure]) -> None:
    grid = {"bound": BOUNDS, "trainer.lr": [1e-2, 1e-4, 1e-3], "seed": SEEDS}
    figures.compare_jobs(gathered(tmp_path / "sweep", grid))
    [axes] = kept[0].axes
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.0001", "0.001", "0.01"]
    assert list(drawn(axes)[0].lines[0].get_xdata()) == [1e-4, 1e-3, 1e-2]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("trainer.lr", "estimate (nats)")
    assert axes.lines[0].get_ydata() == pytest.approx([truth_of(0.8)] * 2)
    low, high = axes.get_ylim()
    assert all(low < y < high for found in drawn(axes) for y in found.lines[0].get_ydata())
    figures.compare_jobs(gathered(tmp_path / "near", {"trainer.steps": [100, 200, 300]}))
    assert kept[1].axes[0].get_xscale() == "linear"


def test_names_are_labels(tmp_path: Path, kept: list[Figure]) -> None:
    grid = {"bound": BOUNDS, "network": ["mlp", "separable"], "seed": SEEDS}
    figures.compare_jobs(gathered(tmp_path / "sweep", grid, dict.fromkeys(range(6), "pending")))
    [axes] = kept[0].axes
    assert [text.get_text() for text in axes.get_xticklabels()] == BOUNDS
    assert drawn(axes)[0].lines[0].get_linestyle() == "None"
    assert list(drawn(axes)[0].lines[0].get_xdata()) == [1, 2]
    assert [x for x, _ in signs(axes, "2", 7)] == [0, 0]


def test_seeds_alone_stand_side_by_side(tmp_path: Path, kept: list[Figure]) -> None:
    figures.compare_jobs(gathered(tmp_path / "sweep", {"seed": SEEDS}))
    [axes] = kept[0].axes
    assert axes.get_xlabel() == "seed"
    assert drawn(axes)[0].lines[0].get_linestyle() == "None"


def test_trials_that_a_search_repeats_are_no_seeds(tmp_path: Path, kept: list[Figure]) -> None:
    jobs = jobs_of({"trainer.lr": [0.1, 0.01]})
    sweep = sweep_folder(tmp_path / "sweep", [*jobs, jobs[0]])
    for number in range(3):
        finish(sweep / str(number), **(estimated({}) | {"seed": 0}))
    Ledger(sweep).write()
    figures.compare_jobs(sweep)
    assert kept[0].get_suptitle().endswith("one job each")
    assert "two standard errors of each estimate" in legend(kept[0])


def test_bits(tmp_path: Path, kept: list[Figure]) -> None:
    figures.compare_jobs(gathered(tmp_path / "sweep", {"dataset.rho": RHOS}), "bits")
    above, below = kept[0].axes
    assert above.lines[0].get_xdata()[1] == pytest.approx(truth_of(RHOS[-1]) / 0.6931472)
    assert above.get_ylabel() == "estimate (bits)"
    assert below.get_xlabel() == "true mutual information (bits)"


def test_generators_are_judged_by_their_scores(tmp_path: Path, kept: list[Figure]) -> None:
    betas = [0, 0.01, 0.1, 1]
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"task.beta": betas}))
    for number, beta in enumerate(betas):
        status = "collapsed" if number == 0 else "ok"
        points_run(sweep / str(number), beta, 0, 20, steps=(1000,), status=status)
    Ledger(sweep).write()
    figures.compare_jobs(sweep)
    labels = [axes.get_ylabel() for axes in kept[0].axes]
    assert labels == ["KL (nats)", "modes", "high quality (%)"]
    assert kept[0].axes[0].get_xscale() == "symlog"
    assert ticks_shown(kept[0].axes[1]) == [19, 20, 21]
    assert legend(kept[0]) == ["collapsed: 1 of 4 jobs"]


def test_modes_are_whole_numbers(tmp_path: Path, kept: list[Figure]) -> None:
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"task.beta": [0, 0.1, 1]}))
    for number, modes in enumerate((11, 12, 12)):
        points_run(sweep / str(number), (0, 0.1, 1)[number], 0, modes, steps=(1000,))
    Ledger(sweep).write()
    figures.compare_jobs(sweep)
    assert ticks_shown(kept[0].axes[1]) == [11, 12]


def ticks_shown(axes: Axes) -> list[float]:
    """Those within the axes' limits."""
    low, high = axes.get_ylim()
    return [tick for tick in axes.get_yticks() if low <= tick <= high]


def test_a_value_far_off_is_an_arrow(tmp_path: Path, kept: list[Figure]) -> None:
    betas = [0.001, 0.01, 0.1]
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"method.beta": betas}))
    for number, beta in enumerate(betas):
        lost = {"status": "outrun", "metrics": {"i_xz_term": -2e7}} if number == 1 else {}
        bottleneck_run(sweep / str(number), "mine_gaussian", beta, steps=(0, 600), **lost)
    Ledger(sweep).write()
    figures.compare_jobs(sweep)
    axes = kept[0].axes[1]
    assert axes.get_ylabel() == "I(X;Z) by the term (nats)"
    assert signs(axes, "v", 7) == [(0.01, 0.0)]
    assert [text.get_text() for text in axes.texts] == ["-2e+07"]
    low, high = axes.get_ylim()
    assert -high < low < 0  # with the line at 0, and no more


def test_what_is_only_known_to_be_exceeded_has_a_sign(tmp_path: Path, kept: list[Figure]) -> None:
    betas = [0.001, 0.01, 0.1]
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"method.beta": betas}))
    for number, (beta, upper) in enumerate(zip(betas, (117.0, 9.5, 6.1), strict=True)):
        metrics = {"i_xz_reference": 9.2 - beta, "i_xz_reference_upper": upper}
        bottleneck_run(sweep / str(number), "mine_gaussian", beta, steps=(600,), metrics=metrics)
    Ledger(sweep).write()
    figures.compare_jobs(sweep)
    by_term, by_law = kept[0].axes[1:]
    assert by_law.get_ylabel() == "I(X;Z) by the law (nats)"
    sign, size = AT_LEAST["marker"], AT_LEAST["markersize"]
    assert signs(by_law, sign, size) == [(0.001, 9.199)]
    assert signs(by_term, sign, size) == []
    assert "at its ceiling: so much or more" in legend(kept[0])


def test_nothing_to_compare_is_no_picture(tmp_path: Path) -> None:
    assert figures.compare_jobs(tmp_path) is None
    empty = gathered(tmp_path / "empty", {"bound": BOUNDS}, dict.fromkeys(range(3), "pending"))
    one = gathered(tmp_path / "one", {"bound": BOUNDS}, {0: "failed", 2: "diverged"})
    assert figures.compare_jobs(empty) is figures.compare_jobs(one) is None
    nothing = sweep_folder(tmp_path / "nothing", [], listed=False)
    Ledger(nothing).write()
    assert figures.compare_jobs(nothing) is None
