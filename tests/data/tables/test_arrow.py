"""Parquet and Feather: embeddings in lists, gaps, folders of files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mine_cli.data.arrays import Arrays
from mine_cli.errors import BadInput

pa = pytest.importorskip("pyarrow", reason="an extra")
pq = pytest.importorskip("pyarrow.parquet", reason="an extra")
feather = pytest.importorskip("pyarrow.feather", reason="an extra")

N, D = 150, 4
RNG = np.random.default_rng(5)
E, B = RNG.normal(size=(N, D)).astype(np.float32), RNG.normal(size=N)


def table(column: Any) -> Any:
    return pa.table({"e": column, "b": B})


def fault(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        Arrays(path, "e", "b").rows()
    (only,) = caught.value.faults
    return only


LISTS = {
    "fixed": pa.FixedSizeListArray.from_arrays(pa.array(E.ravel()), D),
    "lists": pa.array(E.tolist(), pa.list_(pa.float32())),
    "large": pa.array(E.tolist(), pa.large_list(pa.float32())),
    "chunked": pa.chunked_array([pa.array(E[:99].tolist()), pa.array(E[99:].tolist())]),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_in_each_row_is_columns(kind: str, tmp_path: Path) -> None:
    pq.write_table(table(LISTS[kind]), tmp_path / "t.parquet")
    feather.write_feather(table(LISTS[kind]), tmp_path / "t.feather")
    for path in (tmp_path / "t.parquet", tmp_path / "t.feather"):
        rows = Arrays(path, "e", "b").rows()
        assert torch.equal(rows.x, torch.from_numpy(E))
        assert rows.x_names == [f"e[{i}]" for i in range(D)]


def test_lists_of_lists_are_images(tmp_path: Path) -> None:
    images = E.reshape(N, 2, 2)
    pq.write_table(table(pa.array(images.tolist())), tmp_path / "t.parquet")
    assert torch.equal(
        Arrays(tmp_path / "t.parquet", "e", "b").rows().x, torch.from_numpy(images).float()
    )


@pytest.mark.parametrize("at", [0, 3])
def test_a_list_that_is_missing_or_has_a_gap_is_left_out(at: int, tmp_path: Path) -> None:
    cells: list[Any] = E.tolist()
    cells[at], cells[9] = None, [1.0, None, 2.0, 3.0]
    pq.write_table(table(pa.array(cells)), tmp_path / "t.parquet")
    rows = Arrays(tmp_path / "t.parquet", "e", "b").rows()
    assert torch.equal(rows.x, torch.from_numpy(np.delete(E, [at, 9], axis=0)))
    assert (rows.read, rows.gaps) == (N, {"e": 2})


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ([[1.0]] * (N - 1) + [[1.0, 2.0]], "lists of 1 to 2 values: want as many in every row"),
        ([{"one": 1.0}] * N, "values of type struct<one: double>: want numbers"),
        ([None] * N, "values of type null: want numbers"),
    ],
)
def test_what_has_no_columns(column: Any, told: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(pa.array(column)), path)
    assert fault(path).startswith(f"{path} column e: {told}")


def test_a_folder_of_files_is_one_table(tmp_path: Path) -> None:
    """As Spark and Dask write it, in the order of the files, with the folders as a column."""
    for i, day in enumerate(("mon", "tue", "wed")):
        (tmp_path / "t" / f"day={day}").mkdir(parents=True)
        part = table(LISTS["fixed"]).slice(50 * i, 50)
        pq.write_table(part, tmp_path / "t" / f"day={day}" / "part-0.parquet")
    (tmp_path / "t" / "_SUCCESS").touch()
    data = Arrays(tmp_path / "t", "e", ["b", "day"])
    assert torch.equal(data.rows().x, torch.from_numpy(E))
    assert data.rows().z_names == ["b", "day=mon", "day=tue", "day=wed"]
    assert len(data.files) == 3


def test_gaps_and_whole_numbers(tmp_path: Path) -> None:
    codes = [None, *(2**53 + i % 2 for i in range(1, N))]
    words = pa.array(["u", None, *"uv" * (N // 2 - 1)]).dictionary_encode()
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"code": codes, "word": words, "b": B}), path)
    rows = Arrays(path, ["code", "word"], "b", categorical=["code"]).rows()
    assert rows.x_names == [f"code={2**53}", f"code={2**53 + 1}", "word=u", "word=v"]
    assert (rows.read, len(rows), rows.gaps) == (N, N - 2, {"code": 1, "word": 1})
