"""What runs leave on disk: folders, tables, checkpoints, provenance. Imports no torch."""
