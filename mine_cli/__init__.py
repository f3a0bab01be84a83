"""Mutual Information Neural Estimation as a command-line runner and a library."""

__version__ = "0.1.0"
