"""Sweeps: many jobs under one folder, told apart, collected, and gone on with."""
