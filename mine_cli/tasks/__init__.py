"""What the trainer can run: each task builds its networks and data and reads its result."""
