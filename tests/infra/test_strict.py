"""The roles of infra/, deployed into a strict cloud: each does what it needs, and is refused what it must not."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from tests.support.schedules import start_soon

from datavision import infra
from datavision.config import Config, load
from datavision.infra.bootstrap import run_bootstrap
from fargate_local import FargateLocal, ImageStore

pytestmark = pytest.mark.slow

SHOW_KEYS = (
    "import os, sys, time, urllib.request as u\n"
    "print(u.urlopen(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI']).read().decode(), flush=True)\n"
    "time.sleep(600)\n"
)
DEADLINE = 120.0
Clients = Callable[[str], Any]


class Dev:
    """The dev environment in a strict cloud. Its tasks run in its private subnets, from images in its registry."""

    def __init__(self, cloud: FargateLocal, store: ImageStore, config: Config) -> None:
        self.cloud, self.store, self.config = cloud, store, config
        found = self.client("cloudformation").list_exports()["Exports"]
        exports = {each["Name"]: each["Value"] for each in found}
        self.network = {
            "awsvpcConfiguration": {
                "subnets": exports["datavision-dev-private-subnets"].split(","),
                "securityGroups": [exports["datavision-dev-task-security-group"]],
            }
        }
        self._keys: dict[str, Clients] = {}

    def client(self, service: str) -> Any:
        """A client of the account's root user."""
        return boto3.client(service, **self.cloud.client_args)

    def role(self, name: str) -> str:
        return str(self.client("iam").get_role(RoleName=name)["Role"]["Arn"])

    def push(self, module: str, folder: Path) -> str:
        """An image that runs Python, under the module's name; returns how definitions name it."""
        (folder / "app").mkdir(parents=True)
        (folder / "app" / "module").write_text(module)
        image = self.store.commit(folder, {"Entrypoint": [sys.executable]})
        self.client("ecr").put_image(
            repositoryName=f"datavision/{module}", imageTag="1", imageManifest=image.manifest, imageDigest=image.digest
        )
        return f"123456789012.dkr.ecr.us-east-1.amazonaws.com/datavision/{module}:1"

    def push_with_this_python(self, module: str, folder: Path, repository: Path) -> str:
        """An image whose `python` is this one; returns its name with the digest."""
        program = folder / "app" / ".venv" / "bin" / "python"
        program.parent.mkdir(parents=True)
        variables = {
            "DATAVISION_CONFIG_DIR": f"{repository}/config",
            "DATAVISION_AWS__ACCOUNT_ID": self.config.aws.account_id,
        }
        exports = "".join(f"export {name}={value}\n" for name, value in variables.items())
        program.write_text(f'#!/bin/sh\n{exports}exec {sys.executable} "$@"\n')
        program.chmod(0o755)
        image = self.store.commit(folder, {})
        self.client("ecr").put_image(
            repositoryName=f"datavision/{module}", imageTag="2", imageManifest=image.manifest, imageDigest=image.digest
        )
        return f"123456789012.dkr.ecr.us-east-1.amazonaws.com/datavision/{module}@{image.digest}"

    def define(self, name: str, image: str, execution: str, task: str, secrets: dict[str, str], command: str) -> str:
        """Register a definition as a release does; returns its ARN."""
        options = {"awslogs-group": "/datavision/dev", "awslogs-region": "us-east-1", "awslogs-stream-prefix": name}
        manager = self.client("secretsmanager")
        made = self.client("ecs").register_task_definition(
            family=f"datavision-dev-{name}",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            executionRoleArn=self.role(execution),
            taskRoleArn=self.role(task),
            containerDefinitions=[
                {
                    "name": name,
                    "image": image,
                    "command": ["-c", command],
                    "logConfiguration": {"logDriver": "awslogs", "options": options},
                    "secrets": [
                        {"name": key, "valueFrom": manager.describe_secret(SecretId=secret)["ARN"]}
                        for key, secret in secrets.items()
                    ],
                }
            ],
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def request(self, definition: str, **more: Any) -> dict[str, Any]:
        common = {"cluster": "datavision-dev", "taskDefinition": definition, "networkConfiguration": self.network}
        return {"launchType": "FARGATE", **common, **more}

    def until(self, arn: str, status: str) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE
        while True:
            task: dict[str, Any] = self.client("ecs").describe_tasks(cluster="datavision-dev", tasks=[arn])["tasks"][0]
            if task["lastStatus"] in (status, "STOPPED"):
                return task
            assert time.monotonic() < deadline, task
            time.sleep(0.2)

    def inside(self, name: str) -> Clients:
        """Clients with the credentials that a running task of this name was given."""
        if name not in self._keys:
            arn = self.client("ecs").run_task(**self.request(f"datavision-dev-{name}"))["tasks"][0]["taskArn"]
            task = self.until(arn, "RUNNING")
            assert task["lastStatus"] == "RUNNING", task["stoppedReason"]
            given = json.loads(self.first_line(f"{name}/{name}/{arn.rpartition('/')[2]}"))
            keys = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["Token"],
            }
            self._keys[name] = lambda service: boto3.client(service, **self.cloud.client_args | keys)
        return self._keys[name]

    def first_line(self, stream: str) -> str:
        logs, deadline = self.client("logs"), time.monotonic() + DEADLINE
        while True:
            page = logs.get_log_events(logGroupName="/datavision/dev", logStreamName=stream, startFromHead=True)
            if page["events"]:
                return str(page["events"][0]["message"])
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture(scope="module")
def dev(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """Everything deployed, one definition for each role of a task."""
    folder = tmp_path_factory.mktemp("images")
    patch = pytest.MonkeyPatch()
    with FargateLocal(strict=True, store=folder / "store", options=("--vcpus", "100")) as cloud:
        patch.setenv("DATAVISION_CONFIG_DIR", f"{repository}/config")
        for name, value in (cloud.environment | {"DATAVISION_AWS__ENDPOINT_URL": cloud.url}).items():
            patch.setenv(name, value)
        certificate = boto3.client("acm", **cloud.client_args).request_certificate(DomainName="airflow.example")
        config = complete(load("dev").model_copy(update={"aws": load("local").aws}), certificate["CertificateArn"])
        deploying = import_module("datavision.infra.deploy")
        patch.setattr(deploying, "templates_dir", lambda: without_tasks(repository / "infra", folder))
        waiting = config.model_copy(update={"airflow": config.airflow.model_copy(update={"host": ""})})
        infra.deploy(waiting)
        secrets = ("airflow_database_url", "airflow_oidc", "smtp", "source_url", "lakehouse_catalog_url")
        infra.put_secret_values(waiting, dict.fromkeys(secrets, "a value"))
        infra.deploy(config)
        made = Dev(cloud, ImageStore(folder / "store"), config)
        ingesta, transformacion, airflow = (
            made.push(module, folder / module) for module in ("ingesta", "transformacion", "airflow")
        )
        source, lake = "datavision/dev/source-url", "datavision/dev/lakehouse-catalog-url"
        database = "datavision/dev/airflow-database-url"
        start = config.ecs.execution_role
        made.define(
            "ingesta", ingesta, f"{start}-ingesta", "datavision-dev-ingesta", {"S": source, "L": lake}, SHOW_KEYS
        )
        made.define(
            "transformacion",
            transformacion,
            f"{start}-transformacion",
            "datavision-dev-transformacion",
            {"L": lake},
            SHOW_KEYS,
        )
        made.define(
            "orchestrate",
            airflow,
            "datavision-dev-airflow-execution",
            "datavision-dev-airflow",
            {"D": database, "M": "datavision/dev/smtp"},
            SHOW_KEYS,
        )
        made.define(
            "databases", airflow, "datavision-dev-bootstrap-execution", "datavision-dev-bootstrap", {}, SHOW_KEYS
        )
        made.define(
            "watch",
            airflow,
            "datavision-dev-watchdog-execution",
            "datavision-dev-watchdog",
            {"M": "datavision/dev/smtp"},
            SHOW_KEYS,
        )
        yield made
    patch.undo()


def without_tasks(templates: Path, folder: Path) -> Path:
    """The templates, with services that want no task: here is no image of Airflow, and the roles are what is asked."""
    copies = folder / "infra"
    copies.mkdir(exist_ok=True)
    for template in templates.glob("*.yaml"):
        text, count = re.subn(r"DesiredCount: [1-9]", "DesiredCount: 0", template.read_text())
        assert count == (4 if template.name == "airflow.yaml" else 0)
        (copies / template.name).write_text(text)
    return copies


def complete(config: Config, certificate: str) -> Config:
    """The configuration with Airflow's image, repository, name and sign-on decided."""
    named = {
        "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/datavision/airflow@sha256:0",
        "host": "airflow.example",
        "certificate_arn": certificate,
        "oidc_issuer": "https://id.example",
        "oidc_client_id": "airflow",
    }
    return config.model_copy(update={"airflow": config.airflow.model_copy(update=named)})


def unused(dev: Dev, role: str) -> list[str]:
    """The actions that a role was granted and has not used."""
    from fargate_local.admin_client import ask

    told = ask(dev.cloud.key, "GET", "iam/used")["roles"]
    (of_role,) = [each for each in told if each["role"] == dev.role(role)]
    return [action for statement in of_role["unused"] for action in statement["actions"]]


def write_and_read(s3: Any, bucket: str) -> None:
    """What DuckDB does with a bucket of Parquet files."""
    s3.put_object(Bucket=bucket, Key="t/part.parquet", Body=b"PAR1")
    s3.get_object(Bucket=bucket, Key="t/part.parquet")
    s3.list_objects_v2(Bucket=bucket, Prefix="t/")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="t/big.parquet")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="t/big.parquet", UploadId=upload, PartNumber=1, Body=b"PAR1")
    s3.abort_multipart_upload(Bucket=bucket, Key="t/big.parquet", UploadId=upload)
    s3.delete_object(Bucket=bucket, Key="t/part.parquet")


