"""Pictures of a bottleneck's run and of a sweep over methods and weights."""
