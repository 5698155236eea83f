"""Fargate sizes, and what earlier runs showed about them."""
