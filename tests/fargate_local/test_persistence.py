"""With ``--state-dir`` everything acknowledged survives a kill, and no process of a task does."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from tests.support.cloud import Ecs, MakeCloud, process_gone

from fargate_local import FargateLocal
from fargate_local.cloud.compaction import compact
from fargate_local.cloud.journal import Journal, Record
from fargate_local.cloud.requests import CloudRequest

TEMPLATE = {
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.9.1.0/24"}},
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "tasks"},
        },
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/stack"}},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "of-the-stack"}},
        "Repository": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "of-the-stack"}},
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "of-the-stack"}},
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "s"}},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": "of-the-stack", "AssumeRolePolicyDocument": {"Statement": []}},
        },
    },
    "Outputs": {"Subnet": {"Value": {"Ref": "Subnet"}}, "Group": {"Value": {"Ref": "Group"}}},
}


def fill(ecs: Ecs) -> None:
    """Put something into every service that must survive."""
    s3 = ecs.client("s3")
    s3.create_bucket(Bucket="things")
    for version in range(3):
        s3.put_object(Bucket="things", Key="overwritten", Body=b"%d" % version, Metadata={"with_underscore": "yes"})
    s3.put_object(Bucket="things", Key="deleted", Body=b"x")
    s3.delete_object(Bucket="things", Key="deleted")
    s3.put_object(Bucket="things", Key="claimed", Body=b"mine", IfNoneMatch="*")
    upload = s3.create_multipart_upload(Bucket="things", Key="in parts")["UploadId"]
    body = os.urandom(6 * 1024 * 1024)
    etag = s3.upload_part(Bucket="things", Key="in parts", UploadId=upload, PartNumber=1, Body=body)["ETag"]
    parts = {"Parts": [{"ETag": etag, "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket="things", Key="in parts", UploadId=upload, MultipartUpload=parts)
    ecs.client("cloudformation").create_stack(
        StackName="stack", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []})
    ecs.client("ecr").put_image(
        repositoryName="of-the-stack",
        imageManifest=manifest,
        imageTag="1.0.0",
        imageDigest=f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}",
    )
    ecs.client("secretsmanager").create_secret(Name="password", SecretString="open sesame")
    ecs.client("ssm").put_parameter(Name="/p", Value="q", Type="SecureString")
    ecs.client("events").put_rule(Name="rule", ScheduleExpression="rate(1 day)")
    family = ecs.define_shell("echo hello", family="survivor")
    ecs.define_shell("echo second", family=family)
    ecs.define_shell("echo third", family=family)
    ecs.api.deregister_task_definition(taskDefinition=f"{family}:3")


def held(ecs: Ecs) -> dict[str, Any]:
    """What moto holds, without the times at which it was made: a replay dates them to the request's begin."""
    s3 = ecs.client("s3")
    objects = {item["Key"]: item["ETag"] for item in s3.list_objects_v2(Bucket="things")["Contents"]}
    manager = ecs.client("secretsmanager")
    stack = ecs.client("cloudformation").describe_stacks(StackName="stack")["Stacks"][0]
    (image,) = ecs.client("ecr").describe_images(repositoryName="of-the-stack")["imageDetails"]
    return {
        "objects": objects,
        "in parts": hashlib.md5(s3.get_object(Bucket="things", Key="in parts")["Body"].read()).hexdigest(),  # noqa: S324 - a checksum
        "metadata": s3.head_object(Bucket="things", Key="overwritten")["Metadata"],
        "stack": (stack["StackId"], stack["Outputs"]),
        "subnets": sorted(each["SubnetId"] for each in ecs.client("ec2").describe_subnets()["Subnets"]),
        "role": ecs.client("iam").get_role(RoleName="of-the-stack")["Role"]["RoleId"],
        "image": (image["imageDigest"], image["imageTags"]),
        "secrets": sorted(secret["ARN"] for secret in manager.list_secrets()["SecretList"]),
        "secret version": manager.get_secret_value(SecretId="password")["VersionId"],
        "parameter": ecs.client("ssm").get_parameter(Name="/p", WithDecryption=True)["Parameter"]["Value"],
        "rules": [rule["Arn"] for rule in ecs.client("events").list_rules()["Rules"]],
        "definitions": {
            status: ecs.api.list_task_definitions(familyPrefix="survivor", status=status)["taskDefinitionArns"]
            for status in ("ACTIVE", "INACTIVE")
        },
        "clusters": ecs.api.list_clusters()["clusterArns"],
    }


