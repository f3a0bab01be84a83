"""Pictures of a generator's run: samples.png, training.png and density.png (samples),
histogram.png (histogram), progress.png (progress); of many runs: compare.png (comparison)."""
