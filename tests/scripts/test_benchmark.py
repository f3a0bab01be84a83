"""The benchmark runs and writes its table; how fast anything is, no test decides."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "benchmark"


def benchmark(*arguments: str) -> str:
    """The output of one quick benchmark."""
    command = [sys.executable, str(SCRIPT), "--quick", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def table(out: Path) -> list[dict[str, str]]:
    """The rows that were written."""
    with out.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """All rows: what was printed, and the file."""
    out = tmp_path_factory.mktemp("benchmark") / "deep" / "table.md"
    return benchmark("--out", str(out)), out


def test_every_row_has_its_number_and_its_verdict(everything: tuple[str, Path]) -> None:
    _, out = everything
    rows = table(out)
    assert [row["target"] for row in rows] == [
        "at least 2.5", "at most 1.1", "at most 0.6", "at most 1.3", "under 3 %", "under 1 GB",
        "at most 1.1", "at most 1.1", "", "",
        "at most 1.1", "at most 2.5", "at most 1.1", "at most 1.4", "at most 1.1", "at most 2.5",
        "at most 1.1", "at most 2.2",
        "at most 1.1", "at most 2.5", "at most 1.4", "", "", "",
        "", "", "at least 2.5", "at most 110", "at most 45",
        "at most 10", "under 2 GB", "at least 0.99", "at most 0.06", "at most 30", "", "", "",
    ]  # fmt: skip
    for row in rows:
        assert any(digit.isdigit() for digit in row["measured"]), row
        assert (row["met"] in ("yes", "NO")) == bool(row["target"]), row


def test_the_verdict_follows_the_number(everything: tuple[str, Path]) -> None:
    _, out = everything
    for row in table(out):
        kind, _, limit = row["target"].rpartition(" ")
        if kind.startswith("at "):
            measured = float(row["measured"])
            wanted = measured >= float(limit) if kind == "at least" else measured <= float(limit)
            # What is shown is rounded: at the limit itself either verdict is right.
            assert measured == float(limit) or (row["met"] == "yes") == wanted, row


def test_the_header_says_where_it_was_measured(everything: tuple[str, Path]) -> None:
    printed, out = everything
    written = out.read_text(encoding="utf-8")
    for key in ("date", "commit", "cpu", "device", "torch", "load"):
        assert f"- {key}: " in written
        assert f"\n{key} " in f"\n{printed}"
    assert "1 threads" in written


def test_rows_can_be_chosen(tmp_path: Path) -> None:
    out = tmp_path / "table.md"
    printed = benchmark("--rows", "evaluation", "--out", str(out))
    (row,) = table(out)
    assert row["what"].startswith("evaluation of")
    assert row["what"] in printed
