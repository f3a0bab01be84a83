"""The words of a screen: on its page, in a notebook and on the terminal."""

import shlex
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from mine_cli.figures.report.screen import of_screen, screen_in_notebook, screened, typed
from mine_cli.results.numbers import chance
from mine_cli.results.summary import summary


def result(**more: Any) -> dict[str, Any]:
    top = [
        {
            "x": "gene_<1>", "z": "y", "estimate": 0.5, "low": 0.4, "high": 0.6, "p_value": 1e-300,
            "q_value": 1e-299, "status": "at_ceiling", "rows": 1234, "note": "",
        },
        {
            "x": "gene_2", "z": "y", "estimate": -0.001, "low": -0.002, "high": 0.0,
            "p_value": 0.41, "q_value": 0.41, "status": "ok", "rows": 999, "note": "",
        },
    ]  # fmt: skip
    return {
        "task": "screen",
        "status": "ok",
        "outcomes": ["y"],
        "dataset": {"_target_": "mine_cli.data.arrays.Arrays", "path": "t.csv", "z": "y"},
        "metrics": {"pairs": 3, "tested": 2, "found": 1, "largest": 0.5},
        "top": top,
        "left_out": [{"name": "id", "why": "an identifier"}],
        "rows": {"read": 2000, "used": 2000, "gaps": {}},
        "steps": 3,
        "counted": "pairs",
        "warnings": [],
        **more,
    }


def test_the_page_says_what_was_found_what_to_doubt_and_what_was_left_out() -> None:
    page = "\n".join(of_screen(result(), "nats"))
    assert "1 <small>of 2 pairs share information" in page
    assert "gene_&lt;1&gt;" in page
    assert "0.400 to 0.600" in page
    assert "&lt; 1e-99" in page
    assert "1 of these with status at_ceiling" in page
    assert "exclusive or" in page
    assert "id: an identifier" in page
    assert "&#x27;dataset.x=[&quot;gene_&lt;1&gt;&quot;,gene_2]&#x27;" in page


def test_names_are_typed_so_that_a_shell_and_hydra_take_them_as_they_are() -> None:
    assert typed("dataset.x", "age") == "dataset.x=age"
    assert typed("dataset.x", "a", "b") == "'dataset.x=[a,b]'"
    for name in ("mean radius", "2020.10", "null", 'say "x"', "od280/od315 (%)", "a,b"):
        (word,) = shlex.split(typed("dataset.x", name))
        (override,) = OverridesParser.create().parse_overrides([word])
        value = override.value()
        assert getattr(value, "text", value) == name


def test_what_the_screen_asks() -> None:
    assert screened(result()) == "Which columns tell of y"
    assert screened(result(outcomes=[])) == "Which columns tell of which"


def given(**more: Any) -> dict[str, Any]:
    untested = [row | {"p_value": None, "q_value": None} for row in result()["top"]]
    return result(given="age", top=untested, p_value_note="age is numbers", **more)


def test_a_screen_given_a_column_says_so_and_why_there_is_no_p_value() -> None:
    assert screened(given()) == "Which columns tell of y beyond what age tells"
    page = "\n".join(of_screen(given(), "nats"))
    assert "There are no p-values: age is numbers." in page
    assert "share information beyond age" in page
    assert "to who knows age already" in page
    assert "no bound" in page
    assert "dataset.given=age" in page
    assert '<th class="n">p</th>' not in page
    assert '<th class="n">p</th>' in "\n".join(of_screen(result(given="age"), "nats"))


def test_the_terminal_leaves_out_columns_that_are_empty() -> None:
    told = summary(given(), "nats")
    (head,) = [line for line in told.splitlines() if line.startswith("  x ")]
    assert head.split() == ["x", "z", "nats", "between", "status", "rows"]
    assert "two standard errors above 0" in told
    assert "age is numbers" in told
    assert "q: the share" not in told


def test_units_are_those_that_were_asked_for() -> None:
    assert "0.721" in screen_in_notebook(result(), "bits")  # 0.5 nats
    assert "0.02 for 0.2, 0.14 for 0.5, 0.83 for 0.9" in screen_in_notebook(result())
    assert "0.03 for 0.2, 0.21 for 0.5, 1.20 for 0.9" in screen_in_notebook(result(), "bits")


def test_a_screen_without_a_number_has_a_page() -> None:
    nothing = result(top=[], metrics={"pairs": 1, "tested": 0, "found": 0, "largest": None})
    assert "of 0 pairs" in screen_in_notebook(nothing)
    assert "found            0" in summary(nothing)


def test_the_terminal_shows_the_first_rows_in_columns() -> None:
    lines = summary(result(), "nats").splitlines()
    (head,) = [line for line in lines if line.startswith("  x ")]
    (first,) = [line for line in lines if "gene_<1>" in line]
    assert first.index("0.500") == head.index("nats")
    assert first.index("< 1e-99") == head.index("p  ")
    assert "1,234" in first
    assert any("at_ceiling: The cells of a screen" in line for line in lines)
    assert any("left out: id: an identifier" in line for line in lines)
    assert any("3 pairs" in line for line in lines)


def test_many_columns_left_out_are_counted() -> None:
    left = [{"name": f"c{i}", "why": "same"} for i in range(20)]
    assert "and 5 more, see screen.csv" in " ".join(summary(result(left_out=left)).split())


def test_the_smallest_probabilities_are_only_bounded() -> None:
    assert (chance(0.0412), chance(1e-7), chance(1e-150)) == ("0.041", "1e-07", "< 1e-99")
