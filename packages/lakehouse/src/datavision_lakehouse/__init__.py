"""Opens the DuckLake lakehouse of an environment."""

from datavision_lakehouse.connection import LAKE, check, connect
from datavision_lakehouse.dbt import dbt_profile
from datavision_lakehouse.errors import ConfigurationError, LakehouseError, NotInitialized, Unavailable, UnknownLoad
from datavision_lakehouse.settings import (
    LakehouseSettings,
    LandingSettings,
    ModuleSettings,
    ReportsSettings,
    SourceSettings,
    settings_for,
)

__all__ = [
    "LAKE",
    "ConfigurationError",
    "LakehouseError",
    "LakehouseSettings",
    "LandingSettings",
    "ModuleSettings",
    "NotInitialized",
    "ReportsSettings",
    "SourceSettings",
    "Unavailable",
    "UnknownLoad",
    "check",
    "connect",
    "dbt_profile",
    "settings_for",
]
