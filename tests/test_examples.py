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


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = numbers(path.stem, True, tmp_path, monkeypatch)
    assert found
    assert all(isinstance(value, float) for value in found.values())


FULL = {
    "fair": lambda of: (
        abs(of["paper, with the term"] - 0.5) < 0.02 < of["paper, without the term"] - 0.5
        and of["digit, with the term"] > of["digit, without the term"] - 0.02
    ),
    "vae": lambda of: (
        of["without the term"] < 0.1
        and 2 < of["with the term"] < of["KL, with the term"]
    ),
    "contrastive": lambda of: of["pretrained"] > of["untrained"] + 0.05,
    "infogan": lambda of: of["without the term"] < 0.3 and of["with the term"] > 1.9,
    "disentangle": lambda of: (
        of["how, with the term"] < of["how, without the term"] - 0.2
        and of["what, with the term"] > 0.9
    ),
    "distillation": lambda of: of["student of the teacher"] > of["student alone"] + 0.02,
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_in_full_does_what_it_is_for(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = numbers(path.stem, False, tmp_path, monkeypatch)
    assert FULL[path.stem](found), found
    assert (tmp_path / f"{path.stem}.png").is_file()
