"""What is known of a name of DNS."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether there is such a name, and the (time to live, value) of its records."""

    exists: bool
    records: tuple[tuple[int, str], ...] = ()


Lookup = Callable[[str, str], Answer | None]
"""Returns what is known of a name and a type; None for a name that is not ours."""
