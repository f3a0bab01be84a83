"""What the trainer can run: each task knows its modules, its data and how to read its result."""
