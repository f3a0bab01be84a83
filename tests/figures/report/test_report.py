"""report.html: one file, well formed, with the numbers and what follows from them."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from mine_cli import figures
from mine_cli.figures.report.page import scale
from mine_cli.figures.report.run import in_notebook
from mine_cli.results.files import write_json
from mine_cli.results.ledger import Ledger
from mine_cli.results.summary import STATUS_ADVICE
from tests.bottleneck_folders import bottleneck_run
from tests.gan_folders import points_run
from tests.sweep_folders import gaussian_sweep

RESULT: dict[str, Any] = {
    "task": "mi-estimate", "status": "ok", "estimate": 0.42, "standard_error": 0.03,
    "true_mi": None, "fit_value": 0.45, "seed": 0, "steps": 300, "seconds": 4.0, "folds": 1,
    "split": "random", "references": {"ksg": {"estimate": 0.4, "note": "k=3"}},
    "dataset": {"_target_": "mine_cli.data.arrays.Arrays", "x": ["age", "b<1>"], "z": "price ($)"},
    "rows": {"read": 3000, "used": 2950, "gaps": {"age": 50}}, "entropies": {}, "warnings": [],
}  # fmt: skip


class Page(HTMLParser):
    """Checks that every element is closed, and keeps text and addresses."""

    VOID = frozenset({"meta", "img", "line", "circle", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.sources: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def page_of(folder: Path, units: str = "nats", **change: Any) -> Page:
    write_json(folder / "result.json", RESULT | change)
    path = figures.report_of_run(folder, units)
    assert path == folder / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def test_words_in_a_first_column_are_not_broken(tmp_path: Path) -> None:
    """However narrow the page: what breaks anywhere leaves a column the width of a letter."""
    page_of(tmp_path)
    style = (tmp_path / "report.html").read_text(encoding="utf-8").partition("</style>")[0]
    (rule,) = re.findall(r"([^{}]*)\{ overflow-wrap: normal", style)
    assert "th" in {part.strip() for part in rule.split(",")}


def test_a_run_says_how_much_and_whether_to_believe_it(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "figures" / "curve.png")
    page = page_of(tmp_path)
    for part in (
        "How much age, b<1> tells of price ($)",
        "0.420 nats between 0.360 and 0.480",
        "two standard errors to each side",
        f"a correlation of {math.sqrt(1 - math.exp(-0.84)):.2f}",
        "x and z are not independent",
        "Nothing speaks against it",
        "3,000 rows were read, 50 left out that lack a value: age in 50",
        "KSG k=3 0.400",
        "folds=5",
    ):
        assert part in page.text
    assert [source[:22] for source in page.sources] == ["data:image/png;base64,"]


def test_an_interval_takes_the_place_of_two_standard_errors(tmp_path: Path) -> None:
    page = page_of(tmp_path, interval=[0.361, 0.539])
    assert "0.420 nats between 0.361 and 0.539" in page.text
    assert "what the networks may have missed" in page.text
    assert "two standard errors" not in page.text


def test_where_the_truth_is_known_none_is_looked_for_beyond_it(tmp_path: Path) -> None:
    """And nobody asks for causes of a law that is written down."""
    own, law = page_of(tmp_path).text, page_of(tmp_path, true_mi=0.45).text
    for part in ("so that the truth may be larger", "no sign of a cause"):
        assert part in own
        assert part not in law
    assert "The truth is known: 0.450 nats" in law
    assert "no sign of a cause" not in page_of(tmp_path, estimate=0.01).text


@pytest.mark.parametrize("status", ["high_variance", "at_ceiling", "not_converged"])
def test_a_status_is_told_in_words(status: str, tmp_path: Path) -> None:
    page = page_of(tmp_path, status=status)
    assert STATUS_ADVICE[status] in page.text
    assert "Nothing speaks against it" not in page.text


def test_what_is_not_told_from_nothing_is_said_so(tmp_path: Path) -> None:
    for estimate in (-0.02, 0.05):
        page = page_of(tmp_path, estimate=estimate)
        assert "The interval contains 0" in page.text
        assert "are not independent" not in page.text
    assert "Nothing: 0 is what two independent" in page_of(tmp_path, estimate=-0.02).text


def test_what_is_learned_by_heart_or_missed_is_said(tmp_path: Path) -> None:
    assert "learned by heart" in page_of(tmp_path, fit_value=0.9).text
    assert "learned by heart" not in page_of(tmp_path).text
    more = {"ksg": {"estimate": 0.9}}
    assert "nearest-neighbour estimate (KSG) is larger" in page_of(tmp_path, references=more).text


def test_a_class_has_so_much_to_know(tmp_path: Path) -> None:
    page = page_of(tmp_path, entropies={"z": 0.84})
    assert "It is 50 % of all that there is to know of the class" in page.text


def test_bits_are_nats_over_log_2(tmp_path: Path) -> None:
    assert f"{0.42 / math.log(2):.3f} bits" in page_of(tmp_path, "bits").text


def test_a_run_that_diverged_has_no_number(tmp_path: Path) -> None:
    page = page_of(tmp_path, status="diverged", estimate=None, note="the loss is not finite")
    assert "There is no number." in page.text
    assert "the loss is not finite" in page.text


@pytest.mark.parametrize("nats", [0.1, 1.0, 20.0])
def test_the_scale_is_even_and_its_marks_are_right(nats: float) -> None:
    """A correlation rho stands where -log(1 - rho^2) / 2 nats do."""
    drawn = scale(0.9 * nats, nats, 1.1 * nats, "nats")
    Page(drawn)
    (at,) = re.findall(r'<circle cx="([\d.]+)"', drawn)
    per_nat = (float(at) - 12) / nats
    marks = re.findall(r'<text x="(\d+)" y="72" class="soft" text-anchor="middle">([\d.]+)', drawn)
    assert marks
    for place, rho in marks:
        wanted = 12 - 0.5 * per_nat * math.log1p(-(float(rho) ** 2))
        assert float(place) == pytest.approx(wanted, abs=1)


def test_a_generator_and_a_bottleneck(tmp_path: Path) -> None:
    points_run(tmp_path / "gan", 1.0, 0, steps=(500,))
    bottleneck_run(tmp_path / "ib", "mine_gaussian", 0.01, steps=(0, 300))
    for name in ("gan", "ib"):  # as a run with an MI term leaves it
        file = tmp_path / name / "result.json"
        write_json(file, json.loads(file.read_text()) | {"estimate": 1.25})
    for name, told in (("gan", "KL: its floor"), ("ib", "error: averaged")):
        path = figures.report_of_run(tmp_path / name)
        page = Page(path.read_text(encoding="utf-8"))
        assert told in page.text
        # Of a generator a diagnostic beside its scores; of a bottleneck it is one of them already.
        assert ("a diagnostic" in page.text) == (name == "gan")
        assert "{" not in page.text


def test_a_sweep_has_its_settings_its_failures_and_links(tmp_path: Path) -> None:
    grid = {"bound": ["mine", "dv"], "dataset.rho": [0.5, 0.9], "seed": [0, 1]}
    sweep = gaussian_sweep(tmp_path / "sweep", grid, {3: "failed", 5: "high_variance"})
    (sweep / "1" / "report.html").touch()
    figures.compare_jobs(sweep)
    path = figures.report_of_sweep(sweep)
    assert path is not None
    page = Page(path.read_text(encoding="utf-8"))
    estimates = [p.mean("estimate") for p in Ledger(sweep).points]
    largest = max(value for value in estimates if value is not None)
    assert f"Estimate: largest {largest:.4f} with" in page.text
    assert "3 failed" in page.text
    assert STATUS_ADVICE["high_variance"] in page.text
    assert "1/report.html" in page.sources
    assert sum(source.startswith("data:image/png") for source in page.sources) == 1


def test_a_notebook_shows_the_number_and_the_curve() -> None:
    shown = in_notebook(RESULT, [0.0, 0.3, 0.4])
    page = Page(shown)
    assert "0.420 nats between 0.360 and 0.480" in page.text
    (points,) = re.findall(r'points="([^"]*)"', shown)
    heights = [float(point.split(",")[1]) for point in points.split()]
    assert heights == [pytest.approx(120 * (1 - v / 0.4), abs=0.1) for v in (0.0, 0.3, 0.4)]
    assert "polyline" not in in_notebook(RESULT, [0.3])


def test_nothing_is_written_of_a_sweep_without_jobs(tmp_path: Path) -> None:
    assert figures.report_of_sweep(tmp_path) is None
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("classes", [False, True])
def test_the_data_are_drawn_as_they_are(classes: bool, tmp_path: Path, kept: list[Any]) -> None:
    assert figures.scatter(tmp_path) is None
    x = numpy.arange(20.0).reshape(10, 2)
    rows = {"x": x, "x_names": numpy.array(["a ($)", "b"]), "z_names": numpy.array(["kind"])}
    z = numpy.arange(10)[:, None] % 2
    more = {"z_classes": numpy.array(["no", "yes"])} if classes else {}
    (tmp_path / "samples").mkdir()
    numpy.savez(tmp_path / "samples" / "rows.npz", **rows, z=z, **more)
    figures.scatter(tmp_path)
    left, right = kept[0].axes
    assert left.get_xlabel() == r"a (\$)"
    drawn = right.lines[0].get_xydata()
    assert drawn[:, 0].tolist() == x[:, 1].tolist()
    assert numpy.abs(drawn[:, 1] - z[:, 0]).max() <= (0.3 if classes else 0)
