"""The information plane over beta, and the labels of its points."""

from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from mine_cli import figures
from mine_cli.figures import style
from tests.bottleneck_folders import H_Y, bottleneck_run
from tests.figures.infobottleneck.test_comparison import LAST, rows_of, sweep_of

BETAS = (1e-3, 1e-2, 1e-1)


def written(axes: Axes) -> list[Annotation]:
    """The labels of points."""
    return [text for text in axes.texts if isinstance(text, Annotation) and text.get_text()]


@pytest.mark.filterwarnings("error")
def test_the_plane_is_two_files(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, *(("mine_gaussian", beta) for beta in BETAS), seeds=3)
    assert figures.plane_of_sweep(sweep) == sweep / "plane.png"
    assert imread(sweep / "plane.png").std() > 0.05
    rows = rows_of(sweep / "plane.csv")
    assert [float(row["beta"]) for row in rows] == list(BETAS)
    assert {row["measure"] for row in rows} == {"i_xz_reference"}
    assert all(float(row["i_zy_se"]) >= 0 and float(row["h_y"]) == H_Y for row in rows)
    information = [float(row["i_xz"]) for row in rows]
    assert information == sorted(information, reverse=True)


def test_points_are_joined_in_order_of_beta_and_labelled(
    tmp_path: Path, kept: list[Figure]
) -> None:
    sweep = sweep_of(tmp_path, *(("mine_gaussian", beta) for beta in BETAS[::-1]), ("vib", 0.0))
    figures.plane_of_sweep(sweep)
    [axes] = kept[0].axes
    vib, mine = (container.lines[0] for container in axes.containers)
    rows = rows_of(sweep / "plane.csv")
    assert list(mine.get_xdata()) == [float(row["i_xz"]) for row in rows[1:]]
    assert list(mine.get_ydata()) == [float(row["i_zy"]) for row in rows[1:]]
    assert (vib.get_color(), mine.get_color()) == (style.ORANGE, style.GREEN)
    assert [text.get_text() for text in written(axes)] == ["0", "0.001", "0.01", "0.1"]
    assert axes.get_xlabel() == "I(X;Z) (nats; critic-free reference, lower end)"
    assert axes.get_ylabel() == "I(Z;Y), lower bound (nats)"
    assert f"H(Y) = {H_Y:.2f}" in [text.get_text() for text in axes.texts]


def test_measures_that_differ_are_in_the_legend(tmp_path: Path, kept: list[Figure]) -> None:
    arms = [(method, beta) for method in ("vib_additive", "mine_additive") for beta in BETAS]
    figures.plane_of_sweep(sweep_of(tmp_path, *arms, seeds=1))
    [axes] = kept[0].axes
    assert "by the measure in the legend" in axes.get_xlabel()
    legend = [text.get_text() for text in kept[0].legends[0].get_texts()]
    assert legend[:2] == [
        "vib_additive: KL, an upper bound, 1 seed",
        "mine_additive: held-out MI term, 1 seed",
    ]


def test_one_beta_or_a_deterministic_encoder_is_no_plane(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, ("none", 0.0), ("vib", 1e-3), ("mine_gaussian", 1e-3))
    assert figures.plane_of_sweep(sweep) is None
    assert list(sweep.glob("plane.*")) == []
    assert figures.plane_of_sweep(tmp_path / "nothing") is None


def test_what_was_outrun_is_left_out_and_counted(tmp_path: Path, kept: list[Figure]) -> None:
    sweep = sweep_of(tmp_path, *(("mine_additive", beta) for beta in BETAS))
    for seed, status in ((7, "outrun"), (8, "diverged")):
        bottleneck_run(
            sweep / status, "mine_additive", 1e-3, seed, steps=LAST, status=status,
            metrics={"i_xz_term": -2e7},
        )  # fmt: skip
    figures.plane_of_sweep(sweep)
    assert [row["seeds"] for row in rows_of(sweep / "plane.csv")] == ["2", "2", "2"]
    [axes] = kept[0].axes
    assert axes.get_title(loc="left").endswith("; 2 that diverged or were outrun left out")
    assert axes.get_xlim()[0] > 0


def test_information_over_decades_is_logarithmic(tmp_path: Path, kept: list[Figure]) -> None:
    figures.plane_of_sweep(sweep_of(tmp_path, ("mine_additive", 0.0), ("mine_additive", 1.0)))
    [axes] = kept[0].axes
    assert axes.get_xscale() == "log"
    assert "log scale" in axes.get_xlabel()


# Labels


def boxes(axes: Axes) -> list[Bbox]:
    """Of the labels, less half a pixel all round: matplotlib before 3.11 rounds their places."""
    return [text.get_window_extent().padded(-0.5) for text in written(axes)]


def test_a_lone_label_is_below_its_point(tmp_path: Path, kept: list[Figure]) -> None:
    figures.plane_of_sweep(sweep_of(tmp_path, *(("vib", beta) for beta in BETAS)))
    labels = written(kept[0].axes[0])
    assert len(labels) == len(BETAS)
    assert all(label.get_position() == pytest.approx((0, -11)) for label in labels)


def test_labels_of_points_that_coincide_do_not_overlap(tmp_path: Path, kept: list[Figure]) -> None:
    methods = ("vib", "mine_gaussian", "mine_additive", "mine_propagated")
    for method in methods:
        for k, beta in enumerate(BETAS):
            metrics = dict.fromkeys(("i_xz_reference", "i_xz_term"), 8 - k) | {"i_zy": 2 - k / 2}
            bottleneck_run(
                tmp_path / f"{method}_{beta}", method, beta, steps=LAST, metrics=metrics
            )
    figures.plane_of_sweep(tmp_path)
    kept[0].draw_without_rendering()
    found = boxes(kept[0].axes[0])
    assert len(found) == len(methods) * len(BETAS)
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))
