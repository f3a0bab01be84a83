"""The pictures of a screen: what is drawn of screen.csv, and in which order."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from mine_cli.figures import screen as drawing
from mine_cli.figures import style
from mine_cli.figures.screen import arranged, heat_map, matrix, ranking
from mine_cli.results.files import write_csv


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved."""
    found: list[Figure] = []

    def keep(figure: Figure, path: Path) -> Path:
        found.append(figure)
        return path

    monkeypatch.setattr(style, "save", keep)
    return found


def row(x: str, z: str, estimate: float | str, q: float = 0.001) -> dict[str, object]:
    low = high = estimate
    if isinstance(estimate, float):
        low, high = estimate - 0.1, estimate + 0.1
    return {
        "x": x,
        "z": z,
        "estimate": estimate,
        "low": low,
        "high": high,
        "q_value": q,
        "status": "ok",
    }


def test_the_largest_stands_on_top_with_its_interval(tmp_path: Path, drawn: list[Figure]) -> None:
    rows = [row("a", "y", 0.7), row("b", "y", 0.3), row("$c$", "y", 0.0, 0.8), row("d", "y", "")]
    write_csv(tmp_path / "screen.csv", rows)
    assert ranking(tmp_path, "bits") == tmp_path / "figures" / "screen.png"
    (axes,) = drawn[0].axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [r"\$c\$", "b", "a"]
    top = max(axes.patches, key=lambda bar: bar.get_y())
    assert top.get_width() == pytest.approx(0.7 / np.log(2))
    assert "about y (bits)" in axes.get_xlabel()
    spans = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
    assert any(np.allclose(span, [0.6 / np.log(2), 0.8 / np.log(2)]) for span in spans)


def test_without_q_values_what_lies_above_0_is_found(tmp_path: Path, drawn: list[Figure]) -> None:
    rows = [{**row("a", "y", 0.7), "q_value": ""}, {**row("b", "y", 0.05), "q_value": ""}]
    write_csv(tmp_path / "screen.csv", rows)
    ranking(tmp_path, given="$age$")
    (axes,) = drawn[0].axes
    assert axes.get_xlabel() == r"information about y beyond \$age\$ (nats)"
    low, high = sorted(axes.patches, key=lambda bar: bar.get_y())
    assert low.get_facecolor() != high.get_facecolor()
    told = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert told[:2] == ["interval above 0", "not above"]


def test_without_a_number_nothing_is_drawn(tmp_path: Path, drawn: list[Figure]) -> None:
    write_csv(tmp_path / "screen.csv", [row("a", "y", "")])
    assert ranking(tmp_path) is None
    assert heat_map(tmp_path) is None
    assert not drawn


def test_a_map_puts_alike_columns_beside_one_another(tmp_path: Path, drawn: list[Figure]) -> None:
    names = ["a1", "b1", "a2", "b2", "a3", "b3"]
    rows = [
        row(x, z, 0.8 if x[0] == z[0] else 0.01) for i, x in enumerate(names) for z in names[:i]
    ]
    write_csv(tmp_path / "screen.csv", rows)
    heat_map(tmp_path)
    axes = drawn[0].axes[0]
    groups = "".join(text.get_text()[0] for text in axes.get_yticklabels())
    assert groups in ("aaabbb", "bbbaaa")
    shown = axes.images[0].get_array()
    assert np.allclose(shown.filled(0), shown.filled(0).T)


def test_a_pair_stands_on_both_sides_of_the_diagonal() -> None:
    rows = [{"x": "a", "z": "b", "estimate": "0.5"}, {"x": "a", "z": "other", "estimate": "9"}]
    found = matrix(rows, ["a", "b", "c"])
    assert found[0, 1] == found[1, 0] == 0.5
    assert np.isnan(found[0, 2])
    assert sorted(arranged(found)) == [0, 1, 2]


def test_of_many_columns_those_that_tell_most_are_drawn(
    tmp_path: Path, drawn: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "MOST_COLUMNS", 3)
    rows = [row("a", "b", 0.9), row("c", "a", 0.5), row("d", "a", 0.1)]
    write_csv(tmp_path / "screen.csv", rows)
    heat_map(tmp_path)
    labels = {text.get_text() for text in drawn[0].axes[0].get_xticklabels()}
    assert labels == {"a", "b", "c"}


def test_long_names_are_cut_in_the_middle() -> None:
    assert drawing.shortened("a" * 20 + "b" * 40).startswith("aaa")
    assert len(drawing.shortened("a" * 60)) <= drawing.LONGEST + 1
