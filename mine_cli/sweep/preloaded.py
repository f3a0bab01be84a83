"""What the fork server of a sweep imports: all that its processes need."""

from mine_cli.config.imports import kept

with kept():
    from mine_cli.sweep import worker

__all__ = ["worker"]
