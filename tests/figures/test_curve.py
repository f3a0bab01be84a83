"""The estimate's curve: drawn from the files of a run alone, whatever these lack."""

import math
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from mine_cli.figures import curve, style
from mine_cli.results.files import write_json
from mine_cli.results.folder import RunFolder

RESULT: dict[str, Any] = {
    "status": "ok",
    "estimate": 1.0,
    "standard_error": 0.01,
    "true_mi": 1.02,
    "steps": 100,
    "dataset": {"_target_": "mine_cli.data.gaussian.Gaussian"},
    "network": "mlp",
    "bound": "mine",
}


def finished_run(path: Path, first: float = 0.0, **changes: object) -> Path:
    folder = RunFolder(path, tensorboard=False)
    for step in range(0, 101, 10):
        estimate = first if step == 0 else 1 - math.exp(-step / 20)
        folder.log(step, {"mi/estimate": estimate, "loss": 0.5})
    folder.close()
    write_json(folder.result_json, RESULT | changes)
    return path


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of each figure that is saved."""
    found: list[Any] = []
    save = style.save

    def keep(figure: Any, path: Path) -> Path:
        found.append(figure.axes[0])
        return save(figure, path)

    monkeypatch.setattr(style, "save", keep)
    return found


def labels(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_curve_shows_estimate_truth_and_interval(tmp_path: Path, drawn: list[Any]) -> None:
    path = curve(finished_run(tmp_path))
    assert path == tmp_path / "figures" / "curve.png"
    height, width, _ = imread(path).shape
    assert (width, height) == (1050, 630)
    [axes] = drawn
    assert sorted(labels(axes)) == [
        "during training (select rows)",
        "reported 1.000 ± 0.010 (report rows; bar: 2 SE)",
        "truth 1.020",
    ]
    assert axes.get_xlabel() == "optimisation step"
    assert axes.get_ylabel() == "mutual information (nats)"
    assert axes.get_title(loc="left") == "Gaussian, mlp, mine: ok"
    assert list(axes.lines[0].get_xdata()) == list(range(0, 101, 10))


def test_curve_shows_each_critic_faintly(tmp_path: Path, drawn: list[Any]) -> None:
    run = finished_run(tmp_path)
    table = (run / "metrics.csv").read_text().splitlines()
    wider = [f"{table[0]},critic/network_rank,critic/elliptical"]
    (run / "metrics.csv").write_text("\n".join([*wider, *(f"{row},0.7,0.9" for row in table[1:])]))
    curve(run)
    [axes] = drawn
    assert {"network, rank", "elliptical"} <= set(labels(axes))
    assert [line.get_color() for line in axes.lines[1:3]] == [style.GREY] * 2
    assert set(axes.lines[2].get_ydata()) == {0.9}


def test_curve_in_bits(tmp_path: Path, drawn: list[Any]) -> None:
    curve(finished_run(tmp_path), units="bits")
    assert drawn[0].get_ylabel() == "mutual information (bits)"
    assert drawn[0].lines[0].get_ydata()[-1] == pytest.approx((1 - math.exp(-5)) / math.log(2))
    assert f"truth {1.02 / math.log(2):.3f}" in labels(drawn[0])


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"true_mi": None}, "truth"),
        ({"standard_error": None}, "±"),
        ({"estimate": None, "status": "diverged"}, "reported"),
    ],
)
def test_curve_leaves_out_what_is_unknown(
    tmp_path: Path, drawn: list[Any], changes: dict[str, Any], absent: str
) -> None:
    curve(finished_run(tmp_path, **changes))
    assert absent not in " ".join(labels(drawn[0]))


def test_curve_of_a_run_that_logged_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "result.json", RESULT | {"estimate": None, "status": "diverged"})
    assert curve(tmp_path).stat().st_size > 0


def test_a_wild_start_does_not_flatten_the_curve(tmp_path: Path, drawn: list[Any]) -> None:
    curve(finished_run(tmp_path, first=-1e4))
    low, high = drawn[0].get_ylim()
    assert -1 < low < 0
    assert 1 < high < 2


def test_pictures_go_to_tensorboard_as_well(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    png = curve(finished_run(tmp_path))
    folder = RunFolder(tmp_path, resume_step=100)
    folder.picture("curve", png, 100)
    folder.close()
    found = EventAccumulator(str(tmp_path / "tb"))
    found.Reload()
    [image] = found.Images("curve")
    assert (image.width, image.height, image.step) == (1050, 630, 100)
