"""Tables and arrays of other libraries, as they are."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from mine_cli.data import Rows
from mine_cli.data.arrays import from_memory
from mine_cli.errors import BadInput

N = 200
RNG = np.random.default_rng(4)
A, B = RNG.normal(size=(2, N))
KIND = np.array(["cat", "dog", "emu", "fox"])[np.arange(N) % 4]


def fault(x: Any, z: Any = B, **options: Any) -> str:
    with pytest.raises(BadInput) as caught:
        from_memory(x, z, **options).rows()
    (only,) = caught.value.faults
    return only


def same(first: Rows, second: Rows) -> bool:
    return torch.equal(first.x, second.x) and torch.equal(first.z, second.z)


def test_a_frame_of_mixed_types() -> None:
    frame = pd.DataFrame({"a": A, "q": A > 0, "kind": pd.Categorical(KIND), "n": np.arange(N)})
    rows = from_memory(frame, B).rows()
    assert rows.x_names == ["a", "q", *(f"kind={k}" for k in ("cat", "dog", "emu", "fox")), "n"]
    assert torch.equal(rows.x[:, 1], torch.from_numpy(A > 0).float())
    assert not rows.warnings
    stage = frame.assign(stage=np.arange(N) % 3)[["a", "stage"]]
    assert from_memory(stage, B, categorical=["stage"]).rows().x.shape == (N, 4)
    assert fault(frame.rename(columns={"a": "n"})) == "x: a frame with a name twice: " + (
        "want each name once"
    )


@pytest.mark.parametrize("kind", ["Float64", "Int64", "boolean", "string", "category", "object"])
def test_gaps_in_every_type_of_pandas(kind: str) -> None:
    """Dropped and counted, as in a file."""
    whole = {"Float64": A, "Int64": np.arange(N), "boolean": A > 0}.get(kind, KIND)
    values = pd.Series(list(whole), dtype=kind)
    values[7] = None
    rows = from_memory(values, pd.Series(B)).rows()
    kept = np.delete(np.arange(N), 7)
    assert same(rows, from_memory(whole[kept], B[kept]).rows())
    assert (rows.read, rows.gaps) == (N, {"x": 1})
    assert "x: missing in row 8: want" in fault(values, missing="refuse")


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_labels_with_a_missing_one(missing: Any) -> None:
    """An array is no table: a gap is refused unless it is to be dropped."""
    labels = np.array([*KIND], dtype=object)
    labels[3] = missing
    told = "z: missing in row 4: want a value in every row, or dataset.missing=drop"
    with pytest.raises(BadInput, match=told):
        from_memory(A, labels)
    assert len(from_memory(A, labels, missing="drop").rows()) == N - 1
    assert len(from_memory(A, pd.Series(labels)).rows()) == N - 1


def test_nan_in_an_array_is_refused_or_dropped() -> None:
    holes = A.copy()
    holes[5] = np.nan
    assert "x: NaN or infinite in row 6: want numbers" in fault(holes)
    assert from_memory(holes, B, missing="drop").rows().gaps == {"x": 1}


def test_whole_numbers_beside_a_gap_stay_exact() -> None:
    """As classes two codes above 2^53 that differ in the last place are two."""
    codes = [2**53 + i % 2 if i else None for i in range(N)]
    for column in (pd.Series(codes, dtype="Int64"), pd.Series(codes, dtype=object)):
        rows = from_memory(column, B, categorical=["x"]).rows()
        assert rows.x_names == [f"x={2**53}", f"x={2**53 + 1}"]


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_matrix"])
def test_sparse_is_refused_by_name(kind: str) -> None:
    sparse = getattr(scipy.sparse, kind)(np.c_[A, B])
    assert fault(sparse) == "x: a sparse matrix: want it dense, x.toarray()"
    assert fault(A, sparse) == "z: a sparse matrix: want it dense, z.toarray()"


def test_frames_of_unlike_indexes_are_refused() -> None:
    a, b = pd.Series(A), pd.DataFrame({"b": B})
    for other in (b.sample(frac=1, random_state=0), b.set_index(b.index + 1), b[::-1]):
        assert fault(a, other).startswith("x, z: rows of another index, or in another order")
    assert same(from_memory(a, b).rows(), from_memory(A, B).rows())


def test_frames_with_a_name_in_common() -> None:
    x, z = pd.DataFrame({"v": A}), pd.DataFrame({"v": B})
    assert same(from_memory(x, z).rows(), from_memory(A, B).rows())
    with pytest.raises(BadInput, match="rows: v has 200, v has 150: want as many"):
        from_memory(x, z[:150])


def test_polars_as_it_is() -> None:
    pl = pytest.importorskip("polars", reason="not a dependency")
    kinds = {"kind": [*KIND[:-1], None], "grade": pl.Series([*KIND], dtype=pl.Categorical)}
    frame = pl.DataFrame({"a": A, "q": A > 0, **kinds})
    rows = from_memory(frame, pl.Series(B)).rows()
    wanted = pd.DataFrame({"a": A, "q": A > 0, "kind": [*KIND[:-1], None], "grade": KIND})
    assert same(rows, from_memory(wanted, B).rows())
    assert (rows.read, rows.gaps) == (N, {"kind": 1})
    assert fault(frame.lazy()) == "x: a frame that is not read yet: want x.collect()"


def test_xarray_as_it_is() -> None:
    xr = pytest.importorskip("xarray", reason="not a dependency")
    place = {"time": np.arange(N)}
    x, z = (xr.DataArray(v, dims="time", coords=place) for v in (A, B))
    assert same(from_memory(x, z).rows(), from_memory(A, B).rows())
    both = xr.Dataset({"a": x, "b": z})
    assert from_memory(both, A + B).rows().x_names == ["a", "b"]
    assert fault(x, z[::-1]).startswith("x, z: rows of another index")
    assert len(from_memory(x.where(x.time > 9), z).rows()) == N - 10
