"""What an image must pass before it is pinned: the registry's scan, and a real task."""
