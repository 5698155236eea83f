"""Rules over the whole dbt project."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import sqlfmt.api

from transformacion import runner
from transformacion.runner import list_nodes, parse_project, run_dbt
from transformacion.workspace import PROJECT, workspace

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest


@pytest.fixture(scope="module")
def parsed(lake: Any) -> Iterator[tuple["Manifest", list[str]]]:
    """The project as dbt sees it after a full parse, and every warning it had."""
    from dbt.cli.main import dbtRunner  # 4 seconds, which the tests of all other files would wait for
    from dbt_common.events.base_types import EventLevel

    warnings: list[str] = []

    def listen(event: Any) -> None:
        if event.info.level == EventLevel.WARN:
            warnings.append(event.info.msg)

    with workspace() as space:
        answer = dbtRunner(callbacks=[listen]).invoke(["parse", "--no-partial-parse", *space.arguments()])
        yield cast("Manifest", answer.result), warnings


@pytest.fixture(scope="module")
def built(lake: Any, random_business: Any) -> Any:
    """A lake with every model in it."""
    lake.load(random_business(3, 50))
    lake.dbt("build", "--exclude-resource-type", "test", "unit_test")
    return lake


def ours(manifest: "Manifest") -> list[Any]:
    nodes = [node for node in manifest.nodes.values() if node.resource_type in ("model", "seed", "snapshot")]
    return [*nodes, *manifest.sources.values()]


def test_dbt_has_nothing_to_warn_about(parsed: tuple["Manifest", list[str]]) -> None:
    assert parsed[1] == []


def test_every_model_snapshot_and_source_and_each_of_its_columns_is_described(
    parsed: tuple["Manifest", list[str]],
) -> None:
    undescribed = [node.name for node in ours(parsed[0]) if not node.description.strip()]
    undescribed += [
        f"{node.name}.{column.name}"
        for node in ours(parsed[0])
        for column in node.columns.values()
        if not column.description.strip()
    ]
    assert undescribed == []


@pytest.mark.slow
def test_the_described_columns_are_the_columns_that_exist(built: Any, parsed: tuple["Manifest", list[str]]) -> None:
    built.dbt("test", "--exclude-resource-type", "unit_test")
    existing = {
        (schema, table): set(columns)
        for schema, table, columns in built.rows(
            "select schema_name, table_name, list(column_name) from duckdb_columns() where database_name = 'lake' "
            "group by all"
        )
    }
    for node in ours(parsed[0]):
        if getattr(node.config, "materialized", "") != "ephemeral":
            assert set(node.columns) == existing[node.schema, node.identifier], node.name


@pytest.mark.slow
def test_the_units_tests_of_the_models_pass(built: Any) -> None:
    steps = run_dbt(["test", "--resource-type", "unit_test"]).steps
    assert [step for step in steps if step.status != "ok"] == []
    assert len(steps) >= 26


def test_what_the_step_staging_does_not_test_the_step_fuentes_does(lake: Any) -> None:
    def tests(*selection: str) -> set[str]:
        return set(list_nodes([*selection, "--resource-type", "test"]))

    staging = tests("--select", "staging", "--exclude", "source:raw_datavision")
    fuentes = tests("--select", "source:raw_datavision")
    assert staging
    assert staging | fuentes == tests("--select", "staging")
    assert staging & fuentes == set()


def test_every_mart_keeps_a_contract_and_every_key_is_tested(parsed: tuple["Manifest", list[str]]) -> None:
    marts = [node for node in ours(parsed[0]) if node.resource_type == "model" and node.schema == "marts"]
    marts = [node for node in marts if node.config.materialized != "ephemeral"]
    assert {node.name for node in marts} == {
        "dim_contenidos", "dim_cuentas", "dim_cuentas_base", "dim_suscripciones",
        "fact_churn_cohortes", "fact_ingresos_recurrentes", "fact_rfm", "fact_suscripciones_cuentas",
        "frescura_fuentes",
    }  # fmt: skip
    assert [node.name for node in marts if not node.config.contract.enforced] == []
    nodes: list[Any] = list(parsed[0].nodes.values())
    generic_tests = [node for node in nodes if getattr(node, "test_metadata", None)]
    tested = {(about, node.test_metadata.name) for node in generic_tests for about in node.depends_on.nodes}
    for node in ours(parsed[0]):
        kind = getattr(node.config, "materialized", "")
        # A view of nothing but one source has its rows, and that source has to be tested itself.
        is_renamed = kind == "view" and [about.split(".")[0] for about in node.depends_on.nodes] == ["source"]
        if kind != "ephemeral" and not is_renamed:
            assert {(node.unique_id, "unique"), (node.unique_id, "clave_unica")} & tested, node.name


@pytest.mark.parametrize("kind", ["view", "table"])
def test_a_view_takes_the_place_of_what_has_its_name(built: Any, kind: str) -> None:
    columns = "select column_name from duckdb_columns() where table_name = 'stg_accounts' order by column_index"
    relations = "select table_name, table_type from information_schema.tables order by 1"
    right = built.rows(columns), built.rows(relations)
    built.execute(
        "drop view lake.staging.stg_accounts", f"create {kind} lake.staging.stg_accounts as select 1 as anterior"
    )
    built.dbt("run", "--select", "stg_accounts")
    assert (built.rows(columns), built.rows(relations)) == right


def test_a_view_is_replaced_in_one_snapshot_of_the_lakehouse(built: Any) -> None:
    snapshots = "select max(snapshot_id) from lake.snapshots()"
    (before,) = built.rows(snapshots)
    built.dbt("run", "--select", "stg_accounts")
    assert built.rows(snapshots) == [(before[0] + 1,)]


def test_a_view_that_breaks_its_contract_is_not_made(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parse_project()
    model: Any = runner._parsed[-1].nodes["model.datavision.stg_premium_features"]
    monkeypatch.setattr(model.config.contract, "enforced", True)
    for column in model.columns.values():
        column.data_type = "date"
    (failed,) = run_dbt(["run", "--select", "stg_premium_features"]).steps
    assert "contract" in failed.problem


def test_one_model_is_one_sql_and_one_yaml() -> None:
    for folder in ("models", "seeds", "snapshots"):
        sql = {path.with_suffix("") for suffix in ("sql", "csv") for path in (PROJECT / folder).rglob(f"*.{suffix}")}
        described = {path.with_suffix("") for path in (PROJECT / folder).rglob("*.yml")}
        assert sql - described == set()
        assert {path.name for path in described - sql} <= {"fuentes"}


def test_no_model_asks_which_environment_it_runs_in() -> None:
    asking = [
        path.name
        for path in PROJECT.rglob("*.sql")
        if re.search(r"target\.(name|type|profile_name)|DATAVISION_ENV", path.read_text())
    ]
    assert asking == []


def test_the_sql_is_formatted(tmp_path: Path) -> None:
    mode = sqlfmt.api.Mode(check=True, quiet=True, no_progressbar=True)
    report = sqlfmt.api.run(sorted(PROJECT.rglob("*.sql")), mode)
    assert (report.number_changed, report.number_errored) == (0, 0)
