"""`Arrays.labelled`: features and labels of a user's own files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mine_cli.data.arrays import Arrays
from mine_cli.data.labelled import Labelled, overlap
from mine_cli.errors import BadInput
from mine_cli.results.provenance import fingerprint

N, M = 200, 40
RNG = np.random.default_rng(0)
TABLE, TEST = 3 * RNG.standard_normal((N, 3)) + 5, 3 * RNG.standard_normal((M, 3)) + 5
LABELS, TEST_LABELS = np.arange(N) % 3, np.arange(M) % 3
ANIMALS = np.array(["emu", "cat", "dog"])


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def csv(path: Path, table: np.ndarray, labels: np.ndarray) -> Path:
    rows = [
        ",".join([*map(repr, row), str(y)]) for row, y in zip(table.tolist(), labels, strict=True)
    ]
    path.write_text("\n".join(["a,b,c,kind", *rows]) + "\n")
    return path


def files(folder: Path, **test: Any) -> dict[str, Path]:
    """A training file, and a test file some of whose arrays are these."""
    arrays = {"x": TEST, "z": TEST_LABELS} | test
    return {
        "path": npz(folder / "train.npz", x=TABLE, z=LABELS),
        "test_path": npz(folder / "test.npz", **arrays),
    }


def faults(**options: Any) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        Arrays(**options).labelled()
    assert all("\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


def fault(**options: Any) -> str:
    (only,) = faults(**options)
    return only


def same(first: Labelled, second: Labelled) -> bool:
    parts = ("x", "y", "test_x", "test_y")
    return all(torch.equal(getattr(first, part), getattr(second, part)) for part in parts)


# Classes


def test_labels_are_classes_in_ascending_order(tmp_path: Path) -> None:
    data = Arrays(**files(tmp_path)).labelled()
    assert torch.equal(data.y, torch.from_numpy(LABELS))
    assert torch.equal(data.test_y, torch.from_numpy(TEST_LABELS))
    assert (data.num_classes, data.names, data.bounds) == (3, ["0", "1", "2"], None)
    assert not data.warnings
    spread = npz(tmp_path / "spread.npz", x=TABLE, z=np.array([7.5, -2, 100])[LABELS])
    data = Arrays(spread).labelled()
    assert data.names == ["-2", "7.5", "100"]


@pytest.mark.parametrize("categorical", [[], ["kind"]])
def test_text_from_a_csv_and_a_npz(categorical: list[str], tmp_path: Path) -> None:
    train = csv(tmp_path / "train.csv", TABLE, ANIMALS[LABELS])
    test = csv(tmp_path / "test.csv", TEST, ANIMALS[TEST_LABELS])
    options: dict[str, Any] = {"z": "kind", "categorical": categorical}
    data = Arrays(train, ["a", "b", "c"], test_path=test, **options).labelled()
    assert data.names == ["cat", "dog", "emu"]
    assert [data.names[y] for y in data.y] == list(ANIMALS[LABELS])
    assert [data.names[y] for y in data.test_y] == list(ANIMALS[TEST_LABELS])
    from_npz = Arrays(
        npz(tmp_path / "train.npz", x=TABLE, kind=ANIMALS[LABELS]),
        test_path=npz(tmp_path / "test.npz", x=TEST, kind=ANIMALS[TEST_LABELS].astype(bytes)),
        **options,
    )
    assert same(data, from_npz.labelled())


def test_numbers_and_text_of_numbers_are_the_same_classes(tmp_path: Path) -> None:
    train = csv(tmp_path / "train.csv", TABLE, LABELS)
    test = npz(tmp_path / "test.npz", a=TEST[:, 0], b=TEST[:, 1], c=TEST[:, 2], kind=TEST_LABELS)
    data = Arrays(train, ["a", "b", "c"], "kind", test_path=test).labelled()
    assert data.names == ["0", "1", "2"]
    assert torch.equal(data.test_y, torch.from_numpy(TEST_LABELS))
    # "1" is text among the training rows for the sake of another label, and in a test file alone
    # it might be taken for a number.
    mixed = csv(tmp_path / "mixed.csv", TABLE, np.array(["1", "2", "many"])[LABELS])
    ones = csv(tmp_path / "ones.csv", TEST, np.full(M, 1))
    data = Arrays(mixed, ["a", "b", "c"], "kind", test_path=ones).labelled()
    assert data.names == ["1", "2", "many"]
    assert data.test_y.tolist() == [0] * M


def test_text_and_numbers_of_two_files_are_matched_exactly(tmp_path: Path) -> None:
    """A number is the class that writes it, unless two do; text is the class of the same text."""

    def labelled(train: list[Any], test: list[Any]) -> Labelled:
        y, test_y = (np.array(codes)[np.arange(N) % len(codes)] for codes in (train, test))
        given = {
            "path": npz(tmp_path / "train.npz", x=TABLE, z=y),
            "test_path": npz(tmp_path / "test.npz", x=TEST, z=test_y[:M]),
        }
        return Arrays(**given).labelled()

    def classes_of(train: list[Any], test: list[Any]) -> list[str]:
        data = labelled(train, test)
        return [data.names[y] for y in data.test_y[: len(test)]]

    assert classes_of(["07", "1E2", "8"], [7, 100, 8]) == ["07", "1E2", "8"]
    assert classes_of([7, 2**53, 2**53 + 1], ["07", "9007199254740993"]) == [
        "7",
        "9007199254740993",
    ]
    assert classes_of(["False", "True"], [True, False]) == ["True", "False"]
    assert classes_of(["007", "7"], [7]) == ["7"]
    for train, test, unknown in (
        (["007", "07"], [7], "7"),
        (["7", "8"], ["07"], "07"),
        ([7, 8], ["x"], "x"),
        ([2**53, 2**53 + 2], [2**53 + 1], "9007199254740993"),
    ):
        with pytest.raises(BadInput, match=f"does not have: {unknown}: want the same classes"):
            labelled(train, test)


def test_a_pair_of_files(tmp_path: Path) -> None:
    pairs = {}
    for part, x, z in (("path", TABLE, LABELS), ("test_path", TEST, TEST_LABELS)):
        pairs[part] = [tmp_path / f"{part}_x.npy", tmp_path / f"{part}_z.npy"]
        np.save(pairs[part][0], x)
        np.save(pairs[part][1], z[:, None])
    data = Arrays(**pairs)
    assert same(data.labelled(), Arrays(**files(tmp_path)).labelled())
    assert data.files == [*pairs["path"], *pairs["test_path"]]


# Features


def test_features_are_standardised_by_the_training_rows(tmp_path: Path) -> None:
    data = Arrays(**files(tmp_path)).labelled()
    assert data.x.dtype == data.test_x.dtype == torch.float32
    assert torch.allclose(data.x.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(data.x.std(0, correction=0), torch.ones(3), atol=1e-5)
    wanted = (TEST - TABLE.mean(0)) / TABLE.std(0)
    assert torch.allclose(data.test_x, torch.from_numpy(wanted).float(), atol=1e-5)
    alone = Arrays(tmp_path / "train.npz").labelled()
    assert torch.allclose(alone.x.mean(0), torch.zeros(3), atol=1e-5)
    assert alone.test_x.mean(0).abs().max() > 1e-3


def test_images_keep_their_shape(tmp_path: Path) -> None:
    images = RNG.integers(0, 255, (N, 1, 6, 6), dtype=np.uint8)
    data = Arrays(npz(tmp_path / "images.npz", x=images, z=LABELS)).labelled()
    assert data.x.shape == (180, 1, 6, 6)
    assert data.x.mean().item() == pytest.approx(0, abs=1e-5)


def test_columns_may_be_constant_but_not_all(tmp_path: Path) -> None:
    """The corners of small images are black throughout."""
    corners = TABLE * [1, 0, 1] + [0, 4, 0]
    data = Arrays(npz(tmp_path / "corners.npz", x=corners, z=LABELS)).labelled()
    assert torch.equal(data.x[:, 1], torch.zeros(180))
    assert not data.warnings
    black = npz(tmp_path / "black.npz", x=TABLE * 0, z=LABELS)
    assert fault(path=black) == (
        f"{black}: x[0], x[1], x[2]: the same in every row: want features that vary"
    )


def test_classes_among_the_features_are_coded_alike(tmp_path: Path) -> None:
    train = csv(tmp_path / "train.csv", TABLE, ANIMALS[LABELS])
    test = csv(tmp_path / "test.csv", TEST, np.array(["dog"] * M))
    wanted: dict[str, Any] = {"x": ["a", "kind"], "z": "yes", "categorical": ["kind"]}

    def with_yes(path: Path) -> Path:
        lines = path.read_text().splitlines()
        rows = [f"{line},{i % 2}" for i, line in enumerate(lines[1:])]
        path.write_text("\n".join([f"{lines[0]},yes", *rows]) + "\n")
        return path

    data = Arrays(with_yes(train), test_path=with_yes(test), **wanted).labelled()
    assert data.x.shape[1] == 4
    assert torch.equal(data.test_x[:, 1:], torch.tensor([0.0, 1.0, 0.0]).expand(M, 3))
    test = with_yes(csv(tmp_path / "test.csv", TEST, np.array(["dog", "gnu"])[np.arange(M) % 2]))
    assert fault(path=train, test_path=test, **wanted) == (
        f"{test}: kind: gnu: no class of the training rows"
    )


# The random tenth


def test_a_random_tenth_of_the_rows_tests(tmp_path: Path) -> None:
    path = npz(tmp_path / "train.npz", x=TABLE, z=LABELS)
    data, again, other = (Arrays(path, seed=seed).labelled() for seed in (0, 0, 1))
    assert (len(data.x), len(data.test_x)) == (180, 20)
    assert same(data, again)
    assert not torch.equal(data.test_y, other.test_y)
    assert overlap(data.x, data.test_x) == 0
    # Every row is in one part, with its own label.
    order = torch.cat([data.x, data.test_x])[:, 0].argsort()
    assert torch.equal(
        torch.cat([data.y, data.test_y])[order], torch.from_numpy(LABELS[TABLE[:, 0].argsort()])
    )


def test_twins_stay_together_whatever_their_labels(tmp_path: Path) -> None:
    x = np.repeat(TABLE[:50], 4, axis=0)
    data = Arrays(npz(tmp_path / "twins.npz", x=x, z=np.arange(N) % 2)).labelled()
    assert (len(data.x), len(data.test_x)) == (180, 20)
    assert overlap(data.x, data.test_x) == 0
    assert len(data.test_x.unique(dim=0)) == 5


def test_a_class_that_only_tests_draws_a_warning(tmp_path: Path) -> None:
    path = npz(tmp_path / "train.npz", x=TABLE, z=np.arange(N))
    data = Arrays(path).labelled()
    (warning,) = data.warnings
    assert warning.startswith(f"{path}: z: no row with the label ")
    assert warning.endswith(" trains")
    assert {int(word) for word in warning[:-7].split(" label ")[1].split(", ")} == set(
        data.test_y.tolist()
    )


def test_few_whole_numbers_draw_a_warning_as_features_alone(tmp_path: Path) -> None:
    x = np.column_stack([TABLE[:, 0], np.arange(N) % 5])
    (warning,) = Arrays(npz(tmp_path / "t.npz", x=x, z=LABELS)).labelled().warnings
    assert "t.npz: x[1]: at most 20 different whole numbers" in warning


# Refusals


def test_test_rows_that_train_are_refused(tmp_path: Path) -> None:
    given = files(tmp_path, x=np.concatenate([TEST[:37], TABLE[[5, 9, 9]]]))
    assert fault(**given) == (
        f"dataset.test_path={given['test_path']}: 3 of its rows are among the training rows "
        f"({given['path']}), the first of them row 38: want rows that were not trained on"
    )
    path = given["path"]
    assert f"{N} of its rows are among the training rows" in fault(path=path, test_path=path)


def test_test_labels_that_do_not_train_are_refused(tmp_path: Path) -> None:
    given = files(
        tmp_path, z=np.where(np.arange(M) == 7, 12.0, np.where(np.arange(M) == 3, np.nan, 1))
    )
    assert fault(**given) == (
        f"dataset.test_path={given['test_path']}: z has labels that {given['path']} does not "
        "have: 12, nan: want the same classes"
    )
    given = files(tmp_path, z=ANIMALS[TEST_LABELS])
    assert "does not have: cat, dog, emu: want the same classes" in fault(**given)


def test_other_columns_and_shapes_are_refused(tmp_path: Path) -> None:
    given = files(tmp_path, x=TEST[:, :2])
    assert fault(**given) == (
        f"dataset.test_path={given['test_path']}: x has rows of shape [2], in {given['path']} of "
        "shape [3]: want the same"
    )
    lacks = npz(tmp_path / "lacks.npz", x=TEST, y=TEST_LABELS)
    assert fault(path=given["path"], test_path=lacks) == (
        f"dataset.test_path={lacks}: no z there, but x, y: want the columns of {given['path']}"
    )
    assert "shape [40, 2]: want one label a row" in fault(**files(tmp_path, z=TEST[:, :2]))
    assert "test.npz: rows: x has 40, z has 39" in fault(**files(tmp_path, z=TEST_LABELS[1:]))
    assert "test.npz: 0 rows: want at least 1" in fault(
        **files(tmp_path, x=TEST[:0], z=TEST[:0, 0])
    )
    assert "test.npz: x: text: want numbers" in fault(
        **files(tmp_path, x=ANIMALS[TEST_LABELS][:, None].repeat(3, 1))
    )
    assert "test.npz: x: NaN or infinite in row 1 and" in fault(**files(tmp_path, x=TEST * np.nan))


def test_labels_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    x, two = RNG.standard_normal((1500, 2)), TABLE[:, :2]
    for z, told in (
        (np.zeros(N), "z: the label 0 in every row: want at least two classes"),
        (np.full(N, "cat"), "z: the label cat in every row: want at least two classes"),
        (np.where(LABELS == 1, np.nan, 1), "z: NaN or infinite: want a class in each row"),
        (two, "z: shape [200, 2]: want one label a row"),
        (LABELS * 1j, "z: values of type complex128: want plain real numbers"),
        (np.float64(3), "z: a single value: want one value a row"),
    ):
        path = npz(tmp_path / "t.npz", x=TABLE, z=z)
        assert fault(path=path) == f"{path}: {told}"
    path = npz(tmp_path / "many.npz", x=x, z=np.arange(1500))
    assert fault(path=path) == f"{path}: z: 1500 classes: want at most 1000"
    path = csv(tmp_path / "t.csv", TABLE, LABELS)
    assert fault(path=path, x="a", z=["b", "kind"]) == (
        "dataset.z=b, kind: several columns: want the one that holds labels"
    )


def test_faults_of_the_training_file_are_those_of_other_tasks(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", x=TABLE * np.nan, z=np.zeros(N))
    assert len(faults(path=path)) == 2
    few = npz(tmp_path / "few.npz", x=TABLE[:50], z=LABELS[:50])
    assert fault(path=few) == f"{few}: 50 rows: want at least 100"
    assert "no columns" in fault(path=npz(tmp_path / "none.npz", x=TABLE[:, :0], z=LABELS))
    assert "rows: x has 200, z has 199" in fault(
        path=npz(tmp_path / "uneven.npz", x=TABLE, z=LABELS[1:])
    )


def test_a_test_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = files(tmp_path)["path"]
    absent = tmp_path / "absent.npz"
    assert fault(path=path, test_path=absent).startswith(
        f"dataset.test_path={absent}: no such file: want .npz"
    )
    assert fault(path=path, test_path="t.xlsx").startswith("dataset.test_path=t.xlsx: want .npz")


def test_the_test_file_counts_in_the_fingerprint(tmp_path: Path) -> None:
    given = files(tmp_path)

    def found(test_path: Path | None) -> str:
        data = Arrays(given["path"], test_path=test_path)
        assert data.files == [given["path"], *([] if test_path is None else [test_path])]
        conf = {"dataset": {"path": str(given["path"]), "test_path": str(test_path)}}
        return fingerprint(conf, data.files)

    elsewhere = tmp_path / "elsewhere.npz"
    elsewhere.write_bytes(given["test_path"].read_bytes())
    assert found(given["test_path"]) == found(elsewhere)
    npz(elsewhere, x=TEST + 1, z=TEST_LABELS)
    assert found(given["test_path"]) != found(elsewhere)
    assert found(given["test_path"]) != found(None)


def test_the_files_are_read_once(tmp_path: Path) -> None:
    data = Arrays(**files(tmp_path))
    assert data.labelled() is data.labelled()


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    tables = ((TABLE, LABELS, "train"), (TEST, TEST_LABELS, "test"))
    for table, labels, name in tables:
        columns = dict(zip("abc", table.T, strict=True))
        kind = pa.array(ANIMALS[labels]).dictionary_encode()
        pq.write_table(
            pa.table({**columns, "kind": kind, "yes": labels > 0}), tmp_path / f"{name}.parquet"
        )
        csv(tmp_path / f"{name}.csv", table, ANIMALS[labels])
    found = [
        Arrays(
            tmp_path / f"train.{kind}",
            ["a", "b", "c"],
            "kind",
            test_path=tmp_path / f"test.{kind}",
        ).labelled()
        for kind in ("parquet", "csv")
    ]
    assert same(*found)
    yes = Arrays(tmp_path / "train.parquet", "a", "yes", test_path=tmp_path / "test.parquet")
    assert yes.labelled().names == ["False", "True"]
    assert torch.equal(yes.labelled().test_y, torch.from_numpy(TEST_LABELS > 0).long())
