"""The table of a sweep: every arm in a row, honest means and intervals, mishaps named."""

import csv
import math
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import imread

from mine_cli import figures
from mine_cli.figures.infobottleneck.comparison import (
    information_in_words,
    measure_of,
    methods_of,
    nats,
    runs,
)
from mine_cli.figures.infobottleneck.run import BottleneckRun
from mine_cli.figures.run import Arm
from mine_cli.results.files import write_json
from mine_cli.results.ledger import Setting, counted
from tests.bottleneck_folders import bottleneck_run

LAST = (12_000,)
NOTHING = dict.fromkeys(("error", "error_averaged", "i_xz_term", "i_xz_reference", "i_zy"))


def sweep_of(path: Path, *arms: tuple[str, float], seeds: int = 2) -> Path:
    for method, beta in arms:
        for seed in range(seeds):
            bottleneck_run(path / f"{method}_{beta}_{seed}", method, beta, seed, steps=LAST)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def texts(figure: Figure) -> str:
    _, beside = figure.axes
    [table] = beside.tables
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    cells = [cell.get_text().get_text() for cell in table.get_celld().values()]
    return "\n".join([*cells, *legend])


# Methods


def test_groups_in_the_order_of_the_paper_and_of_beta(tmp_path: Path) -> None:
    arms = [("own", 1.0), ("mine_additive", 0.1), ("mine_additive", 1e-3), ("none", 0.0)]
    for method, beta in arms:
        arm = {"name": method, "beta": beta, "information": "none" if beta == 0 else "mine"}
        write_json(
            tmp_path / f"{method}{beta}" / "result.json",
            {"task": "infobottleneck", "status": "ok", "method": arm, "metrics": {}},
        )
    found = [method.runs[0].arm for method in methods_of(tmp_path)]
    assert found == ["none", "mine_additive, beta 0.001", "mine_additive, beta 0.1", "own, beta 1"]


@pytest.mark.parametrize("change", [{"status": "running"}, {"task": "gan"}])
def test_unfinished_runs_and_other_tasks_are_left_out(
    tmp_path: Path, change: dict[str, str]
) -> None:
    bottleneck_run(tmp_path / "0", steps=LAST, **change)
    assert methods_of(tmp_path) == []
    assert figures.compare_methods(tmp_path) is None
    assert list(tmp_path.glob("table.*")) == []


def test_statuses_are_counted(tmp_path: Path) -> None:
    for seed, status in enumerate(("ok", "outrun", "ok", "diverged")):
        bottleneck_run(tmp_path / str(seed), seed=seed, steps=LAST, status=status)
    [method] = methods_of(tmp_path)
    assert counted(method.jobs.rows) == "2 ok, 1 outrun, 1 diverged"
    assert runs(method) == "4 seeds, 1 outrun, 1 diverged"
    assert [len(method.jobs.numbered), len(method.sound.runs)] == [3, 2]


def test_the_measure_that_all_have(tmp_path: Path) -> None:
    gaussian, additive = methods_of(
        sweep_of(tmp_path, ("mine_gaussian", 1e-3), ("mine_additive", 1e-3))
    )
    assert measure_of([gaussian]).key == "i_xz_reference"
    assert measure_of([gaussian, additive]).key == "i_xz_term"
    assert measure_of([]) is None


# Table


@pytest.mark.filterwarnings("error")
def test_the_table_is_two_files(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, ("none", 0.0), ("mine_gaussian", 1e-3), ("mine_gaussian", 1e-2))
    assert figures.compare_methods(sweep) == sweep / "table.png"
    assert imread(sweep / "table.png").std() > 0.05
    rows = rows_of(sweep / "table.csv")
    assert [(row["method"], row["beta"], row["seeds"]) for row in rows] == [
        ("none", "0.0", "2"),
        ("mine_gaussian", "0.001", "2"),
        ("mine_gaussian", "0.01", "2"),
    ]
    assert [rows[0][key] for key in ("i_xz_term", "i_xz_reference", "kl")] == [""] * 3


def test_means_and_standard_errors_over_seeds(tmp_path: Path, kept: list[Figure]) -> None:
    sweep = sweep_of(tmp_path, ("vib", 1e-3), seeds=3)
    figures.compare_methods(sweep)
    found = [BottleneckRun.read(path) for path in sweep.glob("vib*")]
    values = [run.metric("error_averaged") for run in found]
    mean, error = fmean(values), stdev(values) / math.sqrt(3)
    [row] = rows_of(sweep / "table.csv")
    assert float(row["error_averaged"]) == pytest.approx(mean)
    assert float(row["error_averaged_se"]) == pytest.approx(error)
    binomial = math.sqrt(mean * (1 - mean) / 10_000)
    assert float(row["error_averaged_binomial_se"]) == pytest.approx(binomial)
    assert (row["statuses"], row["encoder"], row["samples"]) == ("3 ok", "Gaussian", "12.0")
    assert f"{100 * mean:.2f} ± {200 * error:.2f}" in texts(kept[0])
    bar = kept[0].axes[0].containers[1]
    low, high = bar.lines[2][0].get_segments()[0][:, 0]
    assert (low, high) == pytest.approx((100 * (mean - 2 * error), 100 * (mean + 2 * error)))
    assert bar.lines[2][0].get_linestyle() == [(0.0, None)]


