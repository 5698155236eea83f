"""What the entry point says, on stderr, under its own name."""

import sys


def say(text: str) -> None:
    """Write a line."""
    sys.stderr.write(f"datavision-run: {text}\n")
    sys.stderr.flush()


def cannot_start(program: str, error: OSError) -> str:
    """Return the sentence about a command that could not be started."""
    return f"cannot start {program!r}: {error.strerror}. Check the command that the DAG returns."
