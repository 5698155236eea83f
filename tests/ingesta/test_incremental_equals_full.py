"""Loads of changes, with dbt after each, end where full reads end: tables, history and marts.

Three lakehouses see one source that lives through random days:

- one is loaded by changes, by row versions or by the hash of every row, and dbt builds everything after each load;
- one forgets its raw tables before each load and reads all again, with the same build after it: it sees each state as
  the first one does, so that *everything* dbt made must be equal, each version of the history with its interval;
- one is read once, at the end: history is what it cannot know, so that it must be equal in the rest.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from datavision.local import source
from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import connect
from ingesta.tables import TABLES
from transformacion.runner import run_dbt
from transformacion.variables import dbt_environment

Place = Any
Rows = Counter[tuple[str | None, ...]]

LAST_DAY = date(2025, 6, 30)
"""Where the source stands at first; the days of its random life follow."""
RFM = date(2025, 7, 1)
DAYS = 3
SEED = 0.25
VALUES = {
    "accounts": "account_name = 'day {day}'",
    "subscriptions": "max_contents_per_month = 10 * {day}",
    "accounts_subscription": "end_date = start_date + 40 * {day}",
    "contents": "title = 'day {day}'",
    "content_attributes": "string_value = 'day {day}', decimal_value = {day}",
    "subscription_payments": "amount = amount + {day}",
    "premium_features": "base_price = base_price + {day}",
    "account_premium_features": "amount_paid = amount_paid + {day}",
}
CURSORS = (
    "updated_at",  # most of what no cursor shows
    "updated_at",
    "timestamp '{last_day}' + interval '{day} days' + random() * interval '9 hours'",
    "updated_at - interval '400 days'",
    "NULL",
    "'200000-01-01'",
    "'9999-12-31'",
    "'0044-03-15 BC'",
)

MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")
ENTITIES = {"snp_cuentas": "cuenta", "snp_suscripciones": "suscripcion", "snp_contenidos": "contenido"}
WHEN_LOADED: dict[str, list[str] | None] = {"frescura_fuentes": ["cargado_en"]}
"""Says when a row was loaded, which is what the two ways differ in."""
ONLY_HISTORY_KNOWS: dict[str, list[str] | None] = {
    **dict.fromkeys(ENTITIES),
    # An account or a plan that is gone from the source; what a change replaced; since when.
    "fact_churn_cohortes": None,
    "fact_suscripciones_cuentas": ["id_dim_cuenta", "id_dim_suscripcion", "id_dim_suscripcion_anterior", "tipo_cambio"],
    "fact_rfm": ["id_dim_cuenta"],
    **{
        name: [f"id_dim_{entity}", "fecha_actualizacion", "valido_desde"]
        for name, entity in {
            "dim_cuentas": "cuenta",
            "dim_cuentas_base": "cuenta",
            "dim_suscripciones": "suscripcion",
            "dim_contenidos": "contenido",
        }.items()
    },
}
"""Columns of marts that depend on versions before the last; None: all of them do."""


@dataclass
class Lake:
    """A lakehouse, and when each of its builds began."""

    place: Place
    builds: list[str] = field(default_factory=list)

    def build(self) -> None:
        """Everything the pipelines build, for one RFM date."""
        self.builds.append(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}")
        command = ["build", "--exclude-resource-type", "test", "unit_test"]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.place.environment.items():
                patch.setenv(name, value)
            steps = run_dbt(command, variables=dbt_environment(command, RFM)).steps
        assert [step for step in steps if step.status != "ok"] == []

    def forget_raw(self) -> None:
        with connect(self.place.settings.lakehouse) as connection:
            connection.execute("DROP SCHEMA IF EXISTS raw_datavision CASCADE")

    def contents(self, without: Mapping[str, list[str] | None], current: bool = False) -> dict[str, Rows]:
        """All that dbt made, as text, by relation.

        A moment at which a build saw a change is the number of that build, in version keys too.

        Args:
            without: Columns to leave out, by relation; None leaves it out whole.
            current: Whether only the current versions of dimensions are wanted.
        """
        made = {}
        with connect(self.place.settings.lakehouse, read_only=True) as connection:
            versions = {
                key: f"{entity} since {self._moment(since)}"
                for snapshot, entity in ENTITIES.items()
                for key, entity, since in connection.execute(
                    f"SELECT dbt_scd_id, '{entity} ' || id_{entity}, dbt_valid_from::VARCHAR FROM snapshots.{snapshot}"
                ).fetchall()
            }
            names = connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'lake' "
                "AND table_schema IN ('staging', 'snapshots', 'marts')"
            ).fetchall()
            for schema, name in names:
                left_out = without.get(name, [])
                if left_out is None:
                    continue
                chosen = f"* EXCLUDE ({', '.join(left_out)})" if left_out else "*"
                where = "WHERE es_actual" if current and name.startswith("dim_") else ""
                rows = connection.execute(f"SELECT COLUMNS({chosen})::VARCHAR FROM {schema}.{name} {where}").fetchall()
                made[name] = Counter(tuple(versions.get(v or "", self._moment(v)) for v in row) for row in rows)
        return made

    def _moment(self, value: str | None) -> str | None:
        if value is None or not MOMENT.fullmatch(value) or not self.builds[0] <= value < "2099":
            return value
        return f"build {sum(began <= value for began in self.builds)}"


@pytest.fixture
def lakes(postgres: EmbeddedPostgres, place: Place, tmp_path: Path) -> Iterator[Callable[..., Lake]]:
    """New lakehouses on one source, which stands at the end of LAST_DAY."""
    names = []
    name = place.catalog_url.rpartition("/")[2]
    place.change(*(f"DROP TABLE {table} CASCADE" for table in TABLES), "DROP SCHEMA datavision_generator CASCADE")
    source.load(place.source_url, accounts=40, seed=5, until=LAST_DAY)

    def make(word: str, row_versions: bool = True) -> Lake:
        names.append(f"{name}_{word}")
        more = {"DATAVISION_INGESTA__COMPARE_ROWS": "0", "DATAVISION_INGESTA__ROW_VERSIONS": str(row_versions)}
        return Lake(replace(place, catalog_url=postgres.url(names[-1]), folder=tmp_path / word, more=more))

    yield make
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for made in names:
            connection.execute(f"DROP DATABASE {made} WITH (FORCE)".encode())


def begin(place: Place) -> None:
    """A fifth of the rows is still to come, and a cursor may be NULL."""
    with psycopg.connect(place.source_url) as connection:
        connection.execute("CREATE SCHEMA away; SET session_replication_role = replica")
        connection.execute("SELECT setseed(%s)", [SEED])
        for table in TABLES.values():
            if table.cursor:
                connection.execute(f"ALTER TABLE {table.name} ALTER updated_at DROP NOT NULL".encode())
            connection.execute(f"CREATE TABLE away.{table.name} (LIKE {table.name})".encode())
            move(connection, table.name, f"away.{table.name}", 0.2)


def move(connection: psycopg.Connection[Any], here: str, there: str, share: float) -> None:
    connection.execute(
        f"WITH moved AS (DELETE FROM {here} WHERE random() < {share} RETURNING *) "
        f"INSERT INTO {there} SELECT * FROM moved".encode()
    )


def live_a_day(place: Place, day: int) -> None:
    """Rows of every table change, with a cursor of every kind; some come, come back or go, whatever refers to them."""
    cursors = ", ".join(CURSORS).format(last_day=LAST_DAY, day=day)
    with psycopg.connect(place.source_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SELECT setseed(%s)", [SEED / (day + 1)])
        for table in TABLES.values():
            cursor = f", updated_at = (ARRAY[{cursors}])[1 + floor({len(CURSORS)} * random())]" if table.cursor else ""
            connection.execute(
                f"UPDATE {table.name} SET {VALUES[table.name].format(day=day)}{cursor} WHERE random() < 0.25".encode()
            )
            move(connection, f"away.{table.name}", table.name, 0.5)
            move(connection, table.name, f"away.{table.name}", 0.1)


def assert_equal(ours: dict[str, Rows], theirs: dict[str, Rows]) -> None:
    assert ours.keys() == theirs.keys()
    for name, rows in ours.items():
        assert rows, f"{name} is empty: nothing would be compared"
        assert (list((rows - theirs[name]).elements())[:5], list((theirs[name] - rows).elements())[:5]) == ([], []), (
            name
        )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("row_versions", [True, False], ids=["row versions", "cursors and hashes"])
def test_loads_of_changes_end_like_full_reads_history_and_marts_included(
    lakes: Callable[..., Lake], place: Place, row_versions: bool
) -> None:
    changes, full, once = lakes("changes", row_versions), lakes("full"), lakes("once")
    began = datetime.now(UTC).date()
    begin(place)
    for day in range(DAYS):
        if day:
            live_a_day(place, day)
        done = changes.place.load()
        if day:
            # Of few rows, most may have been written: then all are read.
            large = [read for read in done.extracts if read.table.cursor and read.source_rows > 10]
            assert {read.reading for read in large} == {"changes"}
            assert {read.mark is not None for read in large} == {row_versions}
        assert changes.place.differences() == {}
        changes.build()
        full.forget_raw()
        full.place.load(full_refresh=True)
        full.build()
        if datetime.now(UTC).date() != began:
            pytest.skip("Midnight (UTC) fell into the test: of versions first seen on one day only the last counts.")
        assert_equal(changes.contents(WHEN_LOADED), full.contents(WHEN_LOADED))

    once.place.load()
    once.build()
    without = {**WHEN_LOADED, **ONLY_HISTORY_KNOWS}
    assert_equal(changes.contents(without, current=True), once.contents(without, current=True))

    versions = "SELECT count(*), count(DISTINCT id_contenido), count(dbt_valid_to) FROM snapshots.snp_contenidos"
    ((count, entities, closed),) = changes.place.sql(versions)
    assert count > 1.3 * entities
    assert closed > entities / 3
