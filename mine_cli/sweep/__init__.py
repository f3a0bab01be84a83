"""Sweeps: composed and checked before they start, kept in a ledger, resumed, and compared."""