def serve_steps(s3: Any, logs: Any, bucket: str) -> None:
    """What a shared container does: looks for a message that is not there, closes its inbox, writes a step's log."""
    slot = "shared/dev/pipeline/run/transformacion/0001/inbox/000001.json"
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=bucket, Key=slot)
    s3.put_object(Bucket=bucket, Key=slot, Body=b"{}", IfNoneMatch="*")
    stream = {"logGroupName": "/datavision/dev", "logStreamName": "transformacion/transformacion/1/marts-1-1"}
    logs.create_log_stream(**stream)
    logs.put_log_events(**stream, logEvents=[{"timestamp": int(time.time() * 1000), "message": "a line"}])


def test_ingesta_starts_and_does_its_work_with_nothing_to_spare(dev: Dev) -> None:
    s3 = dev.inside("ingesta")("s3")
    write_and_read(s3, dev.config.storage.raw_bucket)
    write_and_read(s3, dev.config.storage.lakehouse_bucket)
    s3.put_object(Bucket=dev.config.storage.results_bucket, Key="results/run/task.json", Body=b"{}")
    assert unused(dev, "datavision-dev-ingesta") == []
    assert unused(dev, f"{dev.config.ecs.execution_role}-ingesta") == []


def test_transformacion_starts_and_does_its_work_with_nothing_to_spare(dev: Dev) -> None:
    s3 = dev.inside("transformacion")("s3")
    write_and_read(s3, dev.config.storage.lakehouse_bucket)
    s3.put_object(Bucket=dev.config.storage.reports_bucket, Key="reportes/a.html", Body=b"<html>")
    s3.put_object(Bucket=dev.config.storage.results_bucket, Key="results/run/task.json", Body=b"{}")
    s3.list_objects_v2(Bucket=dev.config.storage.audit_bucket, Prefix="audit/")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=dev.config.storage.audit_bucket, Key="audit/none.json")
    serve_steps(s3, dev.inside("transformacion")("logs"), dev.config.storage.results_bucket)
    assert unused(dev, "datavision-dev-transformacion") == []
    assert unused(dev, f"{dev.config.ecs.execution_role}-transformacion") == []


