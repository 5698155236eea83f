"""Nobody gets in without a key: every call is signed, with the server's key or with one that it gave away."""

import http.client
import json
import os
import stat
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.support.cloud import Ecs

from fargate_local import FargateLocal, ServerKey
from fargate_local.cloud.requests import CloudRequest
from fargate_local.guard import Guard
from fargate_local.keys import TaskKeys

ECS_TARGET = "AmazonEC2ContainerServiceV20141113."


def refused_with(client: Any, method: str, **parameters: Any) -> Any:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        getattr(client, method)(**parameters)
    return caught.value.response["Error"]["Code"]


def unsigned(cloud: FargateLocal, service: str) -> Any:
    args = {"endpoint_url": cloud.url, "region_name": "us-east-1"}
    return boto3.client(service, config=Config(signature_version=UNSIGNED), **args)


def signed_by(cloud: FargateLocal, identifier: Any, secret: Any, service: str, token: str | None = None) -> Any:
    args = cloud.client_args | {"aws_access_key_id": identifier, "aws_secret_access_key": secret}
    return boto3.client(service, aws_session_token=token, **args)


CALLS = {
    "ecs": "list_clusters",
    "logs": "describe_log_groups",
    "iam": "list_users",
    "ec2": "describe_subnets",
    "s3": "list_buckets",
    "sqs": "list_queues",
    "lambda": "list_functions",
}
UNKNOWN = {
    "ecs": "UnrecognizedClientException",
    "logs": "UnrecognizedClientException",
    "iam": "InvalidClientTokenId",
    "ec2": "AuthFailure",
    "s3": "InvalidAccessKeyId",
    "sqs": "UnrecognizedClientException",
    "lambda": "UnrecognizedClientException",
}
WRONG = {
    "ecs": "InvalidSignatureException",
    "logs": "InvalidSignatureException",
    "iam": "SignatureDoesNotMatch",
    "ec2": "AuthFailure",
    "s3": "SignatureDoesNotMatch",
    "sqs": "InvalidSignatureException",
    "lambda": "InvalidSignatureException",
}
MISSING = {
    "ecs": "MissingAuthenticationTokenException",
    "logs": "MissingAuthenticationTokenException",
    "iam": "MissingAuthenticationToken",
    "s3": "AccessDenied",
}


@pytest.mark.parametrize("service", MISSING)
def test_a_call_without_a_signature_is_refused_in_the_services_own_words(fargate: FargateLocal, service: str) -> None:
    assert refused_with(unsigned(fargate, service), CALLS[service]) == MISSING[service]


@pytest.mark.parametrize("service", CALLS)
def test_an_unknown_key_is_refused_in_the_services_own_words(fargate: FargateLocal, service: str) -> None:
    client = signed_by(fargate, "AKIAIOSFODNN7EXAMPLE", "any", service)
    assert refused_with(client, CALLS[service]) == UNKNOWN[service]


@pytest.mark.parametrize("service", CALLS)
def test_the_right_name_with_a_wrong_secret_is_refused(fargate: FargateLocal, service: str) -> None:
    client = signed_by(fargate, fargate.key.access_key_id, "wrong", service)
    assert refused_with(client, CALLS[service]) == WRONG[service]


@pytest.mark.parametrize("service", CALLS)
def test_the_servers_key_opens_every_service(fargate: FargateLocal, service: str) -> None:
    getattr(boto3.client(service, **fargate.client_args), CALLS[service])()


@pytest.mark.parametrize("change", ["body", "target", "path"])
def test_a_signature_covers_the_whole_request(fargate: FargateLocal, change: Any) -> None:
    headers = {"X-Amz-Target": f"{ECS_TARGET}CreateCluster", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", f"{fargate.url}/", headers, b'{"clusterName": "signed"}')
    key = fargate.key
    SigV4Auth(Credentials(key.access_key_id, key.secret_access_key), "ecs", "us-east-1").add_auth(request)
    sent = dict(request.headers.items())
    if change == "target":
        sent["X-Amz-Target"] = f"{ECS_TARGET}DeleteCluster"
    address = urllib.parse.urlsplit(fargate.url)
    with closing(http.client.HTTPConnection(address.netloc)) as connection:
        body = b'{"clusterName": "forged"}' if change == "body" else request.data
        connection.request("POST", "/other" if change == "path" else "/", body, sent)
        answer = connection.getresponse()
        assert answer.status == 400
        assert json.load(answer)["__type"] == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_fargate/faults"),
        ("POST", "/_fargate/faults"),
        ("POST", "/moto-api/reset"),
        ("GET", "/moto-api/data.json"),
        ("PUT", "/some-bucket"),
        ("GET", "/"),
    ],
)
def test_no_route_but_health_answers_without_a_key(fargate: FargateLocal, method: str, path: str) -> None:
    address = urllib.parse.urlsplit(fargate.url)
    with closing(http.client.HTTPConnection(address.netloc)) as connection:
        connection.request(method, path, b"[]" if method == "POST" else None)
        with connection.getresponse() as answer:
            assert answer.status == 403
            answer.read()  # what is left would be taken for the next answer
        connection.request("GET", "/_fargate/health")
        assert connection.getresponse().read() == b'{"status": "ok"}'


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_works_for_what_it_was_signed_for_and_as_long(fargate: FargateLocal, version: str) -> None:
    s3 = boto3.client("s3", config=Config(signature_version=version), **fargate.client_args)
    bucket = f"links-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    for key in ("a b/ñ+.txt", "other"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ñ+.txt"})
    with urllib.request.urlopen(link) as answer:
        assert answer.read().decode() == "a b/ñ+.txt"
    for forged in (link.replace("a%20b/%C3%B1%2B.txt", "other"), link.split("?")[0]):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(forged)
        assert caught.value.code == 403
        caught.value.close()
    short = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "other"}, ExpiresIn=1)
    time.sleep(2.1)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(short)
    with caught.value as answer:
        assert b"Request has expired" in answer.read()


