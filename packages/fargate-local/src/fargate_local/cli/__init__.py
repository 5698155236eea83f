"""The command `fargate-local`."""

from fargate_local.cli.main import app, main

__all__ = ["app", "main"]
