"""`task=ali`: an encoder beside a generator, both against one discriminator of pairs."""
