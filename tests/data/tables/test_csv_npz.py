"""The same numbers give the same result, bit for bit, whatever file they come from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.config.test_resume import found
from tests.program import run

ROWS = 600
SETTINGS = (
    "dataset=arrays", "trainer.steps=8", "trainer.evaluate_every=4", "trainer.device=cpu",
    "trainer.tensorboard=false", "task.pairs=5000", "references=none",
)  # fmt: skip


@pytest.fixture(scope="module")
def numbers() -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    height = 1.7 + 0.1 * rng.normal(size=ROWS)
    age = rng.integers(18, 90, ROWS).astype(float)
    weight = 22 * height**2 + 3 * rng.normal(size=ROWS)
    return {"height": height, "age": age, "weight": weight}


@pytest.fixture(scope="module")
def from_npz(
    numbers: dict[str, np.ndarray[Any, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("npz")
    x, z = np.stack([numbers["height"], numbers["age"]], 1), numbers["weight"]
    np.savez(folder / "people.npz", x=x, z=z)
    return ran(folder, "dataset.path=people.npz")


def ran(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    done = run(folder, *SETTINGS, "hydra.run.dir=run", *arguments)
    assert done.returncode == 0, done.stderr
    metrics, result = found(folder / "run")
    named = ("dataset", "fingerprint", "samples")  # which hold the names of columns
    return metrics, {k: v for k, v in result.items() if k not in named}


COLUMNS = ("dataset.x=[height,age]", "dataset.z=weight")


def test_a_csv_and_an_npz_give_equal_bits(
    numbers: dict[str, np.ndarray[Any, Any]],
    from_npz: tuple[str, dict[str, Any]],
    tmp_path: Path,
) -> None:
    lines = [",".join(map(repr, map(float, row))) for row in zip(*numbers.values(), strict=True)]
    (tmp_path / "people.csv").write_text("\n".join([",".join(numbers), *lines]) + "\n")
    assert len(lines) == ROWS
    assert ran(tmp_path, "dataset.path=people.csv", *COLUMNS) == from_npz
    assert len(json.loads(from_npz[0])) == 3


def test_so_does_a_parquet(
    numbers: dict[str, np.ndarray[Any, Any]],
    from_npz: tuple[str, dict[str, Any]],
    tmp_path: Path,
) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is an optional dependency")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an optional dependency")
    parquet.write_table(pa.table(numbers), tmp_path / "people.parquet")
    assert ran(tmp_path, "dataset.path=people.parquet", *COLUMNS) == from_npz


def test_other_numbers_give_another_result(
    numbers: dict[str, np.ndarray[Any, Any]],
    from_npz: tuple[str, dict[str, Any]],
    tmp_path: Path,
) -> None:
    x = np.stack([numbers["height"], numbers["age"]], 1)
    x[17, 0] += 0.5
    np.savez(tmp_path / "people.npz", x=x, z=numbers["weight"])
    assert ran(tmp_path, "dataset.path=people.npz") != from_npz
