"""The information term, its evaluation on held-out rows, and many of them trained as one."""

from mine_cli.estimator.term import MutualInformation

__all__ = ["MutualInformation"]
