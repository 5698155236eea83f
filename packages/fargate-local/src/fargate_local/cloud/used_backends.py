"""moto's memory of a service, looked at without making any.

A service or region that was never used has none, and moto would make one when indexed.
"""

import sys
from typing import Any

from fargate_local.protocol.arns import ACCOUNT


def used_backends(service: str) -> dict[str, Any]:
    """Return moto's memory of a service by region, of a global one by partition; empty when it was never used."""
    models = sys.modules.get(f"moto.{service}.models")
    accounts = getattr(models, f"{service}_backends", None)
    return (dict.get(accounts, ACCOUNT) if accounts is not None else None) or {}


def used_backend(service: str, region: str) -> Any:
    """Return moto's memory of a service in a region; None when it was never used there."""
    # As a dict does: their own way of looking makes what is missing.
    found = used_backends(service)
    return dict.get(found, region)
