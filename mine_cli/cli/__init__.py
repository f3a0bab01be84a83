"""The command `mine-run`: its words, its checks, its exit codes. Imports no torch by itself."""

from mine_cli.cli.command import main

__all__ = ["main"]
