"""The wire: keep-alive, ``Expect: 100-continue``, chunked bodies, conditional writes, names with odd characters."""

import http.client
import io
import os
import socket
import urllib.parse
from contextlib import closing
from pathlib import Path
from typing import Any

import aiobotocore.session
import duckdb
import duckdb_extensions
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.support.cloud import Ecs


@pytest.fixture(scope="module")
def s3(ecs: Ecs) -> Any:
    client = ecs.client("s3")
    client.create_bucket(Bucket="wire")
    return client


def test_a_connection_serves_many_requests(ecs: Ecs) -> None:
    address = urllib.parse.urlsplit(ecs.cloud.url)
    with closing(http.client.HTTPConnection(address.netloc)) as connection:
        connection.connect()
        local = connection.sock.getsockname()
        for _ in range(3):
            connection.request("GET", "/_fargate/health")
            assert connection.getresponse().read() == b'{"status": "ok"}'
            assert connection.sock.getsockname() == local


@pytest.mark.parametrize("key", ["plain", "with space", "año/mes=1/día", "a%2Fb", "a//b", "+&=;,?#"])
def test_an_object_keeps_its_name(s3: Any, key: str) -> None:
    s3.put_object(Bucket="wire", Key=key, Body=key.encode())
    assert s3.get_object(Bucket="wire", Key=key)["Body"].read() == key.encode()
    assert key in [item["Key"] for item in s3.list_objects_v2(Bucket="wire")["Contents"]]


def test_metadata_keeps_its_underscores(s3: Any) -> None:
    s3.put_object(Bucket="wire", Key="m", Body=b"", Metadata={"a_b": "1", "c-d": "2"})
    assert s3.head_object(Bucket="wire", Key="m")["Metadata"] == {"a_b": "1", "c-d": "2"}


def test_a_stream_is_uploaded_in_chunks_after_a_100_continue(s3: Any) -> None:
    content = os.urandom(3_000_000)
    s3.put_object(Bucket="wire", Key="stream", Body=io.BytesIO(content))
    assert s3.get_object(Bucket="wire", Key="stream")["Body"].read() == content
    part = s3.get_object(Bucket="wire", Key="stream", Range="bytes=10-19")["Body"].read()
    assert part == content[10:20]


def test_a_body_without_a_length_is_read_whole(ecs: Ecs, s3: Any) -> None:
    address = urllib.parse.urlsplit(ecs.cloud.url)
    link = urllib.parse.urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": "wire", "Key": "chunked"}))
    with closing(http.client.HTTPConnection(address.netloc)) as connection:
        connection.request("PUT", f"{link.path}?{link.query}", body=iter([b"one ", b"two"]), encode_chunked=True)
        assert connection.getresponse().read() == b""
    assert s3.get_object(Bucket="wire", Key="chunked")["Body"].read() == b"one two"


def test_only_the_first_of_two_conditional_writes_succeeds(s3: Any) -> None:
    s3.put_object(Bucket="wire", Key="lock", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="wire", Key="lock", Body=b"second", IfNoneMatch="*")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert s3.get_object(Bucket="wire", Key="lock")["Body"].read() == b"first"


async def test_aiobotocore_writes_and_reads_and_meets_conditions(ecs: Ecs, s3: Any) -> None:
    session = aiobotocore.session.get_session()
    async with session.create_client("s3", **ecs.cloud.client_args) as client:
        await client.put_object(Bucket="wire", Key="async", Body=b"x" * 100_000, IfNoneMatch="*")
        with pytest.raises(ClientError):
            await client.put_object(Bucket="wire", Key="async", Body=b"y", IfNoneMatch="*")
        answer = await client.get_object(Bucket="wire", Key="async")
        async with answer["Body"] as body:
            assert await body.read() == b"x" * 100_000


def test_duckdb_writes_and_reads_parquet(ecs: Ecs, s3: Any, tmp_path: Path) -> None:
    host, key = urllib.parse.urlsplit(ecs.cloud.url).netloc, ecs.cloud.key
    connection = duckdb.connect(config={"extension_directory": str(tmp_path)})
    duckdb_extensions.import_extension("httpfs", con=connection)
    connection.execute("load httpfs")
    connection.execute(
        f"create secret (type s3, key_id '{key.access_key_id}', secret '{key.secret_access_key}',"
        f" region 'us-east-1', endpoint '{host}',"
        " url_style 'path', use_ssl false)"
    )
    connection.execute("copy (select range as n, repeat('x', 100) as t from range(200000)) to 's3://wire/t.parquet'")
    found = connection.execute("select count(*), sum(n) from 's3://wire/*.parquet'").fetchone()
    connection.close()
    assert found == (200_000, 199_999 * 100_000)


HOST = b"Host: localhost\r\n"
CHUNKED = HOST + b"Transfer-Encoding: chunked\r\n\r\n"
FORM = HOST + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=b&c=d"


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\nabcde", b"Content-Length is -5"),
        (b"PUT /wire/k HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", b"Content-Length is -1"),
        (b"POST / HTTP/1.1\r\n" + CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", b"chunk"),
        (b"POST / HTTP/1.1\r\n" + CHUNKED + b"5\r\nabcXXXXXX\r\n0\r\n\r\n", b"chunk"),
        (b"POST /wire/key HTTP/1.1\r\n" + FORM, b"MalformedPOSTRequest"),
    ],
    ids=["negative length", "length -1", "no chunk size", "chunk too long", "form"],
)
def test_a_malformed_request_is_the_senders_fault(ecs: Ecs, s3: Any, request_bytes: bytes, reason: bytes) -> None:
    address, key = urllib.parse.urlsplit(ecs.cloud.url), ecs.cloud.key
    link = AWSRequest("POST", "http://localhost/wire/key")
    S3SigV4QueryAuth(Credentials(key.access_key_id, key.secret_access_key), "s3", "us-east-1").add_auth(link)
    signed = urllib.parse.urlsplit(link.url)
    request_bytes = request_bytes.replace(b"/wire/key", f"{signed.path}?{signed.query}".encode())
    with (
        socket.create_connection(("127.0.0.1", address.port or 0), timeout=10) as connection,
        closing(http.client.HTTPResponse(connection)) as answer,
    ):
        connection.sendall(request_bytes)
        answer.begin()
        assert answer.status == 400
        assert reason in answer.read()
