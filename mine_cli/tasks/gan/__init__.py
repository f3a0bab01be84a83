"""`task=gan`: a generator that keeps the information in its code."""
