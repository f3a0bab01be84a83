"""The configuration: schemas, rules, composition and what Hydra says. Imports no torch."""
