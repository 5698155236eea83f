"""Versioned module images: what goes into them, how they are built, where they are kept, when they may be deleted."""
