"""Sweeps over names: rows sorted by their values, and every letter as it is."""

from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure

from mine_cli import figures
from mine_cli.figures import style
from mine_cli.figures.sweep.ranking import shortened
from tests.sweep_folders import finish, jobs_of, record, sweep_folder

FILES = [f"/data/project/batch_{i % 5}/a rather long name of a file {i}.npz" for i in range(46)]


def swept(sweep: Path, key: str, values: list[str], estimates: list[float]) -> Path:
    sweep_folder(sweep, jobs_of({key: values}))
    for number, estimate in enumerate(estimates):
        finish(sweep / str(number), estimate=estimate, standard_error=0.03)
    return sweep


def drawn(figure: Figure) -> RendererAgg:
    """Draws all of a figure, at which a formula that is none would fail."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def test_many_long_names_are_rows_sorted_by_their_values(
    tmp_path: Path, kept: list[Figure]
) -> None:
    estimates = [(7 * i % 46) / 46 for i in range(46)]
    sweep = swept(tmp_path / "sweep", "dataset.path", FILES, estimates)
    record(sweep / "7", "failed", "no")
    (sweep / "7" / "result.json").unlink()
    assert figures.compare_jobs(sweep) == sweep / "sweep.png"
    (axes,) = kept[0].axes
    shown = [label.get_text() for label in axes.get_yticklabels()]
    known = [i for i in range(46) if i != 7]
    ranking = [7, *sorted(known, key=lambda i: estimates[i])]
    assert shown == [FILES[i].removeprefix("/data/project/") for i in ranking]
    places = [bar.lines[0].get_xydata()[0] for bar in axes.containers]
    assert sorted(tuple(place) for place in places) == [
        (pytest.approx(estimates[i]), row) for row, i in enumerate(ranking) if i != 7
    ]
    renderer = drawn(kept[0])
    boxes = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
    assert all(a.y1 <= b.y0 + 1 for a, b in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0


NAMES = ["price ($)", "$ per unit_$", "a_{b}^2 $x$", "größe", "{q}", "100 %", "ΔT (°C)", "\\alpha"]


@pytest.mark.parametrize("factor", [1, 12])
def test_names_are_drawn_as_they_are(factor: int, tmp_path: Path, kept: list[Figure]) -> None:
    """Level or in rows, at the axis, in the legend and in titles."""
    names = [name + "x" * (factor - 1) for name in NAMES]
    sweep = swept(tmp_path / "sweep", "dataset.x", names, [0.1 * i for i in range(len(names))])
    assert figures.compare_jobs(sweep) is not None
    (axes,) = kept[0].axes
    drawn(kept[0])
    labels = axes.get_xticklabels() if factor == 1 else axes.get_yticklabels()
    assert {label.get_text() for label in labels} == {style.literal(name) for name in names}
    both = tmp_path / "both"
    sweep_folder(both, jobs_of({"dataset.x": names[:3], "trainer.lr": ["1e-4", "1e-3"]}))
    for number in range(6):
        finish(both / str(number), estimate=0.1 * number)
    assert figures.compare_jobs(both) is not None
    drawn(kept[1])
    legend = [text.get_text() for text in kept[1].legends[0].get_texts()]
    assert legend[:3] == [style.literal(f"dataset.x={name}") for name in names[:3]]


@pytest.mark.parametrize(
    ("key", "values", "logarithmic"),
    [
        ("trainer.lr", ["1e-4", "5e-4"], True),
        ("trainer.weight_decay", ["0.01", "0.1"], True),
        ("dataset.rho", ["0.1", "0.5", "0.9"], False),
        ("dataset.n", ["100", "3000"], True),
        ("solar", ["1", "9"], False),
    ],
)
def test_rates_stand_on_a_logarithmic_axis(
    key: str, values: list[str], logarithmic: bool, tmp_path: Path, kept: list[Figure]
) -> None:
    sweep = swept(tmp_path / "sweep", key, values, [0.1 * i for i in range(len(values))])
    figures.compare_jobs(sweep)
    assert (kept[0].axes[0].get_xscale() == "log") == logarithmic


@pytest.mark.parametrize(("estimates", "there"), [([0.3, 1.0], True), ([16.0, 16.6], False)])
def test_no_information_is_in_view_where_it_is_near(
    estimates: list[float], there: bool, tmp_path: Path, kept: list[Figure]
) -> None:
    figures.compare_jobs(swept(tmp_path / "sweep", "bound", ["mine", "dv"], estimates))
    low, high = kept[0].axes[0].get_ylim()
    assert (low <= 0 <= high) == there


def test_a_name_that_is_too_long_loses_its_middle() -> None:
    assert shortened("short") == "short"
    cut = shortened("the beginning " + "x" * 100 + " the end")
    assert cut.startswith("the beginning")
    assert cut.endswith("the end")
    assert len(cut) < 70