def test_airflow_launches_follows_and_stops_tasks_and_keeps_records_with_nothing_to_spare(dev: Dev) -> None:
    client, results = dev.inside("orchestrate"), dev.config.storage.results_bucket
    audits = dev.config.storage.audit_bucket
    ecs, s3 = client("ecs"), client("s3")
    tags = [{"key": "datavision:run", "value": "r1"}]
    arns = []
    for module in ("ingesta", "transformacion"):
        answer = ecs.run_task(**dev.request(f"datavision-dev-{module}", tags=tags, startedBy="airflow"))
        assert answer["failures"] == []
        arns.append(answer["tasks"][0]["taskArn"])
    assert ecs.describe_tasks(cluster="datavision-dev", tasks=arns, include=["TAGS"])["tasks"][0]["tags"] == tags
    assert set(arns) <= set(ecs.list_tasks(cluster="datavision-dev")["taskArns"])
    dev.until(arns[0], "RUNNING")
    stream = f"ingesta/ingesta/{arns[0].rpartition('/')[2]}"
    dev.first_line(stream)
    assert client("logs").get_log_events(logGroupName="/datavision/dev", logStreamName=stream)["events"]
    for arn in arns:
        ecs.stop_task(cluster="datavision-dev", task=arn)
    for key in ("sizes/a.json", "results/run/task.log-position", "airflow-logs/a.log"):
        s3.put_object(Bucket=results, Key=key, Body=b"{}")
    s3.put_object(Bucket=audits, Key="audit/a.json", Body=b"{}")
    s3.list_objects_v2(Bucket=audits, Prefix="audit/")
    s3.get_object(Bucket=audits, Key="audit/a.json")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=results, Key="results/none.json")
    follow_the_repository(dev, s3)
    # The page compares pins with what is there.
    assert ecs.describe_task_definition(taskDefinition="datavision-dev-ingesta", include=["TAGS"])["taskDefinition"]
    assert client("ecr").describe_images(repositoryName="datavision/ingesta")["imageDetails"]
    assert unused(dev, "datavision-dev-airflow") == []


