"""Pytest fixtures of fargate-local."""
