"""What Hydra finds of mine-run: it takes a plugin only from a module of `hydra_plugins`."""
