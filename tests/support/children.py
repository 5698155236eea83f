"""The environment of a program that a test starts."""

import os

MEASURED = "COVERAGE_PROCESS_CONFIG"
"""By this variable coverage finds its way into a child (coverage.py, "Measuring subprocesses")."""


def bare_environment(**more: str) -> dict[str, str]:
    """Only what a program needs to be found, and no home; a child's coverage is still measured."""
    kept = {name: os.environ[name] for name in ("PATH", MEASURED) if name in os.environ}
    return {**kept, "HOME": "/nonexistent", **more}
