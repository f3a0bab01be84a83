import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mine_cli.data import Rows, finite_rows
from mine_cli.data.arrays import Arrays, from_memory
from mine_cli.data.margins import Standardise
from mine_cli.data.split import identical_rows
from mine_cli.errors import BadInput

N = 150
TABLE = np.random.default_rng(0).standard_normal((N, 4))
NAMES = ["a", "b", "c", "d"]


def write_csv(path: Path, table: np.ndarray = TABLE, names: list[str] = NAMES) -> Path:
    lines = [",".join(names), *(",".join(map(repr, row)) for row in table.tolist())]
    path.write_text("\n".join(lines) + "\n")
    return path


def faults(**options: Any) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        Arrays(**options).rows()
    assert all("\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


def fault(**options: Any) -> str:
    (only,) = faults(**options)
    return only


def same(first: Rows, second: Rows) -> bool:
    return torch.equal(first.x, second.x) and torch.equal(first.z, second.z)


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_every_kind_of_file_gives_the_same_bits(tmp_path: Path) -> None:
    csv_file = write_csv(tmp_path / "t.csv")
    npz_file = npz(tmp_path / "t.npz", x=TABLE[:, :3], z=TABLE[:, 3])
    pair = [tmp_path / "x.npy", tmp_path / "z.npy"]
    np.save(pair[0], TABLE[:, :3].astype(np.float32))
    np.save(pair[1], np.asfortranarray(TABLE[:, 3:]))
    from_npz = Arrays(npz_file).rows()
    assert from_npz.x.shape == (N, 3)
    assert from_npz.z.shape == (N, 1)
    assert from_npz.x.dtype == torch.float32
    assert from_npz.true_mi is None
    from_csv = Arrays(str(csv_file), x=["a", "b", "c"], z="d").rows()
    assert from_csv.x_names == ["a", "b", "c"]
    assert same(from_npz, from_csv)
    assert same(from_npz, Arrays(pair).rows())
    assert same(from_npz, from_memory(TABLE[:, :3], torch.from_numpy(TABLE[:, 3])).rows())


def test_parquet_gives_the_same_bits(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    kind = np.random.default_rng(1).choice(["cat", "dog", "emu"], N)
    columns = dict(zip(NAMES, TABLE.T, strict=True))
    whole = {"kind": kind, "kept": pa.array(kind).dictionary_encode(), "yes": TABLE[:, 0] > 0}
    pq.write_table(pa.table({**columns, **whole}), tmp_path / "t.parquet")
    rows = Arrays(tmp_path / "t.parquet", x=NAMES[:3], z="d").rows()
    assert same(rows, Arrays(npz(tmp_path / "t.npz", x=TABLE[:, :3], z=TABLE[:, 3])).rows())
    for name in ("kind", "kept"):
        classes = Arrays(tmp_path / "t.parquet", x="a", z=name, categorical=[name]).rows()
        assert classes.z_names == [f"{name}=cat", f"{name}=dog", f"{name}=emu"]
        assert torch.equal(classes.z[:, 1], torch.from_numpy(kind == "dog").float())
    assert Arrays(tmp_path / "t.parquet", x="a", z="yes").rows().z.unique().tolist() == [0, 1]


def test_parquet_faults(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    path = tmp_path / "t.parquet"
    gap = [1.0, 2.0, None, *range(N - 3)]
    lists = [[1.0, 2.0]] * (N - 1) + [[3.0]]
    pair = [{"one": 1, "two": 2}] * N
    pq.write_table(pa.table({"a": TABLE[:, 0], "gap": gap, "lists": lists, "pair": pair}), path)
    refused: dict[str, Any] = {"path": path, "x": "a", "missing": "refuse"}
    assert "gap: missing in row 3: want a value in every row" in fault(z="gap", **refused)
    assert "lists: lists of 1 to 2 values: want as many" in fault(path=path, x="a", z="lists")
    assert "pair: values of type struct" in fault(path=path, x="a", z="pair")
    assert "has a, gap, lists, pair" in fault(path=path, x="a", z="nil")
    path.write_bytes(path.read_bytes()[:200])
    assert "not a readable .parquet file" in fault(path=path, x="a", z="gap")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.dataset", None)
    assert "pip install 'mine-run[parquet]'" in fault(path=tmp_path / "t.parquet", x="a", z="b")


def test_classes_are_coded_in_ascending_order_from_every_file(tmp_path: Path) -> None:
    digit = np.arange(N) % 11
    table = np.column_stack([TABLE[:, 0], digit])
    csv_file = write_csv(tmp_path / "t.csv", table, ["a", "digit"])
    npz_file = npz(tmp_path / "t.npz", a=TABLE[:, 0], digit=digit)
    options: dict[str, Any] = {"x": "a", "z": "digit", "categorical": ["digit"]}
    rows = Arrays(csv_file, **options).rows()
    assert same(rows, Arrays(npz_file, **options).rows())
    assert torch.equal(rows.z.argmax(1), torch.from_numpy(digit))
    assert torch.equal(rows.z.sum(1), torch.ones(N))
    assert rows.z_categorical
    assert not rows.x_categorical
    assert not rows.warnings


@pytest.mark.parametrize(
    "codes",
    [
        ["007", "07", "7", "0016", "016", "16"],
        ["1E2", "100"],
        ["9007199254740992", "9007199254740993", "9007199254740995"],
        ["a", "b", "0123", "123"],
    ],
)
def test_text_that_reads_alike_as_numbers_is_two_classes(tmp_path: Path, codes: list[str]) -> None:
    """Ascending: by number where every code is one, the same number by its text."""
    drawn = np.array(codes)[np.arange(N) % len(codes)]
    lines = [f"{a},{code}" for a, code in zip(TABLE[:, 0].tolist(), drawn, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,code", *lines]) + "\n")
    npz_file = npz(tmp_path / "t.npz", a=TABLE[:, 0], code=drawn)
    numbers = all(code.isdigit() for code in codes)
    ascending = sorted(codes, key=lambda code: (int(code) if numbers else 0, code))
    options: dict[str, Any] = {"x": "a", "z": "code", "categorical": ["code"]}
    for path in (tmp_path / "t.csv", npz_file):
        rows = Arrays(path, **options).rows()
        assert rows.z_names == [f"code={code}" for code in ascending]
        assert [ascending[i] for i in rows.z.argmax(1)] == drawn.tolist()


def test_whole_numbers_are_classes_exactly(tmp_path: Path) -> None:
    large = 2**53 + np.arange(N) % 3
    rows = from_memory(TABLE, large, categorical=["z"]).rows()
    assert rows.z_names == [f"z={2**53 + i}" for i in range(3)]


def test_text_classes_and_mixed_columns(tmp_path: Path) -> None:
    sides = np.array(["left", "right"])[np.arange(N) % 2]
    lines = [
        "a,side,z",
        *(
            f"{v!r}, {s} ,{w!r}"
            for v, s, w in zip(TABLE[:, 0].tolist(), sides, TABLE[:, 1].tolist(), strict=True)
        ),
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    rows = Arrays(tmp_path / "t.csv", x=["a", "side"], z="z", categorical=["side"]).rows()
    assert rows.x.shape == (N, 3)
    assert rows.x_names == ["a", "side=left", "side=right"]
    assert not rows.x_categorical
    npz_file = npz(tmp_path / "t.npz", a=TABLE[:, 0], side=sides, z=TABLE[:, 1])
    assert same(rows, Arrays(npz_file, ["a", "side"], "z", categorical=["side"]).rows())


def test_few_whole_numbers_draw_one_warning(tmp_path: Path) -> None:
    table = np.column_stack([np.arange(N) % 20, np.arange(N) % 3, np.arange(N) % 21, TABLE[:, 0]])
    path = write_csv(tmp_path / "t.csv", table)
    (warning,) = Arrays(path, x=["a", "b", "c"], z="d").rows().warnings
    assert "t.csv: a, b: at most 20 different whole numbers" in warning
    (warning,) = Arrays(path, x=["a", "c"], z="d", categorical=["c"]).rows().warnings
    assert "t.csv: a: at most" in warning


def test_a_ready_one_hot_code_is_categorical() -> None:
    rows = from_memory(np.eye(3)[np.arange(N) % 3], TABLE).rows()
    assert rows.x_categorical
    assert not rows.warnings


def test_a_column_on_both_sides_draws_a_warning() -> None:
    (warning,) = from_memory(TABLE[:, :3], TABLE[:, 2:]).rows().warnings
    assert "x[2] of x is z[0] of z in every row" in warning


@pytest.mark.parametrize(("factor", "offset"), [(1.0, 1e6), (1.0, 1.7e9), (1e-50, 0.0)])
def test_values_that_float32_loses_stay_as_they_are(factor: float, offset: float) -> None:
    """A clock's reading, a likelihood: the margins take offset and scale off in float64."""
    moved = np.random.default_rng(0).normal(size=(400, 2)) * [1, factor] + [0, offset]
    rows = from_memory(moved, TABLE[:, 2].repeat(400 // len(TABLE) + 1)[:400]).rows()
    assert rows.warnings == []
    assert rows.x.dtype == torch.float64
    seen = Standardise.fit(rows.x)(rows.x)
    expected = Standardise.fit(torch.from_numpy(moved))(torch.from_numpy(moved))
    assert torch.allclose(seen, expected)
    assert len(identical_rows(rows.x[:, 1:]).unique()) == 400


def test_groups(tmp_path: Path) -> None:
    who = np.array(["ann", "bob", "cy"])[np.arange(N) % 3]
    npz_file = npz(tmp_path / "t.npz", x=TABLE, z=TABLE[:, 0] * 2, who=who)
    lines = [
        "a,b,who",
        *(f"{v!r},{w!r},{g}" for (v, w), g in zip(TABLE[:, :2].tolist(), who, strict=True)),
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    for data in (
        Arrays(npz_file, group_column="who"),
        Arrays(tmp_path / "t.csv", "a", "b", group_column="who"),
        from_memory(TABLE, TABLE[:, 0] * 2, groups=list(who)),
    ):
        groups = data.rows().groups
        assert groups is not None
        assert torch.equal(groups, torch.arange(N) % 3)
    by_column = Arrays(tmp_path / "t.csv", "a", "b", group_column="a").rows().groups
    assert by_column is not None
    assert len(by_column.unique()) == N
    assert "split=groups:you: not there" in fault(path=npz_file, group_column="you")
    assert "groups: shape [150, 4]" in fault(path=npz_file, group_column="x")


def test_images_and_other_shapes_in_memory() -> None:
    images = torch.zeros(N, 1, 8, 8, dtype=torch.uint8)
    images[:, :, 4, 4] = torch.arange(N, dtype=torch.uint8)[:, None]
    rows = from_memory(images, torch.arange(N, dtype=torch.bfloat16)).rows()
    assert rows.x.shape == (N, 1, 8, 8)
    assert rows.z.shape == (N, 1)
    assert rows.x.dtype == rows.z.dtype == torch.float32
    needs_grad = torch.from_numpy(TABLE).requires_grad_()
    assert not from_memory(needs_grad, TABLE[:, 0].tolist()).rows().x.requires_grad


def test_memory_with_classes() -> None:
    words = np.array(["no", "yes"], dtype=object)[np.arange(N) % 2]
    rows = from_memory(TABLE, words, categorical=["z"]).rows()
    assert rows.z_names == ["z=no", "z=yes"]
    assert rows.z_categorical
    assert finite_rows(from_memory(TABLE, words, categorical=["z"])) is not None


@pytest.mark.parametrize(
    ("x", "z", "told"),
    [
        (TABLE, TABLE[:-1], "rows: x has 150, z has 149: want as many in each"),
        (TABLE[:50], TABLE[:50, 0], "50 rows: want at least 100"),
        (TABLE[:0], TABLE[:0], "0 rows: want at least 100"),
        (TABLE * [1, np.nan, 1, 1], TABLE, "x: NaN or infinite in row 1 and 149 more"),
        (
            np.where(np.arange(N) == 6, np.inf, TABLE[:, 0]),
            TABLE,
            "x: NaN or infinite in row 7: want",
        ),
        (TABLE * [1, 0, 1, 0], TABLE, "x[1], x[3]: the same value in every row"),
        (np.zeros((N, 3, 3)), TABLE, "x: the same value in every row"),
        (TABLE * 1e300, TABLE, "x: beyond 3e38"),
        (np.array([{}] * N, object), TABLE, "x: values of type object"),
        (TABLE + 1j, TABLE, "x: values of type complex128"),
        (TABLE.astype("datetime64[s]"), TABLE, "x: values of type datetime64[s]"),
        (["a"] * N, TABLE, "x: the same class in every row"),
        (np.arange(N).astype(str), TABLE, "x: 150 classes: want at most 50; an identifier"),
        (np.zeros((N, 0)), TABLE, "no columns: want at least one"),
        (3.0, TABLE, "x: a single value"),
        (None, TABLE, "x: a single value"),
        ([[1, 2], [3]], TABLE, "x: "),
        (np.ma.masked_invalid(TABLE * [1, np.nan, 1, 1]), TABLE, "x: missing in row 1 and"),
    ],
)
def test_faults_in_memory(x: Any, z: Any, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        from_memory(x, z)
    assert caught.value.faults[0].startswith(told)


@pytest.mark.parametrize(
    ("z", "told"),
    [
        (np.arange(2000), "z: 2000 classes: want at most 1000"),
        (["same"] * 2000, "z: the same class in every row"),
        (np.where(np.arange(2000) > 5, np.nan, 1.0), "z: NaN or infinite"),
        (np.zeros((2000, 2, 2)), "z: shape [2000, 2, 2]"),
    ],
)
def test_faults_in_classes(z: Any, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        from_memory(np.arange(2000.0), z, categorical=["z"])
    assert caught.value.faults[0].startswith(told)


def test_series_are_paired_where_their_indexes_are_alike() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(TABLE, columns=NAMES).sample(frac=1, random_state=0)
    values = frame.to_numpy()
    who = pd.Series(np.arange(N) % 3, frame.index)
    rows = from_memory(frame[["a", "b"]], frame["d"], groups=who).rows()
    assert same(rows, from_memory(values[:, :2], values[:, 3]).rows())
    told = "x, z: rows of another index, or in another order: want the same index"
    with pytest.raises(BadInput, match=told):
        from_memory(frame["a"], frame["d"].sort_index())
    with pytest.raises(BadInput, match="x, groups: rows of another index"):
        from_memory(frame["a"], TABLE[:, 0] + 1, groups=who.reset_index(drop=True))
    assert len(from_memory(frame["a"], frame["d"].sort_index().to_numpy()).rows()) == N
    with pytest.raises(BadInput, match="rows: x has 150, z has 149"):
        from_memory(frame["a"], frame["d"][:-1])


def test_faults_in_memory_come_all_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        from_memory(TABLE[:120] * np.nan, TABLE * [0, 1, 1, 1])
    assert len(caught.value.faults) == 3
    with pytest.raises(BadInput, match="categorical=w: want x or z"):
        from_memory(TABLE, TABLE, categorical=["w"])


def test_choices_from_a_csv(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv")
    assert faults(path=path) == (
        f"dataset.x is not set: {path} has a, b, c, d: want one or a list of these",
        f"dataset.z is not set: {path} has a, b, c, d: want one or a list of these",
    )
    assert "dataset.z=e, f: not there" in fault(path=path, x="a", z=["e", "f"])
    assert "share b" in fault(path=path, x=["a", "b"], z=["b", "c"])
    assert "given and dataset.x share a" in fault(path=path, x="a", z="b", given=["a", "c"])
    assert "given and dataset.z share b" in fault(path=path, x="a", z="b", given="b")
    assert "given=q: not there" in fault(path=path, x="a", z="b", given="q")
    assert "given=c, c: a name twice" in fault(path=path, x="a", z="b", given=["c", "c"])
    assert "a name twice" in fault(path=path, x=["a", "a"], z="b")
    assert "dataset.x=2020.1: not there" in fault(path=path, x=2020.1, z="b")
    assert "dataset.z=[]" in fault(path=path, x="a", z=[])
    assert "dataset.categorical=no" in fault(path=path, x="a", z="b", categorical=["no", "d"])
    many = faults(path=path, x="no", z=["a", "a"], categorical="e", group_column="who")
    assert len(many) == 4


def test_choices_from_a_npz_and_a_pair(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", x=TABLE, other=TABLE)
    assert fault(path=path) == (
        f"dataset.z is not set: {path} has x, other: want one or a list of these"
    )
    pair = [tmp_path / "x.npy", tmp_path / "z.npy"]
    for file in pair:
        np.save(file, TABLE)
    assert "no names: want null" in fault(path=pair, x="x")
    assert "split=groups:x: not there" in fault(path=pair, group_column="x")


def test_several_arrays_of_a_npz_are_joined(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", a=TABLE[:, 0], b=TABLE[:, 1:3], z=TABLE[:, 3], c=TABLE[:9])
    rows = Arrays(path, x=["a", "b"]).rows()
    assert torch.equal(rows.x, torch.from_numpy(TABLE[:, :3]).float())
    assert rows.x_names == ["a", "b[0]", "b[1]"]
    assert "a has 150, c has 9, z has 150" in fault(path=path, x=["a", "c"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: empty"),
        ("1,2\n3,4\n", "has 1, 2, which are numbers"),
        ("a,b,a\n1,2,3\n", "line 1: 'a' more than once"),
        ("a|b\n1|2\n", "line 1: one column 'a|b': want dataset.separator='|'"),
        ("a,b\n" + "1,2\n" * 3 + "1,2,3\n", "line 5: 3 cells: want 2, as in line 1"),
        ("a,b\n" + "1,2\n" * 3 + "\n\n1\n", "line 7: 1 cells: want 2"),
        ("a,b\n1,2\n3,four\n5,six\n", "line 3, column b: 'four' is no number (and 1 more"),
        ("a,b\n1,\n\n\n3,\n", "b: no value in any row"),
        ("a,b\n1_000,2\n", "line 2, column a: '1_000' is no number"),
        ("a,b\n", "0 rows: want at least 100"),
        ('a,b\n"1,2\n', "line 2: a quote opens here and takes in all to line 2"),
        ("a,b\n1,nan\n\n" + "1,2\n2,inf\n" * 99, "b: NaN or infinite in line 5 and 98 more"),
    ],
)
def test_faults_in_a_csv(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    found = faults(path=path, x="a", z="b")
    assert all(str(path) in line for line in found)
    assert told in found[0]


@pytest.mark.parametrize("closed", [80, 12, None])
@pytest.mark.parametrize("used", [True, False])
def test_a_quote_that_swallows_rows_is_refused_with_its_line(
    tmp_path: Path, closed: int | None, used: bool
) -> None:
    """Feet and inches in a remark: the rows between two quotes would be one cell."""
    remarks = ["pipe"] * N
    remarks[10] = '"6 ft pipe'
    if closed is not None:
        remarks[closed] = 'pipe, 8"'
    lines = [f"{a},{b},{r}" for (a, b), r in zip(TABLE[:, :2].tolist(), remarks, strict=True)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,remark", *lines]) + "\n")
    options: dict[str, Any] = (
        {"x": ["a", "remark"], "categorical": ["remark"]} if used else {"x": "a"}
    )
    assert fault(path=path, z="b", **options) == (
        f"{path} line 12: a quote opens here and takes in all to line "
        f"{(N if closed is None else closed + 1) + 1}: want it closed in its cell, or doubled"
    )


def test_a_quote_open_for_longer_than_a_cell_may_be(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,2\n1,"2\n' + "1,2\n" * 50_000)
    assert fault(path=path, x="a", z="b").startswith(f"{path} line 3: field larger than")


def test_a_quote_in_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,"b\n' + "1,2\n" * 200)
    assert fault(path=path, x="a", z="b").startswith(f"{path} line 1: a quote opens here")


def test_cells_of_several_lines_and_literal_quotes_are_read(tmp_path: Path) -> None:
    """Two lines of text are one cell, and the lines after it keep their numbers."""
    remarks = ['"two\nlines, and a comma"', '8" pipe', '"a ""quoted"" word"'] * (N // 3)
    lines = [f"{a},{b},{r}" for (a, b), r in zip(TABLE[:, :2].tolist(), remarks, strict=True)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,remark", *lines]) + "\n")
    rows = Arrays(path, ["a", "remark"], "b", categorical=["remark"]).rows()
    assert len(rows) == N
    assert rows.x_names[1:] == [
        'remark=8" pipe',
        'remark=a "quoted" word',
        "remark=two\nlines, and a comma",
    ]
    path.write_text(path.read_text() + "1,word,\n")
    assert f"line {N + N // 3 + 2}, column b: 'word'" in fault(path=path, x="a", z="b")


def test_a_bad_cell_is_quoted_shortened(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,{'long ' * 100}\n1,2\n")
    assert fault(path=path, x="a", z="b") == (
        f"{path} line 2, column b: '{('long ' * 8)}...' is no number: want a number, or the "
        "column in dataset.categorical"
    )


def test_names_that_nobody_chose_may_be_empty_or_stand_twice(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", names=["a", "b", "", ""])
    assert same(Arrays(path, x="a", z="b").rows(), from_memory(TABLE[:, 0], TABLE[:, 1]).rows())


def test_faults_of_several_columns_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\none,2,?\n1,two,?\n2,3,4\n")
    found = faults(path=path, x=["a", "b"], z="c")
    assert [told.split(": ")[0].rsplit(" ", 1)[1] for told in found] == ["a", "b", "c"]
    assert "column c: '?' is no number (and 1 more such cells)" in found[2]


def test_a_csv_with_a_byte_mark_blank_lines_quotes_and_unused_text(tmp_path: Path) -> None:
    lines = [f'{a!r},"{b!r}",some text' for a, b in TABLE[:, :2].tolist()]
    lines.insert(3, "")
    text = "﻿ a ,b,note\r\n" + "\r\n".join(lines) + "\r\n\r\n"
    (tmp_path / "t.csv").write_bytes(text.encode())
    rows = Arrays(tmp_path / "t.csv", x="a", z="b").rows()
    assert torch.equal(rows.x, torch.from_numpy(TABLE[:, :1]).float())
    assert torch.equal(rows.z, torch.from_numpy(TABLE[:, 1:2]).float())


def test_a_csv_longer_than_a_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mine_cli.data.tables.csv.ROWS_AT_ONCE", 64)
    path = write_csv(tmp_path / "t.csv")
    assert torch.equal(
        Arrays(path, x="a", z="b").rows().x[:, 0], torch.from_numpy(TABLE[:, 0]).float()
    )
    path.write_text(path.read_text() + "x,1,1,1\n")
    assert f"line {N + 2}, column a: 'x'" in fault(path=path, x="a", z="b")


def test_missing_and_malformed_files(tmp_path: Path) -> None:
    assert "no such file: want .npz, .csv" in fault(path=tmp_path / "none.csv", x="a", z="b")
    assert "want .npz" in fault(path=tmp_path / "t.txt")
    assert "want .npz" in fault(path=[tmp_path / "x.npy"])
    assert len(faults(path=[tmp_path / "x.npy", tmp_path / "z.npy"])) == 2
    (tmp_path / "d.npz").mkdir()
    assert "not a file" in fault(path=tmp_path / "d.npz")
    (tmp_path / "t.npz").write_bytes(b"not a zip")
    assert "not a readable .npz file" in fault(path=tmp_path / "t.npz")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00")
    np.save(tmp_path / "z.npy", TABLE)
    assert "x.npy: not a readable .npy file" in fault(
        path=[tmp_path / "x.npy", tmp_path / "z.npy"]
    )


def test_a_damaged_npz(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", x=TABLE, z=TABLE)
    content = bytearray(path.read_bytes())
    content[500:520] = b"\0" * 20
    path.write_bytes(content)
    assert "array x: not a readable .npz file" in fault(path=path)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.call, ([sys.executable, "-c", "open('ran', 'w')"],)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bombs = np.empty(N, dtype=object)
    bombs[:] = [Bomb() for _ in range(N)]
    np.savez("t.npz", x=bombs, z=TABLE)
    np.save("x.npy", bombs, allow_pickle=True)
    np.save("z.npy", TABLE)
    Path("p.npz").write_bytes(pickle.dumps(Bomb()))
    assert "never unpickled" in fault(path="t.npz")
    assert "never unpickled" in fault(path=["x.npy", "z.npy"])
    assert "not a readable .npz" in fault(path="p.npz")
    assert not Path("ran").exists()


def test_the_file_is_read_once_and_named(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", x=TABLE, z=TABLE[:, 0] + 1)
    data = Arrays(path)
    assert data.files == [path]
    assert data.rows() is data.rows()


def test_pandas_is_imported_for_a_csv_alone(tmp_path: Path) -> None:
    npz(tmp_path / "t.npz", x=TABLE, z=TABLE[:, 0] + 1)
    write_csv(tmp_path / "t.csv")
    look = (
        "import sys; from mine_cli.data.arrays import Arrays; Arrays('t.npz').rows(); "
        "assert 'pandas' not in sys.modules; Arrays('t.csv', 'a', 'b').rows(); "
        "assert 'pandas' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", look], check=True, cwd=tmp_path)