def test_bootstrap_writes_the_urls(dev: Dev) -> None:
    manager = dev.inside("databases")("secretsmanager")
    for name in ("lakehouse-catalog-url", "airflow-database-url"):
        manager.get_secret_value(SecretId=f"datavision/dev/{name}")
        manager.put_secret_value(SecretId=f"datavision/dev/{name}", SecretString="postgresql://")
    assert unused(dev, "datavision-dev-bootstrap") == []


def follow_the_repository(dev: Dev, s3: Any) -> None:
    """What git-remote-s3 does to fetch; `tests/release/test_remotes.py` has it fetch."""
    code = dev.config.airflow.code_bucket
    s3.list_objects_v2(Bucket=code, Prefix="datavision")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=code, Key="datavision/HEAD")


def test_the_watchdog_reads_what_started_and_remembers_what_it_told_with_nothing_to_spare(dev: Dev) -> None:
    s3, results = dev.inside("watch")("s3"), dev.config.storage.results_bucket
    s3.list_objects_v2(Bucket=dev.config.storage.audit_bucket, Prefix="audit/dev/", Delimiter="/")
    remembered = {"Bucket": results, "Key": "alerts/dev/programadas/pipeline_suscripciones.json"}
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(**remembered)
    s3.put_object(**remembered, Body=b"{}")
    follow_the_repository(dev, s3)
    assert unused(dev, "datavision-dev-watchdog") == []
    assert unused(dev, "datavision-dev-watchdog-execution") == []


