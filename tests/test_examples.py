"""The examples of docs/examples: each runs, and says in full what the documentation says of it."""

import os
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
IMAGES = Path(os.environ.get("MINE_RUN_DATA", "data")) / "MNIST" / "raw"


def numbers(name: str, smoke: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    if name != "infogan" and not IMAGES.is_dir():
        pytest.skip("needs the images of MNIST")
    monkeypatch.chdir(tmp_path)
    return run_path(str(ROOT / "docs" / "examples" / f"{name}.py"))["main"](smoke)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_is_one_short_file_that_says_what_to_watch(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    assert f"python docs/examples/{path.name} --smoke" in text
    assert "\nWatch: " in text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = numbers(path.stem, True, tmp_path, monkeypatch)
    assert found
    assert all(isinstance(value, float) for value in found.values())
