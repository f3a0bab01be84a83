"""Generators, discriminators and the digit classifier: what one trains beside a bound."""
