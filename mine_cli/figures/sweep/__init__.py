"""Pictures of a sweep of estimates."""
