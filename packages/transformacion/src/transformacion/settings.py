"""What the environment configures: `DATAVISION_…` variables, read here and nowhere else in the package."""

from pydantic import Field

from datavision_lakehouse import LakehouseSettings, ModuleSettings, ReportsSettings
from datavision_lakehouse.settings import Section


class DbtSettings(Section):
    """How dbt is run."""

    attempts: int = Field(default=4, ge=1)
    """Times a step is tried when another process wrote the same table at the same moment."""


class BuildSettings(ModuleSettings):
    """What the dbt commands need."""

    lakehouse: LakehouseSettings
    transformacion: DbtSettings = DbtSettings()
    dag_id: str = ""
    """The pipeline that this runs in, as the two below from whoever launches the container; empty: it runs by hand."""
    run_id: str = ""
    task_id: str = ""


class ReportCommandSettings(ModuleSettings):
    """What the report needs."""

    lakehouse: LakehouseSettings
    reports: ReportsSettings
