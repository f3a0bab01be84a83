"""The sweeper of `-m`. Hydra imports this at every start, so what it does is imported late."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

__all__ = ["GridSweeper"]


class GridSweeper(BasicSweeper):
    """Hydra's product of all lists, whose jobs are all composed and checked before the first."""

    def sweep(self, arguments: list[str]) -> object:
        from mine_cli.sweep.sweeper import sweep

        return sweep(self, arguments)
