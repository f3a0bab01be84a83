"""Files that are whole at every moment, and paths as one would type them."""

import csv
import os
from pathlib import Path

import pytest

from mine_cli.errors import RunFailed
from mine_cli.results.commands import as_typed
from mine_cli.results.files import write_atomically, write_csv


def test_a_table_has_the_columns_of_all_its_rows(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [{"a": 0.1, "b": None}, {"a": 2, "c": "x, y"}])
    assert (tmp_path / "t.csv").read_text() == 'a,b,c\n0.1,,\n2,,"x, y"\n'


def test_two_may_write_a_shared_file_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "t.csv", os.replace

    def overtaken(temporary: Path, target: Path) -> None:
        monkeypatch.setattr("os.replace", replace)
        write_atomically(path, b"another's", shared=True)
        assert path.read_bytes() == b"another's"
        replace(temporary, target)

    monkeypatch.setattr("os.replace", overtaken)
    write_atomically(path, b"ours", shared=True)
    assert path.read_bytes() == b"ours"
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("shared", [False, True])
def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, shared: bool) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(RunFailed, match=r"cannot write .*t\.csv"):
        write_atomically(tmp_path / "t.csv", b"", shared)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_path_is_shown_as_it_would_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert as_typed(tmp_path / "run" / "0") == "run/0"
    assert as_typed(tmp_path.parent / "elsewhere") == str(tmp_path.parent / "elsewhere")
    assert as_typed(Path("run")) == "run"


def test_no_planted_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".t.csv.tmp").symlink_to(tmp_path / "precious")
    write_atomically(tmp_path / "t.csv", b"ours")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "t.csv").read_bytes() == b"ours"
    assert not (tmp_path / "t.csv").is_symlink()


def test_a_spreadsheet_finds_no_formula(tmp_path: Path) -> None:
    cells = ["=1+1", "+x", "-cmd", "@sum", "\t=1", "-1.5", "+1e3", "-inf", "a=b", "", None, -2]
    write_csv(tmp_path / "t.csv", [{"=a": cell} for cell in cells])
    with (tmp_path / "t.csv").open(newline="") as file:
        first, *rest = [row[0] if row else "" for row in csv.reader(file)]
    assert first == "'=a"
    quoted = ["'=1+1", "'+x", "'-cmd", "'@sum", "'\t=1"]
    assert rest == [*quoted, "-1.5", "+1e3", "-inf", "a=b", "", "", "-2"]


def test_a_folder_that_is_the_working_directory_is_shown_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with hydra.job.chdir=true, where `.` is another folder for who typed the command."""
    monkeypatch.chdir(tmp_path)
    assert as_typed(tmp_path) == str(tmp_path)
