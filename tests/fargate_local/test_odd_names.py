"""Names that clients send are names: none becomes a path of this machine, or an option of a program that runs here."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.support.cloud import Ecs, MakeCloud

from fargate_local.cloud.catalog import Catalog
from fargate_local.images import ImageStore
from fargate_local.process_environment import ProcessEnvironment
from fargate_local.protocol.errors import StartError
from fargate_local.runtimes.containers import ContainerRuntime
from fargate_local.runtimes.volumes import Volumes

ODD = ["../../escaped", "/escaped", "..", ".", "a/../../escaped", "escaped\n", "~/escaped", "$(touch escaped)"]
EMPTY_IMAGE = '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}'


@pytest.fixture
def boxed(make_cloud: MakeCloud, tmp_path: Path) -> Iterator[Any]:
    """A cloud whose folders lie deep in one that is watched; ends with a look for what lies where it should not."""
    state, store = tmp_path / "a" / "b" / "state", tmp_path / "a" / "b" / "store"
    store.mkdir(parents=True)
    ecs = make_cloud(state_dir=state, store=store)
    yield ecs
    ecs.cloud.stop()
    here = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    here = {path for path in here if not re.fullmatch(r"a/b/state/cloud/bodies/\d+\.body", path)}
    databases = {f"{name}.sqlite{of}" for name in ("tasks", "services", "executions") for of in ("", "-wal", "-shm")}
    known = {"key.json", "lock", "cloud", "cloud/journal.jsonl", *databases}
    known |= {"cloud/journal.new", "cloud/bodies"}
    assert here <= {"a", "a/b", "a/b/state", "a/b/store", *(f"a/b/state/{name}" for name in known)}


def attempts(*calls: Any) -> None:
    """Each call with each odd name; a refusal is as good as an acceptance."""
    for call in calls:
        for name in ODD:
            try:
                call(name)
            except (ClientError, BotoCoreError):
                continue


@pytest.mark.slow
def test_names_of_resources_are_no_paths(boxed: Any) -> None:
    s3, logs, ecr, iam = (boxed.client(service) for service in ("s3", "logs", "ecr", "iam"))
    ssm, manager, sqs = (boxed.client(service) for service in ("ssm", "secretsmanager", "sqs"))
    logs.create_log_group(logGroupName="plain")
    s3.create_bucket(Bucket="plain")
    ecr.create_repository(repositoryName="plain")
    attempts(
        lambda name: s3.create_bucket(Bucket=name),
        lambda name: s3.put_object(Bucket="plain", Key=name, Body=b"x" * 100_000),
        lambda name: logs.create_log_group(logGroupName=name),
        lambda name: logs.create_log_stream(logGroupName="plain", logStreamName=name),
        lambda name: ecr.create_repository(repositoryName=name),
        lambda name: ecr.put_image(repositoryName="plain", imageTag=name, imageManifest=EMPTY_IMAGE),
        lambda name: ecr.put_image(repositoryName="plain", imageDigest=name, imageManifest=EMPTY_IMAGE),
        lambda name: iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}"),
        lambda name: ssm.put_parameter(Name=name, Value="x", Type="String"),
        lambda name: manager.create_secret(Name=name, SecretString="x"),
        lambda name: sqs.create_queue(QueueName=name),
        lambda name: boxed.api.create_cluster(clusterName=name),
        lambda name: boxed.define({"command": ["true"]}, family=name),
        lambda name: boxed.api.describe_tasks(cluster=name, tasks=["x"]),
        lambda name: boxed.api.describe_tasks(cluster=boxed.cluster, tasks=[name]),
        lambda name: boxed.api.stop_task(cluster=boxed.cluster, task=name),
    )


def test_names_in_a_task_are_no_paths(boxed: Any) -> Any:
    """Each is refused, or its task ends; the fixture looks at what is left behind."""

    def log_prefix(name: Any) -> Any:
        options = {"awslogs-group": name, "awslogs-region": "us-east-1", "awslogs-stream-prefix": name}
        return {"logConfiguration": {"logDriver": "awslogs", "options": {**options, "awslogs-create-group": "true"}}}

    def volume(name: Any) -> Any:
        return {"mountPoints": [{"sourceVolume": name, "containerPath": "/data"}]}

    settings: list[Callable[[str], dict[str, Any]]] = [
        log_prefix,
        lambda name: {"image": name},
        lambda name: {"image": f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{name}"},
        lambda name: {"image": f"123456789012.dkr.ecr.us-east-1.amazonaws.com/plain@{name}"},
        lambda name: {"name": name},
        lambda name: {"environmentFiles": [{"type": "s3", "value": f"arn:aws:s3:::plain/{name}.env"}]},
    ]
    families = []
    for make in settings:
        for name in ODD[:5]:
            try:
                families.append(boxed.define({"command": ["true"], **make(name)}))
            except ClientError:
                continue
    for name in ODD:
        with pytest.raises(ClientError):
            boxed.define({"command": ["true"], **volume(name)}, volumes=[{"name": name}])
    assert families
    tasks = [boxed.run(family) for family in families]
    for arn in tasks:
        boxed.stopped(arn)


@pytest.mark.slow
def test_a_volume_of_a_template_is_no_path(boxed: Any) -> None:
    container = {
        "Name": "app",
        "Image": "host",
        "Command": ["true"],
        "MountPoints": [{"SourceVolume": "../../escaped", "ContainerPath": "/data"}],
    }
    properties = {
        "Family": "of-a-template",
        "Cpu": "256",
        "Memory": "512",
        "NetworkMode": "awsvpc",
        "RequiresCompatibilities": ["FARGATE"],
        "Volumes": [{"Name": "../../escaped"}],
        "ContainerDefinitions": [container],
    }
    template = {"Resources": {"D": {"Type": "AWS::ECS::TaskDefinition", "Properties": properties}}}
    stacks = boxed.client("cloudformation")
    stacks.create_stack(StackName="s", TemplateBody=json.dumps(template))
    events = stacks.describe_stack_events(StackName="s")["StackEvents"]
    (failed,) = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert "Volume.name contains invalid characters" in failed["ResourceStatusReason"]


@pytest.mark.parametrize("name", [*ODD, "", "-v", "a/b", "a\0b"])
def test_a_volume_has_a_plain_name(name: Any) -> None:
    with pytest.raises(StartError, match="invalid characters for a local volume name"):
        Volumes().folder("task", name)


@pytest.mark.parametrize("digest", [*ODD, "", "sha256:../../outside", "sha256:" + "A" * 64, "outside"])
def test_an_image_is_found_by_a_digest_and_by_nothing_else(tmp_path: Path, digest: Any) -> None:
    (tmp_path / "store").mkdir()
    outside = tmp_path / "outside"
    (outside / "app").mkdir(parents=True)
    (outside / "image.json").write_text('{"config": {"Entrypoint": ["true"]}}')
    shutil.copytree(outside, tmp_path / "store" / "outside")
    store = ImageStore(tmp_path / "store")
    assert not store.has(digest)
    with pytest.raises(ValueError, match="is no digest of an image"):
        store.config(digest)


@pytest.mark.parametrize("image", ["--privileged", "-v/:/host", "--volume=/:/host", "@sha256:x"])
def test_an_image_is_no_option_of_the_engine(image: Any) -> None:
    runtime = ContainerRuntime("podman", cast("Catalog", None), {}, "test", ProcessEnvironment.current())
    with pytest.raises(StartError, match="invalid reference format"):
        runtime.pull("us-east-1", image)


def test_an_image_of_a_name_that_no_repository_can_have_cannot_be_pulled(ecs: Ecs) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1"
    task = ecs.finish(ecs.define({"command": ["true"], "image": image}))
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")
