import uuid
from typing import Any

import boto3
import pytest

from datavision.local import source
from datavision_lakehouse import connect

Place = Any


@pytest.fixture
def bucket(s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in s3_variables.items():
        monkeypatch.setenv(name, value)
    name = f"datavision-{uuid.uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.mark.slow
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


def test_a_bucket_that_is_not_there_names_its_setting(place: Place, s3_variables: dict[str, str]) -> None:
    done = place.command("--env", "local", **s3_variables, DATAVISION_LANDING__PATH="s3://nowhere/landing")
    assert done.returncode == 2
    assert "'nowhere' does not exist" in done.stderr
    assert "DATAVISION_LANDING__PATH" in done.stderr
