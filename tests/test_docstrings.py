"""The examples in the docstrings: each does what it shows."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import mine_cli

TRAIN = ("mine_cli.api", "mine_cli.sklearn", "mine_cli.tasks.load")
PACKAGE = Path(mine_cli.__file__).parent
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
    if ">>> " in file.read_text()
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in TRAIN)) for name in MODULES],
)
def test_the_examples_of_a_module(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some write a run's folder
    found = doctest.testmod(import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
