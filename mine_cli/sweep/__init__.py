"""Sweeps: planning, grouping, launching, recording and resuming the jobs of one folder."""
