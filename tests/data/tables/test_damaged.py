"""Damaged files of all formats: rows that are numbers, or one line that names the file."""

import io
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mine_cli.data.arrays import Arrays
from mine_cli.data.tables.table import KINDS
from mine_cli.errors import BadInput

ROWS = 150


def columns() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(ROWS, 2))
    return x, x[:, :1] ** 2


def archive(save: Callable[..., None]) -> bytes:
    file, (x, z) = io.BytesIO(), columns()
    save(file, x=x, z=z)
    return file.getvalue()


def array(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def text(separator: str) -> bytes:
    x, z = columns()
    lines = [separator.join(map(repr, map(float, row))) for row in np.hstack([x, z])]
    return "\n".join([separator.join(["a", "b", "z"]), *lines, ""]).encode()


def table(kind: str) -> bytes:
    import pandas as pd

    x, z = columns()
    file = io.BytesIO()
    frame = pd.DataFrame(np.hstack([x, z]), columns=["a", "b", "z"])
    frame.to_parquet(file) if kind == "parquet" else frame.to_feather(file)
    return file.getvalue()


MAKE: dict[str, Callable[[], bytes]] = {
    ".npz": lambda: archive(np.savez),
    "packed.npz": lambda: archive(np.savez_compressed),
    ".npy": lambda: array(columns()[0]),
    ".csv": lambda: text(","),
    ".tsv": lambda: text("\t"),
    ".parquet": lambda: table("parquet"),
    ".feather": lambda: table("feather"),
}
FORMATS = [name for name in MAKE if f".{name.rpartition('.')[2]}" in KINDS]


@cache
def sound(name: str) -> bytes:
    return MAKE[name]()


Damage = tuple[str, int, bytes]


def damages() -> st.SearchStrategy[list[Damage]]:
    """What happens to a file: bytes of it changed, lost, added, doubled or cut off."""
    one = st.tuples(
        st.sampled_from(["flip", "flip", "set", "insert", "delete", "cut", "double", "zero"]),
        st.integers(0, 10**6),
        st.one_of(
            st.binary(min_size=1, max_size=8),
            st.sampled_from([b"\0", b"\xff" * 4, b'"', b"\n", b",", b"9" * 12, b"nan", b"'\xc3"]),
        ),
    )
    return st.lists(one, min_size=1, max_size=3)


def damaged(content: bytes, what: list[Damage]) -> bytes:
    for kind, place, new in what:
        if not content:
            break
        at = place % len(content)
        if kind == "flip":
            content = content[:at] + bytes([content[at] ^ (1 << new[0] % 8)]) + content[at + 1 :]
        elif kind == "set":
            content = content[:at] + new + content[at + len(new) :]
        elif kind == "insert":
            content = content[:at] + new + content[at:]
        elif kind == "delete":
            content = content[:at] + content[at + len(new) :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "double":
            content = content[:at] + content[max(0, at - 64) :]
        else:
            content = content[:at] + bytes(len(new)) + content[at + len(new) :]
    return content


def check(folder: Path, name: str, content: bytes) -> None:
    file = folder / f"rows.{name.rpartition('.')[2]}"
    file.write_bytes(content)
    there = sorted(folder.iterdir())
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            if file.suffix == ".npy":
                (folder / "z.npy").write_bytes(array(columns()[1]))
                there = sorted(folder.iterdir())
                rows = Arrays([file, folder / "z.npy"]).rows()
            elif file.suffix == ".npz":
                rows = Arrays(file).rows()
            else:
                rows = Arrays(file, x=["a", "b"], z="z").rows()
        except BadInput as stop:
            for fault in stop.faults or ("nothing is said",):
                assert str(file) in fault or str(folder / "z.npy") in fault, fault
                assert "\n" not in fault
                assert len(fault) < 1000, fault
        else:
            assert len(rows.x) == len(rows.z) > 0
            assert rows.x.isfinite().all()
            assert rows.z.isfinite().all()
    assert sorted(folder.iterdir()) == there


ANY = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("name", FORMATS)
def test_the_sound_file_is_read(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"rows.{name.rpartition('.')[2]}"
    file.write_bytes(sound(name))
    if file.suffix == ".npy":
        (tmp_path / "z.npy").write_bytes(array(columns()[1]))
        assert len(Arrays([file, tmp_path / "z.npy"]).rows().x) == ROWS
    elif file.suffix == ".npz":
        assert len(Arrays(file).rows().x) == ROWS
    else:
        assert len(Arrays(file, x=["a", "b"], z="z").rows().x) == ROWS


@given(st.sampled_from(FORMATS), damages())
@settings(ANY, max_examples=200)
def test_damaged_files(tmp_path: Path, name: str, what: list[Damage]) -> None:
    check(tmp_path, name, damaged(sound(name), what))


@pytest.mark.long
@given(st.sampled_from(FORMATS), damages())
@settings(ANY, max_examples=10_000, derandomize=False, database=None)
def test_ten_thousand_damaged_files(tmp_path: Path, name: str, what: list[Damage]) -> None:
    check(tmp_path, name, damaged(sound(name), what))


def header(text: str) -> bytes:
    """A .npy file whose header says this, and no numbers."""
    words = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words


@pytest.mark.parametrize(
    "content",
    {
        "nothing": b"",
        "no header": b"\x93NUMPY\x01\x00",
        "no version": b"\x93NUMPY\x09\x09\x10\x00" + b" " * 16,
        "no dictionary": header("{'descr': "),
        "no shape": header("{'descr': '<f8', 'fortran_order': False}"),
        "too many rows": header(
            "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000, 2)}"
        ),
        "overflow": header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**30},)}}"),
        "negative": header("{'descr': '<f8', 'fortran_order': False, 'shape': (-40, 2)}"),
        "no type": header("{'descr': 'zz', 'fortran_order': False, 'shape': (40, 2)}"),
        "records": header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (0,)}"),
        "objects": header("{'descr': '|O', 'fortran_order': False, 'shape': (40, 2)}"),
        "depth": header("(" * 3000),
        "no rows": header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2)}"),
        "no axis": header("{'descr': '<f8', 'fortran_order': False, 'shape': ()}") + bytes(8),
    }.values(),
)
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_a_damaged_header_names_the_file(kind: str, content: bytes, tmp_path: Path) -> None:
    import zipfile

    if kind == "npz":
        with zipfile.ZipFile(tmp_path / "rows.npz", "w") as made:
            made.writestr("x.npy", content)
            made.writestr("z.npy", array(columns()[1]))
        content = (tmp_path / "rows.npz").read_bytes()
    file = tmp_path / f"rows.{kind}"
    file.write_bytes(content)
    (tmp_path / "z.npy").write_bytes(array(columns()[1]))
    with pytest.raises(BadInput) as caught:
        Arrays([file, tmp_path / "z.npy"] if kind == "npy" else file).rows()
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("method", [12345, 99])
def test_a_member_packed_in_an_unknown_way_names_the_file(method: int, tmp_path: Path) -> None:
    content = bytearray(sound(".npz"))
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):  # local and central headers
        at = content.find(mark)
        while at >= 0:
            content[at + place : at + place + 2] = method.to_bytes(2, "little")
            at = content.find(mark, at + 4)
    (tmp_path / "rows.npz").write_bytes(content)
    with pytest.raises(BadInput, match=r"rows\.npz"):
        Arrays(tmp_path / "rows.npz").rows()


def test_a_member_that_is_no_array_is_named(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as made:
        made.writestr("x", b"text")
        made.writestr("z.npy", array(columns()[1]))
    with pytest.raises(BadInput, match=r"rows\.npz array x: "):
        Arrays(tmp_path / "rows.npz").rows()
