"""A user's tables: files of arrays and columns, read, checked and coded."""
