"""Pictures of a generator's run and of a comparison of such runs."""