def test_one_seed_has_the_binomial_interval_dashed(tmp_path: Path, kept: list[Figure]) -> None:
    sweep = sweep_of(tmp_path, ("none", 0.0), ("vib", 1e-3), seeds=1)
    figures.compare_methods(sweep)
    said = texts(kept[0])
    assert "one seed: ± 2 binomial standard errors of 10,000 test rows" in said
    assert "over seeds" not in said
    assert "12 samples, probabilities averaged" in said  # though the baseline needs but one
    bars = [bar for bar in kept[0].axes[0].containers if isinstance(bar, ErrorbarContainer)]
    assert len(bars) == 4
    assert all(bar.lines[2][0].get_linestyle()[0][1] for bar in bars)
    assert rows_of(sweep / "table.csv")[0]["error_se"] == ""


def test_mishaps_are_named(tmp_path: Path, kept: list[Figure]) -> None:
    sweep = sweep_of(tmp_path, ("none", 0.0), ("mine_additive", 1e-3))
    lost = {"error": 0.88, "error_averaged": 0.87, "i_xz_term": -2.1e7}
    add: dict[str, Any] = {"beta": 1e-3, "steps": LAST}
    bottleneck_run(sweep / "a", "mine_additive", seed=2, status="outrun", metrics=lost, **add)
    bottleneck_run(sweep / "b", "mine_additive", seed=3, status="diverged", metrics=NOTHING, **add)
    bottleneck_run(sweep / "c", "vib", seed=3, status="diverged", metrics=NOTHING, **add)
    figures.compare_methods(sweep)
    said = texts(kept[0])
    assert "4 seeds, 1 outrun, 1 diverged" in said
    assert "1 seed, 1 diverged" in said
    assert "mean beyond the axis" in said
    axes = kept[0].axes[0]
    assert axes.get_xlim()[1] < 2
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "none", "vib, beta 0.001", "mine_additive, beta 0.001",
    ]  # fmt: skip
    row = rows_of(sweep / "table.csv")[2]
    assert (row["seeds"], row["counted"]) == ("4", "3")
    assert float(row["error"]) > 0.29


def test_a_wide_range_of_errors_is_logarithmic(tmp_path: Path, kept: list[Figure]) -> None:
    figures.compare_methods(sweep_of(tmp_path, ("vib", 1e-3), ("vib", 0.1), ("vib", 1.0)))
    assert kept[0].axes[0].get_xscale() == "log"


def test_runs_without_a_number(tmp_path: Path, kept: list[Figure]) -> None:
    for seed in range(2):
        bottleneck_run(
            tmp_path / str(seed), steps=LAST, seed=seed, status="diverged", metrics=NOTHING
        )
    figures.compare_methods(tmp_path)
    assert "2 seeds, 2 diverged" in texts(kept[0])


@pytest.mark.parametrize(
    ("method", "beta", "said"),
    [
        ("none", 0.0, "infinite (deterministic)"),
        ("vib_additive", 1e-3, "at most 14.13 (KL)"),
        ("mine_gaussian", 1e-3, "7.11 to 8.31 (reference)"),
        ("mine_gaussian", 0.0, "≥ 9.17 (reference)"),
    ],
)
def test_the_information_says_how_it_is_known(
    tmp_path: Path, method: str, beta: float, said: str
) -> None:
    [method] = methods_of(sweep_of(tmp_path, (method, beta), seeds=1))
    assert information_in_words(method) == said


def test_the_term_of_an_outrun_run_is_no_information(tmp_path: Path) -> None:
    for seed, (status, term) in enumerate([("ok", 3.0), ("outrun", -2e7)]):
        metrics = {"i_xz_term": term}
        bottleneck_run(
            tmp_path / str(seed), "mine_additive", seed=seed, steps=LAST, status=status,
            metrics=metrics,
        )  # fmt: skip
    [method] = methods_of(tmp_path)
    assert information_in_words(method) == "3.00 (MI term)"
    alone = Arm(BottleneckRun, Setting({}, method.jobs.rows[1:]))
    assert information_in_words(alone) == "−20,000,000 (MI term)"
    assert nats(-3.456) == "−3.46"
