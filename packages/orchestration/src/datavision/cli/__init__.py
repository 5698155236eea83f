"""The `datavision` command."""

from datavision.cli.app import main

__all__ = ["main"]
