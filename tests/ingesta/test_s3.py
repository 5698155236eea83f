from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from datavision.local import source
from datavision_lakehouse import connect

Place = Any


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    cloud = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    cloud.start()
    host, port = cloud.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "embedded")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "embedded")
    boto3.client("s3").create_bucket(Bucket="datavision")
    yield "datavision"
    cloud.stop()


def test_landing_and_lakehouse_work_the_same_on_s3(place: Place, bucket: str) -> None:
    place.more = {
        "DATAVISION_LANDING__PATH": f"s3://{bucket}/landing/",
        "DATAVISION_LAKEHOUSE__DATA_PATH": f"s3://{bucket}/lake",
        "DATAVISION_INGESTA__HOUSEKEEPING": "true",
    }
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key="landing/20200101T000000Z-dead00/accounts.parquet", Body=b"half")
    first = place.load(validate=True)
    assert {finding.outcome for finding in first.findings} == {"ok"}
    assert place.differences() == {}
    source.advance(place.source_url, 1)
    second = place.load()
    assert place.differences() == {}
    names = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    for done in (first, second):
        assert f"landing/{done.load.id}/manifest.json" in names
        assert f"landing/{done.load.id}/contents.parquet" in names
    assert any(name.startswith("lake/raw_datavision/contents/") for name in names)
    assert not any("dead00" in name for name in names)
    assert not list(place.folder.iterdir()), "nothing goes to the disk"
    with connect(place.settings.lakehouse, at=first.load.id) as connection:
        assert connection.execute("SELECT max(_id_carga) FROM raw_datavision.contents").fetchall() == [(first.load.id,)]


def test_a_bucket_that_is_not_there_names_its_setting(place: Place, bucket: str) -> None:
    import os

    more = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    done = place.command("--env", "local", **more, DATAVISION_LANDING__PATH="s3://nowhere/landing")
    assert done.returncode == 2
    assert "'nowhere' does not exist" in done.stderr
    assert "DATAVISION_LANDING__PATH" in done.stderr
