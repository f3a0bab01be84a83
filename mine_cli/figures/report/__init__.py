"""report.html: what was found, in plain words, in one file that needs no other."""
