"""Versioned module images: what goes in, how they are built, where they are kept, when they may go."""
