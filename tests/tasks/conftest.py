"""What the tests of jobs share: the names under which files are written before they are whole."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def temporaries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every name that is given up for the file's own; two processes may use none at a time."""
    found: list[str] = []
    replace = os.replace

    def record(temporary: Path, path: Path) -> None:
        found.append(str(temporary))
        replace(temporary, path)

    monkeypatch.setattr("os.replace", record)
    return found