def test_people_hear_of_a_watchdog_that_cannot_start(dev: Dev) -> None:
    """What Scheduler starts here is an image that nobody has. The topic is the one of the alarms; a queue stands for
    those who have confirmed their subscription."""
    cloudformation, sqs = dev.client("cloudformation"), dev.client("sqs")
    exports = {each["Name"]: each["Value"] for each in cloudformation.list_exports()["Exports"]}
    queue = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    dev.client("sns").subscribe(TopicArn=exports["datavision-dev-alerts-topic"], Protocol="sqs", Endpoint=arn)
    name = "datavision-dev-watchdog"
    start_soon(dev.client("scheduler"), name)
    deadline = time.monotonic() + DEADLINE
    while not (told := sqs.receive_message(QueueUrl=queue).get("Messages")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    detail = json.loads(json.loads(told[0]["Body"])["Message"])["detail"]
    assert (detail["group"], detail["stopCode"]) == (f"family:{name}", "TaskFailedToStart")


def test_ecs_finds_every_secret_that_airflows_definitions_name(dev: Dev) -> None:
    """They are named without the suffix, which AWS knows: a name that ends like one would not be found."""
    ecs, names = dev.client("ecs"), ("api-server", "scheduler", "dag-processor", "triggerer")
    named = {
        secret["valueFrom"]
        for family in (*(f"datavision-dev-airflow-{name}" for name in names), "datavision-dev-watchdog")
        for container in ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]["containerDefinitions"]
        for secret in container["secrets"]
    }
    assert len(named) == 6
    copy = ecs.describe_task_definition(taskDefinition="datavision-dev-orchestrate")["taskDefinition"]
    (container,) = copy["containerDefinitions"]
    container |= {"secrets": [{"name": f"SECRET_{n}", "valueFrom": arn} for n, arn in enumerate(sorted(named))]}
    keys = ("requiresCompatibilities", "networkMode", "cpu", "memory", "executionRoleArn", "taskRoleArn")
    made = ecs.register_task_definition(
        family="datavision-dev-secrets", containerDefinitions=[container], **{key: copy[key] for key in keys}
    )
    arn = ecs.run_task(**dev.request(made["taskDefinition"]["taskDefinitionArn"]))["tasks"][0]["taskArn"]
    task = dev.until(arn, "RUNNING")
    ecs.stop_task(cluster="datavision-dev", task=arn)
    assert task["lastStatus"] == "RUNNING", task["stoppedReason"]


def bucket(name: str) -> str:
    return f"datavision-dev-{name}-210987654321"


def launch(definition: str, **more: Any) -> Callable[[Dev], dict[str, Any]]:
    return lambda dev: dev.request(definition, **more)