def test_an_iam_users_key_and_an_assumed_role_are_accepted(fargate: FargateLocal) -> None:
    iam = boto3.client("iam", **fargate.client_args)
    name = f"user-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    signed_by(fargate, key["AccessKeyId"], key["SecretAccessKey"], "ecs").list_clusters()
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    sts = boto3.client("sts", **fargate.client_args)
    given = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    identifier, secret, token = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
    signed_by(fargate, identifier, secret, "ecs", token).list_clusters()
    assert refused_with(signed_by(fargate, identifier, secret, "ecs"), "list_clusters") == UNKNOWN["ecs"]
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    gone = signed_by(fargate, key["AccessKeyId"], key["SecretAccessKey"], "ecs")
    assert refused_with(gone, "list_clusters") == UNKNOWN["ecs"]


def test_a_tasks_credentials_live_as_long_as_the_task_and_open_no_admin_route(ecs: Ecs) -> None:
    iam = ecs.client("iam")
    role = iam.create_role(RoleName=f"role-{uuid.uuid4().hex[:8]}", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    script = f"{sys.executable} -c \"import os, urllib.request as u; \
print(u.urlopen(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI']).read().decode())\"; sleep 60"
    arn = ecs.run(ecs.define_shell(script, taskRoleArn=role))
    given = json.loads(ecs.log_line(arn))
    identifier, secret, token = given["AccessKeyId"], given["SecretAccessKey"], given["Token"]
    assert given["RoleArn"] == role
    api = signed_by(ecs.cloud, identifier, secret, "ecs", token)
    api.list_clusters()
    request = AWSRequest("GET", f"{ecs.cloud.url}/_fargate/faults")
    SigV4Auth(Credentials(identifier, secret, token), "fargate-local", "us-east-1").add_auth(request)
    admin = urllib.request.Request(request.url, headers=dict(request.headers.items()))
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(admin)
    assert caught.value.code == 403
    caught.value.close()
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    ecs.stopped(arn)
    assert refused_with(api, "list_clusters") == "ExpiredTokenException"


def test_an_open_server_asks_for_no_key_and_warns() -> None:
    command = [
        sys.executable,
        "-m",
        "fargate_local",
        "serve",
        "--open",
        "--json",
        "--until-stdin-closes",
        "--port",
        "0",
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout
        url = json.loads(server.stdout.readline())["url"]
        args = {"endpoint_url": url, "region_name": "us-east-1"}
        boto3.client("ecs", aws_access_key_id="any", aws_secret_access_key="any", **args).list_clusters()
        boto3.client("s3", config=Config(signature_version=UNSIGNED), **args).list_buckets()
        said = server.communicate()[1]
    assert "every program that reaches this address can run programs as you" in said


def test_a_key_is_kept_with_the_state_and_only_its_owner_can_read_anything_there(tmp_path: Path) -> None:
    state = tmp_path / "state"
    old = os.umask(0)
    try:
        with FargateLocal(state_dir=state) as first:
            boto3.client("s3", **first.client_args).create_bucket(Bucket="state")
            boto3.client("s3", **first.client_args).put_object(Bucket="state", Key="k", Body=b"x" * 100_000)
            open_to_others = [
                str(path) for path in (state, *state.rglob("*")) if stat.S_IMODE(path.lstat().st_mode) & 0o077
            ]
            key = first.key
        with FargateLocal(state_dir=state) as second:
            assert (second.key.access_key_id, second.key.secret_access_key) == (
                key.access_key_id,
                key.secret_access_key,
            )
    finally:
        os.umask(old)
    assert open_to_others == []
    with FargateLocal() as other:
        assert other.key.secret_access_key != key.secret_access_key


def test_a_check_costs_less_than_a_third_of_a_millisecond() -> None:
    key = ServerKey.new().at("http://127.0.0.1:5555")
    headers = {"X-Amz-Target": f"{ECS_TARGET}DescribeTasks", "Content-Type": "application/x-amz-json-1.1"}
    signed = AWSRequest("POST", f"{key.url}/", headers, json.dumps({"tasks": ["a" * 60] * 100}).encode())
    SigV4Auth(Credentials(key.access_key_id, key.secret_access_key), "ecs", "us-east-1").add_auth(signed)
    names = {name.lower(): value for name, value in signed.headers.items()} | {"host": "127.0.0.1:5555"}
    request = CloudRequest("POST", "/", names, signed.data)
    guard = Guard(key, TaskKeys())
    times = []
    for _ in range(500):
        began = time.perf_counter()
        assert guard.refusal(request) is None
        times.append(time.perf_counter() - began)
    assert statistics.median(times) < 0.0003
