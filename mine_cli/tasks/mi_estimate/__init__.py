"""`task=mi-estimate`: the mutual information of two variables, on held-out rows."""
