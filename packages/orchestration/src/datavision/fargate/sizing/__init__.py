"""Fargate sizes, and what earlier runs taught about them."""
