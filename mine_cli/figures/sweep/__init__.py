"""Pictures of a sweep over any task: sweep.png (estimates), of series of settings (series)."""
