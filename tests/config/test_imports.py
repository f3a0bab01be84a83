"""What the command imports is kept out of the search for garbage."""

import gc
import sys

import pytest

from mine_cli.config.imports import kept


def test_nothing_is_looked_through_meanwhile_and_later_all_else_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    with kept():
        assert not gc.isenabled()
        mine: list[object] = []
    assert gc.isenabled()
    assert not any(found is mine for found in gc.get_objects())  # frozen
    later: list[object] = []
    assert any(found is later for found in gc.get_objects())


def test_a_failed_import_leaves_the_search_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.raises(ImportError), kept():
        raise ImportError
    assert gc.isenabled()


def test_nothing_changes_where_torch_is_there_already() -> None:
    assert "torch" in sys.modules
    before = gc.get_freeze_count()
    with kept():
        assert gc.isenabled()
    assert gc.get_freeze_count() == before
