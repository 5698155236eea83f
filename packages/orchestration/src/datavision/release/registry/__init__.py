"""Which images may be deleted from the registry."""
