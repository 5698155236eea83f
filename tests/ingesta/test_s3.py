import json
import uuid
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from datavision.local import source
from datavision_lakehouse import connect
from ingesta.errors import LoadError, UsageError
from ingesta.landings import landing_at

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


def test_a_load_that_died_is_removed_and_a_sealed_one_stays(bucket: str) -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key="elsewhere/accounts.parquet", Body=b"not a load")
    landing = landing_at(f"s3://{bucket}/landing")
    for load_id in ("dead", "sealed"):
        landing.open(load_id)
        key = landing.file(load_id, "accounts.parquet").removeprefix(f"s3://{bucket}/")
        s3.put_object(Bucket=bucket, Key=key, Body=b"rows")
    landing.close("sealed", {"load": "sealed", "texto": "ñ"})
    assert landing.discard_unfinished() == 1
    kept = {item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    sealed = {f"landing/sealed/{name}" for name in ("accounts.parquet", "manifest.json")}
    assert kept == {*sealed, "elsewhere/accounts.parquet"}
    manifest = s3.get_object(Bucket=bucket, Key="landing/sealed/manifest.json")["Body"].read()
    assert json.loads(manifest) == {"load": "sealed", "texto": "ñ"}
    assert landing.discard_unfinished() == 0


def test_more_dead_files_than_one_request_takes_are_all_removed(bucket: str) -> None:
    s3 = boto3.client("s3")
    for number in range(1001):
        s3.put_object(Bucket=bucket, Key=f"dead/{number}.parquet", Body=b"")
    assert landing_at(f"s3://{bucket}").discard_unfinished() == 1
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_what_s3_refuses_is_a_setting_to_correct_and_its_silence_a_reason_to_try_again(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"'nowhere' does not exist\. Deploy the storage stack, or correct MINE"):
        landing_at("s3://nowhere/landing", "MINE").open("load")
    with pytest.raises(UsageError, match="'nowhere' does not exist"):
        landing_at("s3://nowhere/landing").discard_unfinished()
    with pytest.raises(UsageError, match="'nowhere' does not exist"):
        landing_at("s3://nowhere/landing").close("load", {})
    refused = ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadBucket")
    landing = landing_at(f"s3://{bucket}/landing")
    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", lambda *_: throw(refused))
        with pytest.raises(UsageError, match=f"'{bucket}' refuses this task's role"):
            landing.check()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(LoadError, match=r"does not answer: .*then run again"):
        landing_at(f"s3://{bucket}/landing").check()


def throw(error: Exception) -> None:
    raise error


def test_a_bucket_that_is_not_there_names_its_setting(place: Place, s3_variables: dict[str, str]) -> None:
    done = place.command("--env", "local", **s3_variables, DATAVISION_LANDING__PATH="s3://nowhere/landing")
    assert done.returncode == 2
    assert "'nowhere' does not exist" in done.stderr
    assert "DATAVISION_LANDING__PATH" in done.stderr
