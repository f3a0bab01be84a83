"""Mutual Information Neural Estimation as a command-line runner and a library."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mine_cli.api import Estimate, estimate
    from mine_cli.estimator import MutualInformation
    from mine_cli.screening import Screening, screen
    from mine_cli.tasks.load import load, load_autoencoder, load_classifier, load_generator

__all__ = [
    "Estimate",
    "MutualInformation",
    "Screening",
    "__version__",
    "estimate",
    "load",
    "load_autoencoder",
    "load_classifier",
    "load_generator",
    "screen",
]

__version__ = "0.1.0"

# Imported at first use: the command's `--help` and shell completion must not wait for torch.
HOMES = {
    "Estimate": "mine_cli.api",
    "MutualInformation": "mine_cli.estimator",
    "Screening": "mine_cli.screening",
    "estimate": "mine_cli.api",
    "load": "mine_cli.tasks.load",
    "load_autoencoder": "mine_cli.tasks.load",
    "load_classifier": "mine_cli.tasks.load",
    "load_generator": "mine_cli.tasks.load",
    "screen": "mine_cli.screening",
}

if not TYPE_CHECKING:  # a type checker would take any name for an Any

    def __getattr__(name: str) -> Any:
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
