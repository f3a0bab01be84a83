"""`task=screen`: every pair of columns of a table, ranked by mutual information."""