@pytest.fixture(scope="module")
def survival(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cloud that was filled, used, killed by SIGKILL while a task ran, and started again."""
    state = tmp_path_factory.mktemp("state")
    with FargateLocal(state_dir=state) as cloud:
        story = used(Ecs(cloud))
        os.kill(cloud.pid, signal.SIGKILL)
    with FargateLocal(state_dir=state) as again:
        yield story, Ecs(again)


def used(before: Any) -> Any:
    """Fill a cloud, finish a task, leave another one running."""
    fill(before)
    story: dict[str, Any] = {"held": held(before)}
    story["finished"] = before.finish("survivor:1", clientToken="of-the-finished")
    story["lines"] = before.logs(story["finished"]["taskArn"])
    script = "setsid sleep 600 & echo $!; echo $$; exec sleep 600"
    story["running"] = before.run(before.define_shell(script, family="running"), clientToken="of-the-running")
    before.log_line(story["running"])
    while len(before.logs(story["running"])) < 2:
        time.sleep(0.05)
    story["pids"] = [int(line) for line in before.logs(story["running"])]
    return story


@pytest.mark.slow
def test_everything_moto_held_is_there_again_with_the_same_identifiers(survival: Any) -> None:
    story, ecs = survival
    assert held(ecs) == story["held"]


def test_a_finished_task_keeps_its_record_and_its_log(survival: Any) -> None:
    story, ecs = survival
    arn = story["finished"]["taskArn"]
    assert ecs.describe(arn) == story["finished"]
    assert ecs.logs(arn) == story["lines"] == ["hello"]


def test_a_task_that_ran_is_stopped_as_if_its_host_were_lost(survival: Any) -> None:
    story, ecs = survival
    task = ecs.describe(story["running"])
    assert task["lastStatus"] == "STOPPED"
    assert task["stopCode"] == "TerminationNotice"
    assert task["stoppedReason"] == "ECS is performing maintenance on the underlying infrastructure hosting the task."
    assert "exitCode" not in task["containers"][0]
    assert task["stoppedAt"] >= task["startedAt"]


def test_nothing_of_the_killed_servers_tasks_runs_on(survival: Any) -> None:
    story, _ = survival
    assert all(process_gone(pid) for pid in story["pids"])


def test_a_client_token_is_remembered(survival: Any) -> None:
    story, ecs = survival
    answer = ecs.api.run_task(**ecs.request("running", clientToken="of-the-running"))
    assert [task["taskArn"] for task in answer["tasks"]] == [story["running"]]


def test_the_cloud_goes_on_after_the_restart(survival: Any) -> None:
    _, ecs = survival
    assert ecs.finish("survivor")["taskDefinitionArn"].endswith("survivor:2")
    assert ecs.define_shell("true", family="survivor") == "survivor"
    assert ecs.api.describe_task_definition(taskDefinition="survivor")["taskDefinition"]["revision"] == 4


def test_a_second_server_is_kept_out_of_a_state_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with FargateLocal(state_dir=tmp_path), pytest.raises(RuntimeError, match="exit 2"):
        FargateLocal(state_dir=tmp_path).start()
    assert f"another fargate-local is using {tmp_path}" in capfd.readouterr().err


@pytest.mark.slow
def test_tasks_end_when_the_program_that_started_the_server_dies(make_cloud: MakeCloud) -> None:
    ecs = make_cloud()
    arn = ecs.shell("echo $$; exec sleep 600")
    pid = int(ecs.log_line(arn))
    ecs.cloud.stop()
    assert process_gone(pid)


@pytest.mark.slow
def test_the_next_start_ends_what_outlived_server_and_warden(tmp_path: Path) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        ecs = Ecs(cloud)
        arn = ecs.shell("sleep 600 & echo $!; setsid sleep 600 & echo $!; wait")
        while len(ecs.logs(arn) if ecs.log_line(arn) else []) < 2:
            time.sleep(0.05)
        pids = [int(line) for line in ecs.logs(arn)]
        (warden,) = [each for each in psutil.Process(cloud.pid).children() if "warden.py" in " ".join(each.cmdline())]
        os.kill(cloud.pid, signal.SIGSTOP)
        warden.kill()
        os.kill(cloud.pid, signal.SIGKILL)
    assert all(psutil.pid_exists(pid) for pid in pids)
    with FargateLocal(state_dir=tmp_path):
        assert all(process_gone(pid) for pid in pids)


def request(
    method: str = "PUT", target: Any = "/bucket/key", body: Any = b"x", service: str = "s3", **headers: str
) -> Any:
    scope = f"AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/{service}/aws4_request, SignedHeaders=a, Signature=ab"
    return CloudRequest(method, target, {"host": "127.0.0.1:1", "authorization": scope, **headers}, body)


def record(number: int, made: Any, yields: Any = None) -> Any:
    return Record(number, 0.0, 0, made, yields)


def kept(*records: Any) -> list[Any]:
    return [each.number for each in compact(list(records))]


def test_a_torn_last_record_is_dropped_and_the_journal_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    for number in range(3):
        journal.append(1.0, number, request(body=b"%d" % number), None)
    journal.close()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-5])
    again = Journal(tmp_path)
    assert [record.request.body for record in again.read()] == [b"0", b"1"]
    again.open()
    again.append(1.0, 9, request(body=b"9"), None)
    again.close()
    assert [record.request.body for record in Journal(tmp_path).read()] == [b"0", b"1", b"9"]


@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_a_record_comes_back_as_it_was(tmp_path: Path, size: int) -> None:
    journal = Journal(tmp_path)
    journal.open()
    made = request(target="/bucket/a%2Fb%20c?x-id=PutObject", body=bytes(range(256)) * (size // 256 + 1))
    journal.append(12.5, 7, made, "upload")
    journal.close()
    again = Journal(tmp_path)
    (record,) = again.read()
    assert again.with_body(record).body == made.body
    assert (record.time, record.seed, record.yields, record.request.target) == (12.5, 7, "upload", made.target)


def test_the_journal_keeps_no_signature_and_is_private(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open()
    journal.append(1.0, 1, request(), None)
    journal.close()
    assert "Signature=ab" not in journal.path.read_text()
    assert journal.path.stat().st_mode & 0o077 == 0


def test_overwritten_and_deleted_objects_are_forgotten() -> None:
    put, delete = request(), request("DELETE", body=b"")
    assert kept(record(1, put), record(2, put)) == [2]
    assert kept(record(1, put), record(2, delete)) == []
    assert kept(record(1, put), record(2, delete), record(3, put)) == [3]
    assert kept(record(1, put), record(2, request(target="/bucket/other"))) == [1, 2]
    assert kept(record(1, request(target="/bucket"))) == [1]


def test_an_object_that_was_copied_before_it_was_replaced_is_kept() -> None:
    copy = request(target="/bucket/copy", **{"x-amz-copy-source": "bucket/key"})
    assert kept(record(1, request()), record(2, copy), record(3, request())) == [1, 2, 3]


def test_the_parts_of_a_replaced_upload_are_forgotten() -> None:
    create = request("POST", "/bucket/key?uploads")
    part = request("PUT", "/bucket/key?uploadId=U&partNumber=1")
    complete = request("POST", "/bucket/key?uploadId=U")
    upload = [record(1, create, "U"), record(2, part), record(3, complete)]
    assert kept(*upload) == [1, 2, 3]
    assert kept(*upload, record(4, request())) == [4]
    assert kept(*upload[:2], record(3, request("DELETE", "/bucket/key?uploadId=U"))) == []


def test_objects_of_a_bucket_that_keeps_versions_are_kept() -> None:
    versioning = request("PUT", "/bucket?versioning")
    assert kept(record(1, versioning), record(2, request()), record(3, request())) == [1, 2, 3]


def logs(action: str, stream: Any = "s", body: Any = b"") -> Any:
    target = {"x-amz-target": f"Logs_20140328.{action}"}
    content = json.dumps({"logGroupName": "g", "logStreamName": stream}).encode()[:-1] + b"}" + body
    return request("POST", "/", content, "logs", **target)


def test_events_of_deleted_streams_are_forgotten() -> None:
    assert kept(record(1, logs("PutLogEvents")), record(2, logs("DeleteLogStream"))) == [2]
    assert kept(record(1, logs("PutLogEvents", "other")), record(2, logs("DeleteLogStream"))) == [1, 2]


def test_the_oldest_log_events_beyond_the_limit_are_forgotten() -> None:
    large = logs("PutLogEvents", body=b" " * (30 << 20))
    assert kept(record(1, large), record(2, large), record(3, large)) == [2, 3]


def test_the_oldest_log_streams_beyond_the_limit_are_forgotten() -> None:
    streams = [record(number, logs("CreateLogStream", str(number))) for number in range(1, 5_003)]
    assert kept(*streams) == list(range(3, 5_003))


@pytest.mark.slow
def test_hundreds_of_calls_are_replayed_in_seconds(tmp_path: Path) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        parameters = boto3.client("ssm", **cloud.client_args)
        for number in range(200):
            parameters.put_parameter(Name=f"/p/{number}", Value="v", Type="String")
    began = time.monotonic()
    with FargateLocal(state_dir=tmp_path) as cloud:
        assert time.monotonic() - began < 60
        parameters = boto3.client("ssm", **cloud.client_args)
        assert parameters.get_parameter(Name="/p/199")["Parameter"]["Value"] == "v"


def test_calls_that_only_read_are_not_in_the_journal(make_cloud: MakeCloud, tmp_path: Path) -> None:
    ecs = make_cloud(state_dir=tmp_path)
    ecs.client("s3").create_bucket(Bucket="read")
    policy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"

    def read() -> None:
        ecs.api.describe_clusters(clusters=[ecs.cluster])
        ecs.api.list_task_definitions()
        ecs.client("ec2").describe_network_interfaces()
        ecs.client("events").list_rules()
        ecs.client("iam").get_policy(PolicyArn=policy)
        ecs.client("logs").describe_log_groups()
        ecs.client("s3").list_objects_v2(Bucket="read")
        ecs.client("scheduler").list_schedules()
        ecs.client("sqs").list_queues()

    read()  # what every account has is made at the first call to a service, and that is a change
    journal = tmp_path / "cloud" / "journal.jsonl"
    before = journal.read_bytes()
    read()
    assert journal.read_bytes() == before
