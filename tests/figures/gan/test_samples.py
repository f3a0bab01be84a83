"""The pictures of one task=gan run: what they show, and that they show what little there is."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from scipy import ndimage

from mine_cli import figures
from mine_cli.figures import style
from mine_cli.figures.gan.panels import bandwidth, density_of, square, tiled
from mine_cli.figures.gan.run import GanRun, percent, score
from mine_cli.figures.gan.samples import spread
from mine_cli.results.files import read_json, write_json
from tests.gan_folders import STEPS, grid_points, images_run, points_run, write

PICTURES = ("samples", "training", "density", "histogram", "progress")


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return points_run(tmp_path_factory.mktemp("points"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return images_run(tmp_path_factory.mktemp("images"))


def picture(name: str) -> Callable[[Path], Path | None]:
    return getattr(figures, name)


def texts(figure: Figure) -> str:
    """Every title, label and legend of a figure."""
    found = [figure.get_suptitle(), figure.get_supxlabel()]
    for axes in figure.axes:
        found += [axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()]
        found += [text.get_text() for text in axes.texts]
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    found += [text.get_text() for legend in legends if legend for text in legend.get_texts()]
    return "\n".join(found)


# All of them


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_a_file(points: Path, name: str) -> None:
    path = picture(name)(points)
    assert path == points / "figures" / f"{name}.png"
    assert imread(path).std() > 0.05


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
def test_images_have_every_picture_but_a_density(images: Path, name: str) -> None:
    path = picture(name)(images)
    assert path == (None if name == "density" else images / "figures" / f"{name}.png")


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("result", [None, {"task": "gan", "status": "diverged", "metrics": {}}])
def test_nothing_to_draw_is_no_picture(tmp_path: Path, name: str, result: dict | None) -> None:
    if result:
        write_json(tmp_path / "result.json", result)
    assert picture(name)(tmp_path) is None
    assert not (tmp_path / "figures").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("missing", ["result.json", "metrics.csv", "samples/data.npz"])
def test_pictures_without_one_of_the_files(
    tmp_path: Path, kept: list[Figure], name: str, missing: str
) -> None:
    folder = points_run(tmp_path, steps=(500,))
    (folder / missing).unlink()
    picture(name)(folder)
    unknown = {"progress": "metrics.csv", "density": "samples/data.npz"}.get(name) == missing
    assert len(kept) == (0 if unknown else 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
def test_samples_that_are_not_numbers(tmp_path: Path, kept: list[Figure], name: str) -> None:
    none = {"x": numpy.full((100, 2), numpy.nan, numpy.float32)}
    none |= {"histogram": numpy.zeros(25, int), "good_histogram": numpy.zeros(25, int)}
    folder = points_run(tmp_path, status="diverged", metrics={})
    numpy.savez(folder / "samples" / "00009000.npz", **none)
    picture(name)(folder)
    assert "GAN + MINE (beta = 1), seed 0, diverged" in texts(kept[0])


def test_samples_that_nobody_judged(tmp_path: Path, kept: list[Figure]) -> None:
    folder = points_run(tmp_path, steps=(500,), metrics={})
    (folder / "metrics.csv").unlink()
    x = GanRun.read(folder).at(500)["x"]
    numpy.savez(folder / "samples" / "00000500.npz", x=x)
    assert figures.histogram(folder) is None
    figures.samples(folder)
    assert kept[0].axes[0].get_title(loc="left").endswith("samples of step 500")


@pytest.mark.parametrize(
    ("beta", "name", "colour"),
    [
        (0.0, "GAN (beta = 0), seed 3", style.ORANGE),
        (0.5, "GAN + MINE (beta = 0.5), seed 3", style.BLUE),
    ],
)
def test_arms_have_a_name_and_a_colour(
    tmp_path: Path, beta: float, name: str, colour: str
) -> None:
    write_json(tmp_path / "result.json", {"gan": {"beta": beta}, "seed": 3, "status": "ok"})
    run = GanRun.read(tmp_path)
    assert (run.name, run.colour) == (name, colour)


def test_a_collapsed_run_is_called_so(tmp_path: Path, kept: list[Figure]) -> None:
    figures.samples(points_run(tmp_path, beta=0, modes=2, status="collapsed"))
    title = kept[0].axes[0].get_title(loc="left")
    assert title.startswith("GAN (beta = 0), seed 0, collapsed\nsamples of step 8,000: 2 of 25")


def test_numbers_in_titles() -> None:
    assert [score(x) for x in (0.0, 0.00016, 0.0048, 0.0124, 3.219)] == [
        "0", "0.00016", "0.0048", "0.012", "3.22",
    ]  # fmt: skip
    assert [percent(x) for x in (0.0, 0.0052, 0.0184, 0.634, 0.9887, 0.996, 1.0)] == [
        "0 %", "0.52 %", "1.8 %", "63 %", "99 %", "99.6 %", "100 %",
    ]  # fmt: skip


# Samples


def test_points_lie_over_the_data_in_its_frame(points: Path, kept: list[Figure]) -> None:
    figures.samples(points)
    [axes] = kept[0].axes
    data, generated = (each.get_offsets() for each in axes.collections)
    assert len(data) == len(generated) == 2500
    assert axes.get_aspect() == 1
    assert (*axes.get_xlim(), *axes.get_ylim()) == pytest.approx(square(data))
    metrics = read_json(points / "result.json")["metrics"]
    assert axes.get_title(loc="left") == (
        "GAN + MINE (beta = 1), seed 0\nsamples of step 8,000: 25 of 25 modes, "
        f"KL {score(metrics['kl'])}, high quality {percent(metrics['high_quality'])}"
    )


def test_points_outside_the_frame_are_counted(points: Path, kept: list[Figure]) -> None:
    figures.training(points)
    axes = kept[0].axes[0]
    assert "step 1,000\n" in axes.get_title(loc="left")
    left, right, bottom, top = square(GanRun.read(points).data)
    x, y = GanRun.read(points).at(1000)["x"].T
    unseen = ((x < left) | (x > right) | (y < bottom) | (y > top)).sum()
    assert axes.get_xlabel() == f"{unseen} of 2,500 points lie outside the frame"


@pytest.mark.parametrize("channels", [1, 3])
def test_sixty_four_images_in_a_grid(tmp_path: Path, kept: list[Figure], channels: int) -> None:
    folder = images_run(tmp_path, channels=channels, steps=(100,))
    figures.samples(folder)
    [axes] = kept[0].axes
    [grid] = axes.get_images()
    side = 8 * 28 + 7 * 2
    assert grid.get_array().shape == ((side, side) if channels == 1 else (side, side, 3))
    last = GanRun.read(folder).at(100)["x"][63].transpose(1, 2, 0).squeeze()
    assert (grid.get_array()[-28:, -28:] == last).all()
    assert grid.get_clim() == (0, 255)
    assert not axes.axison


def test_images_in_reading_order_on_white() -> None:
    images = numpy.stack([numpy.full((1, 2, 2), k, numpy.uint8) for k in range(3)])
    picture = tiled(images, 2)
    assert picture.shape == (6, 6)
    assert (picture[:2, :2] == 0).all()
    assert (picture[:2, 4:] == 1).all()
    assert (picture[4:, :2] == 2).all()
    assert (picture[4:, 4:] == 255).all()


def test_images_between_minus_one_and_one_become_bytes() -> None:
    assert tiled(numpy.array([[[[-1.0, 0.0, 1.0, 2.0]]]]), 1).tolist() == [[0, 128, 255, 255]]


# Training


def test_six_panels_from_the_first_step_to_the_last(points: Path, kept: list[Figure]) -> None:
    figures.training(points)
    titles = [axes.get_title(loc="left").split("\n") for axes in kept[0].axes]
    shown = ["1,000", "2,000", "4,000", "5,000", "7,000", "8,000"]
    assert [title[0] for title in titles] == [f"step {step}" for step in shown]
    assert titles[-1][1].startswith("25 of 25 modes, KL ")
    assert len({axes.get_xlim() for axes in kept[0].axes}) == 1


def test_four_by_four_images_in_each_panel(images: Path, kept: list[Figure]) -> None:
    figures.training(images)
    side = 4 * 28 + 3 * 2
    grids = [axes.get_images()[0].get_array() for axes in kept[0].axes]
    assert [grid.shape for grid in grids] == [(side, side, 3)] * 6


def test_steps_are_spread_evenly() -> None:
    assert spread([7], 6) == [7]
    assert spread([1, 2, 3], 6) == [1, 2, 3]
    assert spread(list(range(0, 101)), 6) == [0, 20, 40, 60, 80, 100]


# Density


def test_twenty_five_modes_are_twenty_five_spots() -> None:
    points = grid_points(25, 0.05, numpy.random.default_rng(0))[0]
    density = density_of(points, square(points))
    _, spots = ndimage.label(density > 0.1 * density.max())
    assert spots == 25


def test_a_density_integrates_to_one_and_has_the_stated_width() -> None:
    limits = (-4.0, 4.0, -4.0, 4.0)
    density = density_of(numpy.zeros((10, 2)), limits)
    cell = 8 / len(density)
    assert density.sum() * cell**2 == pytest.approx(1)
    x = -4 + cell * (numpy.arange(len(density)) + 0.5)
    spread = numpy.sqrt((density.sum(0) * x**2).sum() / density.sum())
    assert bandwidth(limits) == 0.12
    assert spread == pytest.approx(0.12, rel=0.02)


def test_points_outside_the_frame_keep_their_share_of_the_density() -> None:
    points = numpy.array([[0.0, 0.0], [50.0, 0.0]])
    density = density_of(points, (-4.0, 4.0, -4.0, 4.0))
    assert density.sum() * (8 / len(density)) ** 2 == pytest.approx(0.5)


def test_densities_share_their_frame_and_their_scale(tmp_path: Path, kept: list[Figure]) -> None:
    figures.density(points_run(tmp_path, beta=0, modes=2, spread=0.05))
    data, generated = (axes.get_images()[0] for axes in kept[0].axes[:2])
    assert data.norm is generated.norm
    assert data.norm.vmax == data.get_array().max() < generated.get_array().max()
    assert data.get_extent() == generated.get_extent()
    assert "Gaussian kernel of standard deviation 0.14" in texts(kept[0])


# Histogram


def test_bars_of_all_samples_and_of_the_good_ones(points: Path, kept: list[Figure]) -> None:
    figures.histogram(points)
    [axes] = kept[0].axes
    last = GanRun.read(points).at(STEPS[-1])
    everyone, good = ([bar.get_height() for bar in bars] for bars in axes.containers)
    assert everyone == last["histogram"].tolist()
    assert good == last["good_histogram"].tolist()
    assert list(axes.lines[0].get_ydata()) == [100, 100]
    assert "a perfect generator: 0.0048" in texts(kept[0])
    assert f"of these {last['good_histogram'].sum():,} of high quality" in texts(kept[0])


def test_the_spirals_modes_are_stretches(tmp_path: Path, kept: list[Figure]) -> None:
    data = {"_target_": "mine_cli.data.spiral.Spiral"}
    figures.histogram(points_run(tmp_path, steps=(5,), dataset=data))
    assert kept[0].axes[0].get_xlabel() == "stretch of the spiral, from the inside, 0 to 24"


def test_a_thousand_modes_are_sorted(images: Path, kept: list[Figure]) -> None:
    figures.histogram(images)
    generated, chance, uniform = (line.get_ydata() for line in kept[0].axes[0].lines)
    counts = GanRun.read(images).at(STEPS[-1])["histogram"]
    assert list(generated) == sorted(counts, reverse=True)
    assert list(uniform) == [26, 26]
    # The samples are a uniform draw, of which the other line tells the sorted counts.
    assert numpy.abs(generated - chance).max() <= 4
    assert chance.sum() == pytest.approx(26_000, rel=0.02)
    assert "never" not in texts(kept[0])


def test_lost_modes_are_counted(tmp_path: Path, kept: list[Figure]) -> None:
    figures.histogram(images_run(tmp_path, kinds=4))
    assert len(kept[0].axes[0].lines[0].get_ydata()) == 64
    assert "936 modes never generated" in texts(kept[0])


# Progress


def test_a_panel_for_each_metric(points: Path, kept: list[Figure]) -> None:
    figures.progress(points)
    modes, quality, kl, information, norms = kept[0].axes
    assert [axes.get_ylabel() for axes in kept[0].axes] == [
        "modes captured", "high quality (%)", "KL (nats)", "MI bound (nats,\ndiagnostic only)",
        "gradient norm",
    ]  # fmt: skip
    assert list(modes.lines[0].get_xdata()) == list(STEPS)
    assert list(modes.lines[1].get_ydata()) == [25, 25]
    assert quality.lines[0].get_ydata()[-1] > 50
    assert kl.lines[1].get_ydata()[0] == pytest.approx(0.0048)
    assert kl.get_yscale() == norms.get_yscale() == "log"
    assert information.lines[0].get_ydata()[-1] == pytest.approx(4.65, abs=0.01)
    assert len(norms.lines) == 3


def test_only_what_was_logged_has_a_panel(tmp_path: Path, kept: list[Figure]) -> None:
    figures.progress(images_run(tmp_path, beta=0))
    labels = [axes.get_ylabel() for axes in kept[0].axes]
    assert "high quality (%)" not in labels
    assert len(kept[0].axes[-1].lines) == 1  # the norms of a term that is not there are zero


@pytest.mark.filterwarnings("error")
def test_a_gradient_that_vanished(tmp_path: Path, kept: list[Figure]) -> None:
    folder = write(tmp_path, 1.0, 0, {})
    rows = "step,norm/adversarial,norm/clipped\n1,0.0,0.0\n2,0.0,0.0\n"
    (folder / "metrics.csv").write_text(rows)
    figures.progress(folder)
    assert len(kept[0].axes) == 1
