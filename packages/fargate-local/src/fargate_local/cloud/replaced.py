"""What is replaced of moto's classes and modules, once or more often in one process; moto's own stays at hand."""

from typing import Any


def original(owner: Any, name: str) -> Any:
    """Return what moto had under a name before it was replaced here, and remember it."""
    kept = f"_{name}_of_moto"
    if kept not in vars(owner):
        setattr(owner, kept, getattr(owner, name))
    return vars(owner)[kept]


def replace(owner: Any, name: str, value: Any) -> None:
    """Put something in the place of moto's own, which is remembered."""
    original(owner, name)
    setattr(owner, name, value)
