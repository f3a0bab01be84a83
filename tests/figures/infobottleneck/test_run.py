"""The pictures of one task=infobottleneck run: learning, information plane, robustness."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from mine_cli import figures
from mine_cli.figures.infobottleneck.run import LOOKS, BottleneckRun, look_of
from mine_cli.results.files import write_json
from tests.bottleneck_folders import H_Y, STEPS, bottleneck_run

PICTURES = ("learning", "plane", "robustness")
FEW = (0, 600, 1200)


@pytest.fixture(scope="module")
def gaussian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bottleneck_run(tmp_path_factory.mktemp("gaussian"))


def picture(name: str) -> Callable[[Path], Path | None]:
    return getattr(figures, name)


def labels(axes: Axes) -> list[str]:
    return [str(label).replace("\n", " ") for label in axes.get_legend_handles_labels()[1]]


def rewrite(folder: Path, change: Callable[[dict[str, str]], None]) -> None:
    """Changes every row of metrics.csv."""
    path = folder / "metrics.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# All of them


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_a_file(gaussian: Path, name: str) -> None:
    path = picture(name)(gaussian)
    assert path == gaussian / "figures" / f"{name}.png"
    assert imread(path).std() > 0.05


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("result", [None, {"task": "infobottleneck", "status": "diverged"}])
def test_nothing_to_draw_is_no_picture(tmp_path: Path, name: str, result: dict | None) -> None:
    if result:
        write_json(tmp_path / "result.json", result)
    assert picture(name)(tmp_path) is None
    assert not (tmp_path / "figures").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("method", LOOKS)
def test_every_method_has_its_pictures(
    tmp_path: Path, kept: list[Figure], name: str, method: str
) -> None:
    picture(name)(bottleneck_run(tmp_path, method, steps=FEW))
    deterministic = not method.startswith(("vib", "mine"))
    assert len(kept) == (0 if deterministic and name == "plane" else 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["learning", "plane"])
def test_while_there_is_no_result(tmp_path: Path, kept: list[Figure], name: str) -> None:
    folder = bottleneck_run(tmp_path, steps=FEW)
    (folder / "result.json").unlink()
    picture(name)(folder)
    assert len(kept) == 1


@pytest.mark.parametrize("tag", ["ib/error", "mi/reference_upper", "mi/estimate", "mi/h_y"])
@pytest.mark.parametrize("name", PICTURES)
def test_a_column_may_be_missing(tmp_path: Path, kept: list[Figure], name: str, tag: str) -> None:
    picture(name)(bottleneck_run(tmp_path, steps=FEW, drop=(tag,)))
    assert len(kept) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
def test_infinities_are_left_out(tmp_path: Path, kept: list[Figure], name: str) -> None:
    folder = bottleneck_run(tmp_path, steps=FEW, status="diverged")

    def spoil(row: dict[str, str]) -> None:
        if row["step"] == "1200":
            row.update({"mi/estimate": "nan", "mi/reference_upper": "inf", "ib/error": "nan"})

    rewrite(folder, spoil)
    picture(name)(folder)
    assert len(kept) == 1


def test_runs_are_named() -> None:
    arm = {"name": "vib", "beta": 1e-3, "information": "kl"}
    run = BottleneckRun(Path(), {"method": arm, "seed": 3, "status": "ok"})
    assert run.name == "vib, beta 0.001, seed 3"
    assert BottleneckRun(Path(), {**run.result, "status": "outrun"}).name.endswith(", outrun")
    plain = {"name": "none", "beta": 1e-3, "information": "none"}
    assert BottleneckRun(Path(), {"method": plain, "status": "running"}).name == "none"
    assert BottleneckRun(Path(), {}).name == ""


def test_methods_are_told_apart_without_colour() -> None:
    assert len({(look.marker, look.line) for look in LOOKS.values()}) == len(LOOKS)
    assert look_of("a method of one's own") == look_of("another")


# Learning


def test_three_panels_over_the_steps(gaussian: Path, kept: list[Figure]) -> None:
    figures.learning(gaussian)
    error, entropy, information = kept[0].axes
    assert labels(error) == ["1 sample", "12 samples, probabilities averaged"]
    assert labels(entropy) == ["training batch", "held out, 1 sample"]
    assert labels(information) == [
        "MI term, training batch", "reference, lower end", "reference, both ends",
        "MI term, held out", "ceiling of the lower end, log 10,000 = 9.21",
    ]  # fmt: skip
    assert list(error.lines[0].get_xdata()) == list(STEPS)
    run = BottleneckRun.read(gaussian)
    assert error.lines[1].get_ydata()[-1] == pytest.approx(100 * run.metric("error_averaged"))
    assert error.get_yscale() == entropy.get_yscale() == "log"
    assert information.get_yscale() == "linear"
    assert information.get_ylabel() == "I(X;Z) (nats)"
    assert kept[0].get_suptitle().startswith("mine_gaussian, beta 0.001, seed 0: test error 1.")


def test_kl_stands_above_the_reference(tmp_path: Path, kept: list[Figure]) -> None:
    figures.learning(bottleneck_run(tmp_path, "vib"))
    information = kept[0].axes[2]
    assert "KL to N(0, I), an upper bound" in labels(information)
    kl = max(BottleneckRun.read(tmp_path).curve("mi/kl")[1])
    assert information.get_ylim()[1] > kl


def test_an_upper_end_without_limit_does_not_flatten_the_rest(
    tmp_path: Path, kept: list[Figure]
) -> None:
    folder = bottleneck_run(tmp_path, beta=0.0)
    assert max(BottleneckRun.read(folder).curve("mi/reference_upper")[1]) > 100
    figures.learning(folder)
    information = kept[0].axes[2]
    assert information.get_ylim()[1] < 30


def test_a_critic_that_was_outrun_stays_in_the_picture(tmp_path: Path, kept: list[Figure]) -> None:
    folder = bottleneck_run(tmp_path, status="outrun")

    def fall(row: dict[str, str]) -> None:
        if int(row["step"]) > 6000 and row["mi/estimate"]:
            row["mi/estimate"] = "-2e7"

    rewrite(folder, fall)
    figures.learning(folder)
    information = kept[0].axes[2]
    assert information.get_ylim()[0] < -2e7
    assert information.get_yscale() == "symlog"
    assert "logarithmic beyond 10" in information.get_ylabel()
    kept[0].draw_without_rendering()
    shown = [text.get_text() for text in information.get_yticklabels()]
    assert "−100,000" in shown
    assert "5" in shown


def test_a_deterministic_encoder_has_no_information_panel(
    tmp_path: Path, kept: list[Figure]
) -> None:
    figures.learning(bottleneck_run(tmp_path, "none", 0.0))
    assert len(kept[0].axes) == 2


# Information plane


def test_the_path_through_the_plane(gaussian: Path, kept: list[Figure]) -> None:
    figures.plane(gaussian)
    axes = kept[0].axes[0]
    run = BottleneckRun.read(gaussian)
    assert list(axes.lines[0].get_xdata()) == run.curve("mi/reference")[1]
    assert list(axes.lines[0].get_ydata()) == run.curve("mi/z_y")[1]
    assert list(axes.collections[0].get_array()) == list(STEPS)
    assert axes.get_xlabel() == "I(X;Z) (nats; critic-free reference, lower end)"
    assert axes.get_ylabel() == "I(Z;Y), lower bound (nats)"
    assert [text.get_text() for text in axes.texts] == [f"H(Y) = {H_Y:.2f}"]
    assert axes.get_ylim()[1] > H_Y


def test_one_evaluation_is_no_path(tmp_path: Path, kept: list[Figure]) -> None:
    folder = bottleneck_run(tmp_path, steps=(0,))
    assert figures.plane(folder) is None
    figures.learning(folder)
    kept[0].draw_without_rendering()
    assert [text.get_text() for text in kept[0].axes[-1].get_xticklabels()].count("0") == 1


@pytest.mark.parametrize(
    ("method", "dropped", "words"),
    [
        ("mine_additive", (), "held-out MI term"),
        ("vib_additive", (), "KL, an upper bound"),
        ("mine_gaussian", ("mi/reference",), "held-out MI term"),
    ],
)
def test_the_best_known_measure_is_drawn_and_named(
    tmp_path: Path, kept: list[Figure], method: str, dropped: tuple[str, ...], words: str
) -> None:
    figures.plane(bottleneck_run(tmp_path, method, steps=FEW, drop=dropped))
    assert kept[0].axes[0].get_xlabel() == f"I(X;Z) (nats; {words})"


def test_points_outside_the_frame_are_counted(tmp_path: Path, kept: list[Figure]) -> None:
    folder = bottleneck_run(tmp_path, "mine_additive")

    def fall(row: dict[str, str]) -> None:
        if int(row["step"]) > 11_000 and row["mi/estimate"]:
            row["mi/estimate"] = "-3700"

    rewrite(folder, fall)
    figures.plane(folder)
    axes = kept[0].axes[0]
    assert axes.get_xlabel().endswith("\n2 of 21 points lie outside the frame")
    assert axes.get_xlim()[0] > -10


# Robustness


def test_errors_under_noise_and_attack(gaussian: Path, kept: list[Figure]) -> None:
    figures.robustness(gaussian)
    noise, attack = kept[0].axes
    run = BottleneckRun.read(gaussian)
    drawn = noise.containers[0].lines[0]
    assert list(drawn.get_xdata()) == [0.0, 0.1, 0.3, 0.5]
    expected = [100 * error for error in run.strengths("noise_errors").values()]
    assert list(drawn.get_ydata()) == pytest.approx(expected)
    assert labels(noise) == [
        f"all, untouched: {100 * run.metric('error_averaged'):.2f} %",
        "1,000 test rows, ± 2 binomial standard errors",
    ]
    assert attack.get_xlabel() == "largest change of an input (inputs' own scale)"
    [bars] = noise.containers[0].lines[2]
    low, high = bars.get_segments()[-1][:, 1]
    p = expected[-1] / 100
    assert high - low == pytest.approx(400 * math.sqrt(p * (1 - p) / 1000))


@pytest.mark.parametrize("value", [None, {}, {"0.1": None}])
def test_one_of_two_attacks(tmp_path: Path, kept: list[Figure], value: Any) -> None:
    folder = bottleneck_run(tmp_path, steps=FEW, metrics={"fgsm_errors": value})
    figures.robustness(folder)
    assert [axes.get_title(loc="left") for axes in kept[0].axes] == [
        "Gaussian noise on the inputs"
    ]


def test_strengths_are_numbers_in_order(tmp_path: Path) -> None:
    errors = {"10": 0.5, "9": 0.4, "1e-1": 0.1}
    folder = bottleneck_run(tmp_path, steps=FEW, metrics={"noise_errors": errors})
    assert list(BottleneckRun.read(folder).strengths("noise_errors")) == [0.1, 9.0, 10.0]
