"""The table of a sweep on the terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mine_cli.sweep.ledger import Ledger

__all__ = ["table"]


def table(ledger: "Ledger", units: str = "nats") -> str:
    """A sweep at a glance: its settings or jobs, what failed, where it lies."""
    from mine_cli.sweep.ledger import counted

    return f"{len(ledger.rows)} jobs: {counted(ledger.rows)}"
