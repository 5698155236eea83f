"""Methods of moto's classes that are replaced here, once or more often in one process; moto's own stay at hand."""

from collections.abc import Callable
from typing import Any


def original(kind: type, name: str) -> Callable[..., Any]:
    """Return moto's own method, also of a class whose method has been replaced."""
    kept: Callable[..., Any] = kind.__dict__.get(f"_{name}_of_moto") or getattr(kind, name)
    return kept


def replace(kind: type, name: str, method: Callable[..., Any]) -> None:
    """Replace a method of a class of moto's and keep its own, once, however often it is replaced."""
    setattr(kind, f"_{name}_of_moto", original(kind, name))
    setattr(kind, name, method)
