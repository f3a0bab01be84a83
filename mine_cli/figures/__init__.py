"""Every picture, drawn from the files of a run and never from live objects; imports no torch."""

from mine_cli.figures.curve import curve

__all__ = ["curve"]
