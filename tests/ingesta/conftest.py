import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.support.children import bare_environment

from datavision.local import source
from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import connect
from ingesta.load import LoadReport, load
from ingesta.progress import Reporter
from ingesta.settings import Settings
from ingesta.tables import TABLES, select

ACCOUNTS = 400


@dataclass
class Place:
    """A source, an empty lakehouse and a landing of a test's own."""

    source_url: str
    catalog_url: str
    folder: Path
    more: dict[str, str] = field(default_factory=dict)

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATAVISION_ENV": "local",
            "DATAVISION_SOURCE__URL": self.source_url,
            "DATAVISION_LAKEHOUSE__CATALOG_URL": self.catalog_url,
            "DATAVISION_LAKEHOUSE__DATA_PATH": str(self.folder / "lake"),
            "DATAVISION_LANDING__PATH": str(self.landing),
            "DATAVISION_INGESTA__HOUSEKEEPING": "false",
            # So small a table would otherwise never be asked for its changes alone.
            "DATAVISION_INGESTA__COMPARE_ROWS": "100",
            **self.more,
        }

    @property
    def settings(self) -> Settings:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            return Settings.load()

    def load(self, *tables: str, **options: Any) -> LoadReport:
        return load(self.settings, select(tables), Reporter(), **options)

    def command(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.arguments(*arguments),
            env=self.child_environment(environment),
            capture_output=True,
            text=True,
            check=False,
        )

    @staticmethod
    def arguments(*arguments: str) -> list[str]:
        script = Path(__file__).parents[2] / "packages" / "ingesta" / "ingesta_datavision.py"
        return [sys.executable, str(script), *arguments]

    def child_environment(self, more: Mapping[str, str] = {}) -> dict[str, str]:
        return bare_environment(**{**self.environment, **more})

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the lakehouse."""
        with connect(self.settings.lakehouse, read_only=True) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        return rows

    def change(self, *statements: str) -> None:
        """Change the source."""
        with psycopg.connect(self.source_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def ask_source(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.source_url) as connection:
            return connection.execute(query).fetchall()

    def differences(self, tables: Sequence[str] = tuple(TABLES)) -> dict[str, int]:
        """Rows that are in only one of source and lakehouse, by table; tables without any are left out."""
        found = {}
        with connect(self.settings.lakehouse, read_only=True) as connection:
            address = self.settings.source.address
            connection.execute(address.secret_sql("compared"))
            connection.execute("ATTACH '' AS compared (TYPE postgres, READ_ONLY, SECRET compared)")
            for table in tables:
                theirs = f"FROM compared.public.{table}"
                ours = f"SELECT COLUMNS(c -> c[1] != '_') FROM raw_datavision.{table}"
                both = f"(({theirs}) EXCEPT ALL ({ours})) UNION ALL (({ours}) EXCEPT ALL ({theirs}))"
                row = connection.execute(f"SELECT count(*) FROM ({both})").fetchone()
                if row and row[0]:
                    found[table] = int(row[0])
        return found


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """A loaded source to copy, which stands at the beginning of today."""
    source.load(postgres.url("template"), accounts=ACCOUNTS, seed=11, until=date.today())
    return "template"


MakePlace = Callable[[Path], AbstractContextManager[Place]]


@pytest.fixture(scope="session")
def make_place(postgres: EmbeddedPostgres, template: str) -> MakePlace:
    """Opens a place whose files are in a folder."""

    @contextmanager
    def make(folder: Path) -> Iterator[Place]:
        name = uuid.uuid4().hex[:10]
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE source_{name} TEMPLATE {template}".encode())
            yield Place(postgres.url(f"source_{name}"), postgres.url(f"lake_{name}"), folder)
            for database in (f"source_{name}", f"lake_{name}"):
                connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())

    return make


@pytest.fixture
def place(make_place: MakePlace, tmp_path: Path) -> Iterator[Place]:
    with make_place(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def loaded_template(postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place after its first load of everything, to copy."""
    first = Place(postgres.url(template), postgres.url("lake_template"), tmp_path_factory.mktemp("loaded"))
    first.load()
    return first


@pytest.fixture(scope="session")
def unversioned_template(postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The same by cursors and hashes, as of a source whose row versions do not tell what changes."""
    more = {"DATAVISION_INGESTA__ROW_VERSIONS": "false"}
    first = Place(postgres.url(template), postgres.url("lake_unversioned"), tmp_path_factory.mktemp("loaded"), more)
    first.load()
    return first


@pytest.fixture
def loaded(loaded_template: Place, place: Place) -> Place:
    """A place after its first load of everything."""
    return copied(loaded_template, place)


@pytest.fixture
def unversioned(unversioned_template: Place, place: Place) -> Place:
    """A place after its first load of everything, where row versions are not asked."""
    return copied(unversioned_template, place)


@pytest.fixture(params=["loaded", "unversioned"])
def either(request: pytest.FixtureRequest) -> Place:
    """A place after its first load of everything, with row versions and without."""
    place: Place = request.getfixturevalue(request.param)
    return place


def copied(original: Place, place: Place) -> Place:
    """Give a place the lakehouse of another, whose source its own is a copy of."""
    theirs, ours = (urlsplit(url).path.lstrip("/") for url in (original.catalog_url, place.catalog_url))
    with psycopg.connect(original.source_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {ours}".encode())
        connection.execute(f"CREATE DATABASE {ours} TEMPLATE {theirs}".encode())
    shutil.copytree(original.folder, place.folder, dirs_exist_ok=True)
    with psycopg.connect(place.catalog_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE ducklake_metadata SET value = %s WHERE key = 'data_path'", [str(place.folder / "lake") + "/"]
        )
    place.more = dict(original.more)
    if not place.more:
        # The rows have the versions of the original: transactions are counted for the whole server.
        number = "SELECT oid FROM pg_database WHERE datname = current_database()"
        old, new = (one.ask_source(number)[0][0] for one in (original, place))
        with connect(place.settings.lakehouse) as lake:
            lake.execute(f"UPDATE raw_datavision._cargas SET marca = replace(marca, '\"{old}/', '\"{new}/')")
    return place
