"""What the tests of the pictures share: the figures themselves, beside their files."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from mine_cli.figures import style


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that would be saved; none is rendered."""
    found: list[Figure] = []

    def keep(figure: Figure, path: Path, shared: bool = False) -> Path:
        found.append(figure)
        return path

    monkeypatch.setattr(style, "save", keep)
    return found