REFUSED: list[tuple[str, str, str, Any, str]] = [
    ("ingesta", "s3", "get_object", {"Bucket": bucket("audit"), "Key": "audit/a.json"}, "s3:GetObject"),
    ("ingesta", "s3", "put_object", {"Bucket": bucket("audit"), "Key": "audit/x", "Body": b""}, "s3:PutObject"),
    ("ingesta", "s3", "put_object", {"Bucket": bucket("reports"), "Key": "x", "Body": b""}, "s3:PutObject"),
    ("ingesta", "s3", "list_buckets", {}, "s3:ListAllMyBuckets"),
    ("ingesta", "ecs", "run_task", launch("datavision-dev-transformacion"), "ecs:RunTask"),
    ("ingesta", "secretsmanager", "get_secret_value", {"SecretId": "datavision/dev/source-url"}, "secretsmanager:"),
    ("transformacion", "s3", "get_object", {"Bucket": bucket("raw"), "Key": "landing/x"}, "s3:GetObject"),
    ("transformacion", "s3", "get_object", {"Bucket": bucket("reports"), "Key": "x"}, "s3:GetObject"),
    ("transformacion", "s3", "delete_object", {"Bucket": bucket("reports"), "Key": "x"}, "s3:DeleteObject"),
    ("transformacion", "s3", "put_object", {"Bucket": bucket("audit"), "Key": "audit/a", "Body": b""}, "s3:PutObject"),
    ("transformacion", "iam", "list_roles", {}, "iam:ListRoles"),
    ("orchestrate", "ecs", "run_task", launch("datavision-dev-ingesta", cluster="default"), "ecs:RunTask"),
    ("orchestrate", "ecs", "run_task", launch("others"), "ecs:RunTask"),
    ("orchestrate", "ecs", "run_task", launch("datavision-dev-databases"), "iam:PassRole"),
    ("orchestrate", "ecs", "stop_task", {"cluster": "default", "task": "0" * 32}, "ecs:StopTask"),
    ("orchestrate", "ecs", "describe_clusters", {"clusters": ["datavision-dev"]}, "ecs:DescribeClusters"),
    ("orchestrate", "s3", "put_object", {"Bucket": bucket("results"), "Key": "results/r.json"}, "s3:PutObject"),
    ("orchestrate", "s3", "delete_object", {"Bucket": bucket("audit"), "Key": "audit/a.json"}, "s3:DeleteObject"),
    ("orchestrate", "s3", "get_object", {"Bucket": bucket("lakehouse"), "Key": "lake/x"}, "s3:GetObject"),
    ("orchestrate", "secretsmanager", "get_secret_value", {"SecretId": "datavision/dev/smtp"}, "secretsmanager:"),
    ("watch", "s3", "get_object", {"Bucket": bucket("audit"), "Key": "audit/a.json"}, "s3:GetObject"),
    ("watch", "s3", "put_object", {"Bucket": bucket("audit"), "Key": "audit/a.json", "Body": b""}, "s3:PutObject"),
    ("watch", "ecs", "run_task", launch("datavision-dev-ingesta"), "ecs:RunTask"),
    ("databases", "secretsmanager", "get_secret_value", {"SecretId": "datavision/dev/source-url"}, "secretsmanager:"),
]


@pytest.mark.parametrize(
    ("who", "service", "operation", "parameters", "action"),
    REFUSED,
    ids=[f"{who}-{operation}-{number}" for number, (who, _, operation, *_) in enumerate(REFUSED)],
)
def test_a_role_is_refused_what_it_must_not(
    dev: Dev, who: str, service: str, operation: str, parameters: Any, action: str
) -> None:
    call = getattr(dev.inside(who)(service), operation)
    with pytest.raises(ClientError) as caught:
        call(**(parameters(dev) if callable(parameters) else parameters))
    error = caught.value.response["Error"]
    assert error["Code"].startswith("AccessDenied")
    assert f"is not authorized to perform: {action}" in error["Message"]


def test_a_module_cannot_be_started_with_the_execution_role_of_another(dev: Dev) -> None:
    start = dev.config.ecs.execution_role
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/datavision/ingesta:1"
    definition = dev.define("wrong", image, f"{start}-transformacion", "datavision-dev-ingesta", {}, "pass")
    arn = dev.client("ecs").run_task(**dev.request(definition))["tasks"][0]["taskArn"]
    task = dev.until(arn, "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].endswith("failed with status code [manifests 1]: 403 Forbidden")


def test_bootstrap_reaches_the_database_that_deploy_made_with_tls_and_its_urls_open_it(
    dev: Dev, tmp_path: Path, repository: Path
) -> None:
    """The last test here: it gives the stacks an image that starts."""
    image = dev.push_with_this_python("airflow", tmp_path / "airflow", repository)
    config = dev.config.model_copy(update={"airflow": dev.config.airflow.model_copy(update={"image": image})})
    infra.deploy(config)
    told: list[str] = []
    run_bootstrap(config, rotate=False, report=told.append)
    assert told == ["lakehouse: made, URL written", "airflow: made, URL written"]
    manager = dev.client("secretsmanager")
    url = manager.get_secret_value(SecretId="datavision/dev/lakehouse-catalog-url")["SecretString"]
    assert url.endswith("/lakehouse?sslmode=require")
    with psycopg.connect(url) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SELECT current_user").fetchone() == ("lakehouse",)
    run_bootstrap(config, rotate=False, report=told.append)
    assert told[2:] == ["lakehouse: was there, URL unchanged", "airflow: was there, URL unchanged"]
