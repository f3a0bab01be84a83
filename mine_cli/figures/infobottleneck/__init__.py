"""Pictures of a bottleneck's run: learning.png (learning), plane.png (information_plane),
robustness.png (robustness); of many runs: table.png (comparison), plane.png (the same)."""
