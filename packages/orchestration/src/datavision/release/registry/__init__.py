"""Which images may leave the registry."""
