"""Text tables as programs write them: what is recognised, and what is refused with its place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mine_cli.data import Rows
from mine_cli.data.arrays import Arrays, from_memory
from mine_cli.errors import BadInput

N = 300
RNG = np.random.default_rng(3)
A, B = RNG.normal(size=(2, N)).round(4)


def written(path: Path, header: str, lines: list[str], **encoding: Any) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", **encoding)
    return path


def lines_of(*columns: Any, mark: str = ",") -> list[str]:
    return [mark.join(map(str, cells)) for cells in zip(*columns, strict=True)]


def fault(path: Path, x: Any = "a", z: Any = "b", **options: Any) -> str:
    with pytest.raises(BadInput) as caught:
        Arrays(path, x, z, **options).rows()
    (only,) = caught.value.faults
    return only


def holds(rows: Rows, x: Any = A, z: Any = B) -> bool:
    pairs = ((rows.x, x), (rows.z, z))
    return all(
        torch.equal(found[:, 0], torch.from_numpy(wanted).float()) for found, wanted in pairs
    )


# Separators and decimal signs


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_separator_is_recognised(mark: str, tmp_path: Path) -> None:
    notes = [f"note {i}" for i in range(N)]
    path = written(tmp_path / "t.csv", mark.join("abc"), lines_of(A, B, notes, mark=mark))
    assert holds(Arrays(path, "a", "b").rows())


def test_other_marks_in_names_and_text_do_not_deceive(tmp_path: Path) -> None:
    """The separator divides the first lines into as many cells each."""
    notes = ["one; two; three", "four", "five; six"] * (N // 3)
    path = written(tmp_path / "t.csv", "a;(cm),b,note", lines_of(A, B, notes))
    assert holds(Arrays(path, "a;(cm)", "b").rows())
    quoted = [f'"{note}"' for note in notes]
    path = written(tmp_path / "u.csv", '"a, cm";b;note', lines_of(A, B, quoted, mark=";"))
    assert holds(Arrays(path, "a, cm", "b").rows())


def test_a_separator_may_be_named(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a|b", lines_of(A, B, mark="|"))
    assert "want dataset.separator='|'" in fault(path)
    assert holds(Arrays(path, "a", "b", separator="|").rows())
    path = written(tmp_path / "t.tsv", "a\tb", lines_of(A, B, mark="\t"))
    assert holds(Arrays(path, "a", "b").rows())
    assert holds(Arrays(path.rename(tmp_path / "t.csv"), "a", "b", separator="tab").rows())


@pytest.mark.parametrize("mark", [";", "\t"])
def test_decimal_commas_are_recognised(mark: str, tmp_path: Path) -> None:
    """In the columns that have them, whatever the others look like."""
    commas = [str(value).replace(".", ",") for value in A]
    path = written(tmp_path / "t.csv", mark.join("ab"), lines_of(commas, B, mark=mark))
    assert holds(Arrays(path, "a", "b").rows())
    assert holds(Arrays(path, "b", "a").rows(), B, A)


@pytest.mark.parametrize("given", ["1.234,5", "1,2,3", "0x10", "12 kg"])
def test_what_is_no_number_is_refused_with_its_line(given: str, tmp_path: Path) -> None:
    cells = [str(value).replace(".", ",") for value in A]
    cells[7] = given
    path = written(tmp_path / "t.csv", "a;b", lines_of(cells, B, mark=";"))
    assert fault(path).startswith(f"{path} line 9, column a: {given!r} is no number")


def test_thousands_are_not_taken_for_decimals(tmp_path: Path) -> None:
    """1,234 between tabs, or quoted between commas, may be a thousand: the user says."""
    thousands = [f"{i % 9 + 1},{i % 7}34" for i in range(N)]
    path = written(tmp_path / "t.csv", "a\tb", lines_of(thousands, B, mark="\t"))
    assert "'1,034' is no number" in fault(path)
    assert "dataset.decimal=','" in fault(path)
    wanted = np.array([float(cell.replace(",", ".")) for cell in thousands])
    path = written(path, "a\tb", lines_of(thousands, thousands[::-1], mark="\t"))
    assert holds(Arrays(path, "a", "b", decimal=",").rows(), wanted, wanted[::-1].copy())
    path = written(tmp_path / "u.csv", "a,b", lines_of([f'"{t}"' for t in thousands], B))
    assert "'1,034' is no number" in fault(path)


def test_a_named_decimal_point_leaves_commas_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a;b", lines_of(["1,5"] * N, B, mark=";"))
    assert "'1,5' is no number" in fault(path, decimal=".")


# Gaps


@pytest.mark.parametrize("gap", ["", "NA", "NaN", "n/a", "<NA>", " "])
def test_rows_with_a_gap_are_left_out_and_counted(gap: str, tmp_path: Path) -> None:
    cells, kinds = [*map(str, A)], ["cat", "dog", "emu"] * (N // 3)
    cells[3] = cells[50] = kinds[50] = kinds[70] = gap
    lines = lines_of(cells, kinds, B, [""] * N)
    path = written(tmp_path / "t.csv", "a,kind,b,unused", lines)
    rows = Arrays(path, ["a", "kind"], "b").rows()
    kept = np.setdiff1d(np.arange(N), [3, 50, 70])
    assert holds(rows, A[kept], B[kept])
    assert rows.x_names == ["a", "kind=cat", "kind=dog", "kind=emu"]
    assert (rows.read, rows.gaps) == (N, {"a": 2, "kind": 2})
    assert rows.kept is not None
    assert rows.kept.tolist() == kept.tolist()
    told = "kind: missing in line 52 and 1 more: want a value in every row"
    assert told in fault(path, "kind", missing="refuse")


def test_a_gap_in_the_groups_counts_too(tmp_path: Path) -> None:
    who = ["", *"pq" * (N // 2)][:N]
    path = written(tmp_path / "t.csv", "a,b,who", lines_of(A, B, who))
    rows = Arrays(path, "a", "b", group_column="who").rows()
    assert len(rows) == N - 1
    assert rows.gaps == {"the groups": 1}


def test_none_is_missing_among_numbers_and_a_class_among_words(tmp_path: Path) -> None:
    treated = ["None", "drug", "placebo"] * (N // 3)
    cells = ["None", *map(str, A[1:])]
    path = written(tmp_path / "t.csv", "a,treated,b", lines_of(cells, treated, B))
    assert Arrays(path, "treated", "b").rows().x_names[0] == "treated=None"
    assert len(Arrays(path, "a", "b").rows()) == N - 1


def test_too_few_rows_without_gaps(tmp_path: Path) -> None:
    cells = [str(value) if i < 90 else "" for i, value in enumerate(A)]
    path = written(tmp_path / "t.csv", "a,b", lines_of(cells, B))
    told = f"{path}: 90 rows left of 300, without those that lack a in 210: want at least 100"
    assert fault(path) == told


def test_rows_keep_their_lines_behind_gaps(tmp_path: Path) -> None:
    cells = ["", "", *map(str, A[2:])]
    cells[20] = "inf"
    path = written(tmp_path / "t.csv", "a,b", ["", *lines_of(cells, B)])
    assert "a: NaN or infinite in line 23: want" in fault(path)


# Text


def test_text_is_classes_without_being_named(tmp_path: Path) -> None:
    kinds = ["T cell", "B cell", "NK, other"] * (N // 3)
    path = written(tmp_path / "t.csv", "a,kind", lines_of(A, [f'"{kind}"' for kind in kinds]))
    rows = Arrays(path, "a", "kind").rows()
    assert rows.z_names == ["kind=B cell", "kind=NK, other", "kind=T cell"]
    assert torch.equal(rows.z.argmax(1), torch.tensor([2, 0, 1]).repeat(N // 3))
    assert rows.z_categorical


def test_an_identifier_is_not_classes(tmp_path: Path) -> None:
    names = [f"cell-{i % 51}" for i in range(N)]
    path = written(tmp_path / "t.csv", "a,name", lines_of(A, names))
    assert "name: 51 classes: want at most 50; an identifier" in fault(path, z="name")
    assert Arrays(path, "a", "name", categorical=["name"]).rows().z.shape == (N, 51)
    names = [f"cell-{i % 50}" for i in range(N)]
    path = written(tmp_path / "t.csv", "a,name", lines_of(A, names))
    assert Arrays(path, "a", "name").rows().z.shape == (N, 50)


def test_numbers_among_which_is_a_word_are_no_classes(tmp_path: Path) -> None:
    cells = [*map(str, A)]
    cells[11] = "below limit"
    path = written(tmp_path / "t.csv", "a,b", lines_of(cells, B))
    told = f"{path} line 13, column a: 'below limit' is no number: want a number, or the column in"
    assert fault(path).startswith(told)


def test_categorical_names_that_are_not_chosen_change_nothing(tmp_path: Path) -> None:
    """One list of classes serves all jobs of a sweep over columns."""
    stage = np.arange(N) % 4
    path = written(tmp_path / "t.csv", "a,stage,b", lines_of(A, stage, B))
    chosen = Arrays(path, "a", "b", categorical=["stage"]).rows()
    assert holds(chosen)
    assert Arrays(path, "stage", "b", categorical=["stage"]).rows().x.shape == (N, 4)
    assert "dataset.categorical=stag: not there" in fault(path, categorical=["stag"])


# Names


def test_names_that_are_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "0,1", lines_of(A, B))
    assert holds(Arrays(path, 0, 1).rows())
    path = written(tmp_path / "t.csv", "2020.10,1e3,2020.1", lines_of(A, B, B))
    assert holds(Arrays(path, "2020.10", "1e3").rows())
    told = """dataset.z=1000.0: read as the number 1000.0: want it quoted twice, '"1e3"'"""
    assert fault(path, "2020.10", 1e3) == told


@pytest.mark.parametrize(
    ("header", "ends"),
    [("a,b,,", ",,"), ("a,b", ",,"), ("a,b,,", ""), ("a,b,note,note", ",p,q")],
)
def test_what_a_spreadsheet_leaves_at_the_right(header: str, ends: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", header, [line + ends for line in lines_of(A, B)])
    assert holds(Arrays(path, "a", "b").rows())
    lines = [line + ends for line in lines_of(A, B)]
    extra = written(tmp_path / "u.csv", header, [*lines, "1,2,3,4,5"])
    assert f"line {N + 2}: 5 cells" in fault(extra)


def test_rows_of_a_spreadsheet_that_are_empty(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,b,c", [*lines_of(A, B, B), ",,", ",,"])
    rows = Arrays(path, "a", "b").rows()
    assert holds(rows)
    assert (rows.read, rows.gaps) == (N + 2, {"a": 2, "b": 2})


# Encodings


@pytest.mark.parametrize(
    ("encoding", "seems"),
    [
        ("latin-1", "not UTF-8, but perhaps Latin-1"),
        ("cp1252", "not UTF-8, but perhaps Latin-1"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
    ],
)
def test_other_encodings_are_named(encoding: str, seems: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "größe,b", lines_of(A, B), encoding=encoding)
    assert fault(path, "größe") == f"{path}: its text is {seems}" + (
        " or Windows-1252: want it saved as UTF-8"
        if "Latin" in seems
        else ": want it saved as UTF-8"
    )


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 20, b"a,b\n1,2\n\0\0\0,4\n" + b"1,2\n" * 90]
)
def test_what_is_no_text_is_not_called_utf_16(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert "it holds NUL bytes, which no text does" in fault(tmp_path / "t.csv")


def test_an_encoding_that_fails_late_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,note", [*lines_of(A, A)], encoding="utf-8")
    path.write_bytes(path.read_bytes() * 1 + b"1,\xb0\n")
    assert "perhaps Latin-1" in fault(path, z="note")


def test_every_alphabet(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "größe,身長", lines_of(A, B), encoding="utf-8")
    assert holds(Arrays(path, "größe", "身長").rows())


def test_a_path_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "t.csv", "a,b", lines_of(A, B))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert holds(Arrays("~/t.csv", "a", "b").rows())


# Rows in time order


@pytest.mark.parametrize("lag", [-20, -1, 0, 3, 200])
def test_a_lag_pairs_x_with_z_so_many_rows_later(lag: int, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,b", lines_of(A, B))
    rows = Arrays(path, "a", "b", lag=lag).rows()
    pairs = [(A[i], B[i + lag]) for i in range(N) if 0 <= i + lag < N]
    assert holds(rows, *(np.array(side) for side in zip(*pairs, strict=True)))
    in_memory = from_memory(A, B, lag=lag).rows()
    assert torch.equal(in_memory.x, rows.x)
    assert torch.equal(in_memory.z, rows.z)


def test_rows_are_paired_before_those_with_a_gap_are_left_out(tmp_path: Path) -> None:
    cells = [*map(str, A)]
    cells[10], cells[30] = "", "inf"
    path = written(tmp_path / "t.csv", "a,b", lines_of(cells, B))
    assert "a: NaN or infinite in line 32" in fault(path, lag=-5)
    cells[30] = "1"
    path = written(tmp_path / "t.csv", "a,b", lines_of(cells, B))
    rows = Arrays(path, "a", "b", lag=2).rows()
    kept = np.setdiff1d(np.arange(N - 2), [10])
    assert torch.equal(rows.z[:, 0], torch.from_numpy(B[kept + 2]).float())


def test_a_lag_beyond_the_rows_leaves_too_few(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,b", lines_of(A, B))
    assert fault(path, lag=N - 50) == f"{path}: 50 rows: want at least 100"
    for lag in (N, 2 * N, -2 * N):
        assert "0 rows: want at least 100" in fault(path, lag=lag)
