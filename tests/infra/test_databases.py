"""The bootstrap task against a real PostgreSQL, as a master user that is, as on RDS, no superuser."""

from pathlib import Path
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
from tests.support.cloud import pointing_to

from datavision.config import Config, load
from datavision.infra import databases
from datavision.local.postgres import EmbeddedPostgres
from fargate_local import FargateLocal


@pytest.fixture(scope="module")
def server(postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """The worker's PostgreSQL with a master user in it."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE master LOGIN CREATEDB CREATEROLE PASSWORD 'm'")
    return postgres


@pytest.fixture
def config(cloud: FargateLocal, server: EmbeddedPostgres, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    address = urlsplit(server.url("postgres"))
    for name, value in {
        **pointing_to(cloud, repository),
        "DATAVISION_ENV": "dev",
        "DATAVISION_AWS__ACCOUNT_ID": "123456789012",
        "PGHOST": str(address.hostname),
        "PGPORT": str(address.port),
        "PGUSER": "master",
        "PGPASSWORD": "m",
        "PGSSLMODE": "disable",
    }.items():
        monkeypatch.setenv(name, value)
    return load()


def bootstrap(*arguments: str) -> None:
    """Run the task's command line."""
    databases.app(list(arguments), standalone_mode=False)


@pytest.fixture
def urls(config: Config, cloud: FargateLocal) -> dict[str, str]:
    bootstrap()
    return current(cloud)


def current(cloud: FargateLocal) -> dict[str, str]:
    manager = boto3.client("secretsmanager", **cloud.client_args)
    names = {"lakehouse": "datavision/dev/lakehouse-catalog-url", "airflow": "datavision/dev/airflow-database-url"}
    return {key: manager.get_secret_value(SecretId=name)["SecretString"] for key, name in names.items()}


def dsn(url: str, database: str | None = None) -> str:
    """The URL for a server without TLS, whose database may be another one."""
    found = urlsplit(url)
    return f"postgresql://{found.netloc}/{database or found.path[1:]}?sslmode=disable"


def test_each_owner_can_make_tables_in_its_database(urls: dict[str, str]) -> None:
    for name, url in urls.items():
        with psycopg.connect(dsn(url)) as connection:
            connection.execute("CREATE TABLE proof (id int)")
            assert connection.execute("SELECT current_user, current_database()").fetchone() == (name, name)
            connection.rollback()


def test_no_module_reaches_airflows_database_nor_airflow_the_lakehouses(urls: dict[str, str]) -> None:
    for name, other in (("lakehouse", "airflow"), ("airflow", "lakehouse")):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(dsn(urls[name], other))


def test_the_users_may_make_neither_databases_nor_users(urls: dict[str, str]) -> None:
    with psycopg.connect(dsn(urls["lakehouse"]), autocommit=True) as connection:
        for statement in ("CREATE DATABASE mine", "CREATE ROLE mine", "SET ROLE airflow"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_second_run_changes_nothing(urls: dict[str, str], cloud: FargateLocal) -> None:
    bootstrap()
    assert current(cloud) == urls


def test_a_password_that_somebody_changed_is_the_one_in_the_url_again(
    urls: dict[str, str], server: EmbeddedPostgres
) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER ROLE airflow PASSWORD 'other'")
    bootstrap()
    psycopg.connect(dsn(urls["airflow"])).close()


def test_rotation_gives_new_passwords_in_urls_that_work(urls: dict[str, str], cloud: FargateLocal) -> None:
    bootstrap("--rotate")
    after = current(cloud)
    for name, url in after.items():
        assert url != urls[name]
        psycopg.connect(dsn(url)).close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn(urls[name]))


def test_the_lakehouse_asks_for_tls_and_airflows_url_suits_both_of_its_drivers(urls: dict[str, str]) -> None:
    assert urls["lakehouse"].endswith("/lakehouse?sslmode=require")
    assert urls["airflow"].startswith("postgresql+psycopg2://airflow:")
    assert "?" not in urls["airflow"]


def test_outside_its_task_it_says_who_starts_it(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PGHOST")
    with pytest.raises(SystemExit) as ended:
        databases.app([])
    assert ended.value.code == 2
    assert "`datavision infra bootstrap`" in capsys.readouterr().err
