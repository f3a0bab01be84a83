"""The training loop and what it stands on: devices, random streams, optimisers, signals."""
