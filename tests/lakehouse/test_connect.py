import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import duckdb
import psycopg
import pytest

from datavision.local.postgres import EmbeddedPostgres
from datavision_lakehouse import (
    ConfigurationError,
    LakehouseSettings,
    NotInitialized,
    Unavailable,
    check,
    connect,
)
from datavision_lakehouse.connection import instance_options
from datavision_lakehouse.extensions import EXTENSIONS, extension_file
from datavision_lakehouse.process_environment import ProcessEnvironment
from datavision_lakehouse.resources import memory_available
from datavision_lakehouse.storage import s3_secret_sql

Make = Callable[..., LakehouseSettings]


@contextmanager
def _answering(answer: dict[str, Any]) -> Iterator[str]:
    """A web server that answers every GET with this JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_writing_makes_a_lakehouse_and_reading_sees_it(settings: LakehouseSettings) -> None:
    with connect(settings) as lake:
        lake.execute("CREATE SCHEMA marts; CREATE TABLE marts.t AS SELECT 42 AS answer")
    with connect(settings, read_only=True) as lake:
        assert lake.execute("SELECT current_database(), answer FROM marts.t").fetchall() == [("lake", 42)]


def test_a_reader_cannot_write(settings: LakehouseSettings) -> None:
    with connect(settings) as lake:
        lake.execute("CREATE TABLE t AS SELECT 1 AS x")
    with connect(settings, read_only=True) as lake, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        lake.execute("INSERT INTO t VALUES (2)")


def test_check_passes_only_what_a_reader_could_open(make_settings: Make) -> None:
    settings = make_settings()
    with pytest.raises(NotInitialized, match="run pipeline_suscripciones"):
        check(settings)
    connect(settings).close()
    check(settings)
    with pytest.raises(ConfigurationError, match="refused the password"):
        check(make_settings(catalog_url=settings.catalog_url.get_secret_value().replace("@", "x@")))


def test_reading_an_empty_lakehouse_makes_nothing_and_says_what_to_run(settings: LakehouseSettings) -> None:
    for _ in range(2):
        with pytest.raises(NotInitialized, match="make run"):
            connect(settings, read_only=True)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda url: url.replace("@", "x@"), ConfigurationError, "refused the password"),
        (lambda url: url + "_gone", ConfigurationError, "does not exist"),
        (lambda url: url.rsplit(":", 1)[0] + ":1/lake", Unavailable, "Connection refused"),
        (lambda url: "mysql://u:p@host/db", ConfigurationError, "DATAVISION_LAKEHOUSE__CATALOG_URL"),
        (lambda url: "postgresql://host", ConfigurationError, "DATAVISION_LAKEHOUSE__CATALOG_URL"),
        (lambda url: "postgresql://u:p@host:port/db", ConfigurationError, "DATAVISION_LAKEHOUSE__CATALOG_URL"),
        (lambda url: "postgresql://u:p@[::1/db", ConfigurationError, "DATAVISION_LAKEHOUSE__CATALOG_URL"),
        (lambda url: "postgresql://u:p@host/db%00", ConfigurationError, "DATAVISION_LAKEHOUSE__CATALOG_URL"),
        (lambda url: url + "?sslmode=no", ConfigurationError, 'invalid sslmode value: "no"'),
        (lambda url: url + "?bogus=it's", ConfigurationError, 'invalid connection option "bogus"'),
        (lambda url: url + "?connect_timeout=soon", ConfigurationError, 'invalid integer value "soon"'),
    ],
)
def test_a_catalog_that_cannot_be_opened_is_one_sentence_without_the_password(
    make_settings: Make, change: Callable[[str], str], error: type[Exception], said: str
) -> None:
    url = make_settings().catalog_url.get_secret_value()
    with pytest.raises(error, match=said) as caught:
        connect(make_settings(catalog_url=change(url)))
    password = url.split(":")[2].split("@")[0]
    assert password not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_data_path_than_the_recorded_one_is_refused_with_both(make_settings: Make, tmp_path: Path) -> None:
    connect(make_settings()).close()
    with pytest.raises(ConfigurationError, match=rf"keeps its data in {tmp_path}/lake/, not in {tmp_path}/other"):
        connect(make_settings(data_path=str(tmp_path / "other")))


def test_a_data_path_that_cannot_be_made_names_the_setting(make_settings: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="DATAVISION_LAKEHOUSE__DATA_PATH"):
        connect(make_settings(data_path=str(tmp_path / "file" / "lake")))


def test_passwords_with_special_characters_work(postgres: EmbeddedPostgres, make_settings: Make) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE odd LOGIN SUPERUSER PASSWORD 'p@ss:w/''rd\"% ñ'")
    url = make_settings().catalog_url.get_secret_value()
    host = url.split("@")[1]
    connect(make_settings(catalog_url=f"postgresql://odd:p%40ss%3Aw%2F%27rd%22%25%20%C3%B1@{host}")).close()


def test_no_secret_can_be_read_back(settings: LakehouseSettings) -> None:
    password = settings.catalog.password
    with connect(settings) as lake:
        said = str(lake.execute("FROM duckdb_secrets()").fetchall()) + str(
            lake.execute("FROM duckdb_databases()").fetchall()
        )
    assert password not in said + repr(settings) + str(settings.catalog) + repr(settings.catalog)


@pytest.mark.parametrize("name", EXTENSIONS)
def test_extensions_are_files_of_installed_wheels(name: str) -> None:
    assert extension_file(name).is_file()


def test_nothing_is_downloaded_or_written_to_the_home_folder(settings: LakehouseSettings, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import sys; from datavision_lakehouse import *; "
        "c = connect(LakehouseSettings(catalog_url=sys.argv[1], data_path=sys.argv[2])); "
        "c.execute('CREATE TABLE t AS SELECT 1 AS x'); "
    )
    arguments = [settings.catalog_url.get_secret_value(), settings.data_path]
    proxy = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"HOME": str(home), **proxy},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []


def test_buffers_are_bounded_by_the_task_and_spill_to_tmp(
    settings: LakehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _answering({"Limits": {"CPU": 0.5, "Memory": 512}}) as address:
        assert memory_available(ProcessEnvironment(task_metadata_url=address)) == 512 * 2**20
        monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", address)
        options = instance_options(settings)
    assert options["memory_limit"] == f"{int(512 * 2**20 * 0.6)}B"
    assert str(options["temp_directory"]).startswith("/tmp/")


def test_a_metadata_endpoint_that_is_away_does_no_harm() -> None:
    assert memory_available(ProcessEnvironment(task_metadata_url="http://127.0.0.1:1")) > 2**27


def test_memory_and_threads_can_be_set(make_settings: Make) -> None:
    with connect(make_settings(memory_limit="300MB", threads=1)) as lake:
        row = lake.execute("SELECT current_setting('memory_limit'), current_setting('threads')").fetchone()
    assert row == ("286.1 MiB", 1)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ["TYPE s3", "PROVIDER credential_chain"]),
        ({"AWS_REGION": "sa-east-1"}, ["REGION 'sa-east-1'"]),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"},
            ["ENDPOINT '127.0.0.1:5000'", "URL_STYLE 'path'", "USE_SSL false"],
        ),
        (
            {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "https://minio.example"},
            ["ENDPOINT 'minio.example'", "URL_STYLE 'path'"],
        ),
    ],
)
def test_s3_follows_the_standard_aws_variables(environment: dict[str, str], expected: list[str]) -> None:
    statement = s3_secret_sql(ProcessEnvironment.of(environment))
    assert all(part in statement for part in expected)
    assert ("USE_SSL false" in statement) == ("USE_SSL false" in expected)


def test_data_on_s3_is_reached_with_the_credentials_of_the_container(
    make_settings: Make, s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"AccessKeyId": "ASIAX", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
    with _answering(keys) as credentials:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{credentials}/role")
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3_variables["AWS_ENDPOINT_URL"])
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="lake")
        settings = make_settings(data_path="s3://lake/data")
        with connect(settings) as lake:
            lake.execute("CREATE TABLE t AS SELECT range AS x FROM range(1000)")
        with connect(settings, read_only=True) as lake:
            assert lake.execute("SELECT sum(x) FROM t").fetchall() == [(499500,)]
        objects = s3.list_objects_v2(Bucket="lake")["Contents"]
    assert all(item["Key"].startswith("data/main/t/") for item in objects)
