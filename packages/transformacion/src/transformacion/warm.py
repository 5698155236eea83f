"""What a shared container loads once for all its steps: dbt, its adapter, the report, and the parsed project."""

from importlib import import_module

from transformacion.runner import parse_project

_MODULES = (
    "dbt.cli.main",
    "dbt.task.build",
    "dbt.task.freshness",
    "dbt.adapters.__about__",
    "dbt.adapters.duckdb.environments.local",
    "datavision_lakehouse.dbt_plugin",
    "sqlparse",
    "transformacion.cli",
    "transformacion.report.data",
    "transformacion.report.page",
    "transformacion.report.publish",
)


def warm() -> None:
    """Import what the commands import as they run, and leave dbt's parse results where each command looks for them."""
    for name in _MODULES:
        import_module(name)
    parse_project()
