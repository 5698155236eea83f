"""Ingesta's settings, from `DATAVISION_…` variables."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from datavision_lakehouse import LakehouseSettings, LandingSettings, ModuleSettings, SourceSettings
from datavision_lakehouse.settings import Section
from ingesta.representable import Policy
from ingesta.tables import TABLES

Level = Literal["error", "warning", "off"]
RowHash = Literal["always", "daily", "weekly", "never"]
CHECKS: Final = ("row_count", "duplicate_keys", "orphans", "freshness")


def _known_checks(levels: dict[str, Level]) -> dict[str, Level]:
    for name in levels:
        check, dot, table = name.partition(".")
        if check not in CHECKS:
            raise ValueError(f"{name!r} is not a check; write CHECK or CHECK.TABLE with one of: {', '.join(CHECKS)}")
        if dot and table not in TABLES:
            raise ValueError(f"{name!r} is not a table; write {check}.TABLE with one of: {', '.join(TABLES)}")
    return levels


def _known_columns(policies: dict[str, Policy]) -> dict[str, Policy]:
    for name in policies:
        table, _, column = name.partition(".")
        if table not in TABLES or not column:
            raise ValueError(
                f"{name!r} is not a column; write TABLE.COLUMN with one of the tables: {', '.join(TABLES)}"
            )
    return policies


class IngestaSettings(Section):
    """How a load behaves; every value has a default."""

    source_schema: str = "public"
    lag_days: int = Field(default=7, ge=0, le=36_500)
    """Rows changed within this many days before the newest one loaded are read again."""
    row_versions: bool = True
    """Whether PostgreSQL's row versions tell what changed, of the tables for which they can."""
    row_hash: RowHash = "always"
    """How often the source hashes all rows of the others to find those that changed without their cursor moving."""
    compare_rows: int = Field(default=10_000, ge=0)
    """A table of at most this many rows is read in full and compared, which is cheaper than asking for changes."""
    freshness_hours: float = Field(default=48, gt=0)
    quality: Annotated[dict[str, Level], AfterValidator(_known_checks)] = Field(default={})
    """Level of a check, e.g. `{"orphans": "warning", "orphans.contents": "off"}`; all are `error` by default."""
    unrepresentable: Annotated[dict[str, Policy], AfterValidator(_known_columns)] = Field(default={})
    """What happens to values that the lakehouse cannot hold, e.g. `{"accounts.balance": "null"}`; default `error`."""
    lock_seconds: float = Field(default=600, ge=0)
    """How long to wait for another load of the same lakehouse to end."""
    housekeeping: bool = True
    """Whether a load ends with housekeeping of the lakehouse."""

    def level(self, check: str, table: str) -> Level:
        """Return the level of a check on a table: the most specific setting wins."""
        return self.quality.get(f"{check}.{table}", self.quality.get(check, "error"))

    def policy(self, table: str, column: str) -> Policy:
        """Return what happens to the values of a column that the lakehouse cannot hold."""
        return self.unrepresentable.get(f"{table}.{column}", "error")


class Settings(ModuleSettings):
    """Everything ingesta reads from its environment."""

    source: SourceSettings
    lakehouse: LakehouseSettings
    landing: LandingSettings
    ingesta: IngestaSettings = IngestaSettings()
