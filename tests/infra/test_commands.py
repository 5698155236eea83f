"""`datavision infra plan`, `deploy`, `drift` and `destroy`.

On an embedded cloud where moto can; what it has not (replacements, policies, switching protection) comes from
botocore's stubs, which hold answers and requests against the API's own model. Their contents follow the examples of the
CloudFormation API reference, read in November 2026.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from typer.testing import CliRunner

from datavision import infra
from datavision.cli.infra import app
from datavision.config import Config, load
from datavision.infra import drift as drifting
from datavision.infra.changes import read_changes
from datavision.infra.cloudformation import StackEdge
from datavision.infra.deploy import _protect
from datavision.infra.stacks import Stack
from fargate_local import FargateLocal

EXTRA = "\n  Extra:\n    Type: AWS::SNS::Topic\n    Properties: {TopicName: extra}\n"


@pytest.fixture(scope="module")
def cloud() -> Iterator[FargateLocal]:
    with FargateLocal() as started:
        yield started


@pytest.fixture
def config(cloud: FargateLocal, repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Config:
    """The dev environment, whose templates are a copy that a test may change."""
    for folder in ("infra", "config"):
        shutil.copytree(repository / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATAVISION_AWS__ACCOUNT_ID", "123456789012")
    for name, value in (cloud.environment | {"DATAVISION_AWS__ENDPOINT_URL": cloud.url}).items():
        monkeypatch.setenv(name, value)
    found = load("dev")
    infra.deploy(found)
    return found


@pytest.fixture
def stub() -> Iterator[Stubber]:
    client = boto3.client("cloudformation", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def on_aws(config: Config) -> Config:
    return config.model_copy(update={"aws": config.aws.model_copy(update={"endpoint_url": None})})


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments, "--env", "dev"])


def add_a_topic(tmp_path: Path) -> Path:
    path = tmp_path / "infra" / "registry.yaml"
    path.write_text(path.read_text() + EXTRA)
    return path


def topics(cloud: FargateLocal) -> set[str]:
    found = boto3.client("sns", **cloud.client_args).list_topics()["Topics"]
    return {topic["TopicArn"].rpartition(":")[2] for topic in found}


def resource_change(**more: Any) -> dict[str, Any]:
    change = {"Action": "Modify", "LogicalResourceId": "RawBucket", "ResourceType": "AWS::S3::Bucket", **more}
    return {"Type": "Resource", "ResourceChange": change}


def because(name: str, recreation: str) -> dict[str, Any]:
    return {"Target": {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}}


@pytest.mark.parametrize(
    ("answer", "words", "asked"),
    [
        ({"Action": "Add"}, "create RawBucket [AWS::S3::Bucket]", False),
        (
            {"Replacement": "False", "Details": [because("Tags", "Never")]},
            "change RawBucket [AWS::S3::Bucket] (Tags)",
            False,
        ),
        (
            {"Replacement": "True", "Details": [because("Tags", "Never"), because("BucketName", "Always")]},
            "replace RawBucket [AWS::S3::Bucket] (BucketName)",
            True,
        ),
        (
            {"Replacement": "Conditional", "Details": [because("BucketName", "Conditionally")]},
            "may be replaced RawBucket [AWS::S3::Bucket] (BucketName)",
            True,
        ),
        ({"Action": "Remove", "PolicyAction": "Delete"}, "delete RawBucket [AWS::S3::Bucket]", True),
        ({"Action": "Remove", "PolicyAction": "Retain"}, "let go RawBucket [AWS::S3::Bucket]", True),
        ({"Action": "Dynamic"}, "not known yet RawBucket [AWS::S3::Bucket]", True),
    ],
)
def test_a_change_is_said_in_words_and_one_that_replaces_or_deletes_is_asked_for(
    answer: dict[str, Any], words: str, asked: bool
) -> None:
    (change,) = read_changes([{"Changes": [resource_change(**answer)]}])
    assert (str(change), change.asked_for) == (words, asked)


def test_a_preview_reads_every_page_and_leaves_no_change_set(stub: Stubber) -> None:
    name = {"StackName": "datavision-dev-storage", "ChangeSetName": ANY}
    stub.add_response("create_change_set", {}, {**name, "ChangeSetType": "UPDATE", "TemplateBody": "…"})
    stub.add_response("describe_change_set", {"Status": "CREATE_IN_PROGRESS"}, name)
    first = {"Status": "CREATE_COMPLETE", "Changes": [resource_change(Action="Remove")], "NextToken": "2"}
    stub.add_response("describe_change_set", first, name)
    second = {"Status": "CREATE_COMPLETE", "Changes": [resource_change(LogicalResourceId="Other")]}
    stub.add_response("describe_change_set", second, {**name, "NextToken": "2"})
    stub.add_response("delete_change_set", {}, name)
    edge = StackEdge(stub.client, name["StackName"], lambda _: None)
    changes = edge.preview({"StackName": name["StackName"], "TemplateBody": "…"})
    assert [(c.resource, c.fate) for c in changes] == [("RawBucket", "delete"), ("Other", "change")]


@pytest.mark.parametrize(
    ("reason", "outcome"), [("The submitted information didn't contain changes.", "nothing"), ("No export x", "error")]
)
def test_a_change_set_without_changes_is_no_failure_and_a_failed_one_says_why(
    stub: Stubber, reason: str, outcome: str
) -> None:
    stub.add_response("create_change_set", {})
    stub.add_response("describe_change_set", {"Status": "FAILED", "StatusReason": reason})
    stub.add_response("delete_change_set", {})
    edge = StackEdge(stub.client, "datavision-dev-storage", lambda _: None)
    if outcome == "nothing":
        assert edge.preview({"StackName": "datavision-dev-storage"}) == []
        return
    with pytest.raises(infra.InfraError, match=r"cannot say what would change in datavision-dev-storage .*No export x"):
        edge.preview({"StackName": "datavision-dev-storage"})


def test_a_plan_names_stack_and_resource_and_changes_nothing(
    config: Config, cloud: FargateLocal, tmp_path: Path
) -> None:
    add_a_topic(tmp_path)
    done = command("plan", "--json")
    planned = {item["stack"]: item for item in json.loads(done.stdout)}
    assert {item["verb"] for name, item in planned.items() if name != "datavision-dev-registry"} == {"unchanged"}
    (change,) = planned["datavision-dev-registry"]["changes"]
    assert (change["fate"], change["resource"], change["kind"]) == ("create", "Extra", "AWS::SNS::Topic")
    assert "extra" not in topics(cloud)
    assert "datavision-dev-registry\tcreate\tExtra\tAWS::SNS::Topic" in command("plan").stdout


def test_a_deploy_asks_before_it_deletes_and_yes_answers(config: Config, cloud: FargateLocal, tmp_path: Path) -> None:
    path = add_a_topic(tmp_path)
    assert command("deploy").exit_code == 0  # what is only created needs no answer
    assert "extra" in topics(cloud)
    path.write_text(path.read_text().replace(EXTRA, ""))
    done = command("deploy")
    assert isinstance(done.exception, infra.InfraError)
    assert "nobody agreed to: delete Extra [AWS::SNS::Topic]" in str(done.exception)
    assert "--yes" in str(done.exception)
    assert "extra" in topics(cloud)
    assert command("deploy", "--yes").exit_code == 0
    assert "extra" not in topics(cloud)


def test_a_deploy_tells_each_resource_that_comes_to_an_end_once(stub: Stubber) -> None:
    def event(number: int, name: str, status: str) -> dict[str, Any]:
        made = {"StackId": "s", "StackName": "network", "EventId": str(number), "Timestamp": "2026-11-01T00:00:00Z"}
        return {**made, "LogicalResourceId": name, "ResourceType": "AWS::EC2::VPC", "ResourceStatus": status}

    old, vpc = event(1, "Old", "CREATE_COMPLETE"), event(3, "Vpc", "CREATE_COMPLETE")
    itself, begun = event(4, "network", "CREATE_COMPLETE"), event(2, "Vpc", "CREATE_IN_PROGRESS")
    stack = {"StackName": "network", "CreationTime": "2026-11-01T00:00:00Z"}
    stub.add_response("describe_stack_events", {"StackEvents": [old]})
    stub.add_response("describe_stacks", {"Stacks": [{**stack, "StackStatus": "CREATE_IN_PROGRESS"}]})
    stub.add_response("describe_stack_events", {"StackEvents": [vpc, begun, old]})
    stub.add_response("describe_stacks", {"Stacks": [{**stack, "StackStatus": "CREATE_COMPLETE"}]})
    stub.add_response("describe_stack_events", {"StackEvents": [itself, vpc, begun, old]})
    said: list[str] = []
    edge = StackEdge(stub.client, "network", said.append)
    edge.mark()
    edge.settle()
    assert said == ["network: Vpc [AWS::EC2::VPC] create complete"]


def test_drift_names_each_property_with_what_is_written_and_what_there_is(
    config: Config, stub: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drifting, "checked_client", lambda *_: stub.client)
    monkeypatch.setattr(drifting, "stack_names", lambda _: ["one", "two", "not-deployed"])
    made = {"StackStatus": "CREATE_COMPLETE", "CreationTime": "2026-11-01T00:00:00Z"}
    stub.add_response("describe_stacks", {"Stacks": [{**made, "StackName": name} for name in ("one", "two", "other")]})
    for name in ("one", "two"):
        stub.add_response("detect_stack_drift", {"StackDriftDetectionId": f"d-{name}"}, {"StackName": name})
    status = {"StackId": "s", "Timestamp": "2026-11-01T00:00:00Z", "DetectionStatus": "DETECTION_COMPLETE"}
    for name, found in (("one", "IN_SYNC"), ("two", "DRIFTED")):
        answer = {**status, "StackDriftDetectionId": f"d-{name}", "StackDriftStatus": found}
        stub.add_response("describe_stack_drift_detection_status", answer)
    difference = {
        "PropertyPath": "/RetentionInDays", "ExpectedValue": "90", "ActualValue": "7", "DifferenceType": "NOT_EQUAL"
    }  # fmt: skip
    drifted = {
        "StackId": "s",
        "LogicalResourceId": "TaskLogs",
        "ResourceType": "AWS::Logs::LogGroup",
        "StackResourceDriftStatus": "MODIFIED",
        "Timestamp": "2026-11-01T00:00:00Z",
        "PropertyDifferences": [difference],
    }
    request = {"StackName": "two", "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"]}
    stub.add_response("describe_stack_resource_drifts", {"StackResourceDrifts": [drifted]}, request)
    (drift,) = infra.detect_drift(on_aws(config))
    assert drift == infra.Drift("two", "TaskLogs", "AWS::Logs::LogGroup", "modified", ("/RetentionInDays: 90 → 7",))


def test_a_comparison_that_fails_ends_in_a_sentence(
    config: Config, stub: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drifting, "present_stacks", lambda _: {"one": {}})
    monkeypatch.setattr(drifting, "stack_names", lambda _: ["one"])
    monkeypatch.setattr(drifting, "checked_client", lambda *_: stub.client)
    stub.add_response("detect_stack_drift", {"StackDriftDetectionId": "d"})
    failed = {
        "StackId": "s",
        "StackDriftDetectionId": "d",
        "Timestamp": "2026-11-01T00:00:00Z",
        "DetectionStatus": "DETECTION_FAILED",
        "DetectionStatusReason": "Failed to detect drift on resource [Vpc]",
    }
    stub.add_response("describe_stack_drift_detection_status", failed)
    with pytest.raises(infra.InfraError, match=r"could not compare one .*resource \[Vpc\]"):
        infra.detect_drift(on_aws(config))


def test_stacks_that_hold_data_stay_with_what_they_need_and_the_rest_would_go(config: Config) -> None:
    planned = infra.plan_destruction(config, [])
    kept = {name.removeprefix("datavision-dev-"): why for name, why in planned.kept.items()}
    assert kept == {
        **dict.fromkeys(("storage", "registry", "secrets", "compute", "database"), "holds data"),
        "network": "datavision-dev-database needs it",
    }
    assert planned.gone == ("datavision-dev-observability",)
    without = infra.plan_destruction(config, ["database"])
    assert without.gone == ("datavision-dev-observability", "datavision-dev-database", "datavision-dev-network")
    with pytest.raises(infra.InfraError, match=r"network holds no data here\. Name any of: compute, database"):
        infra.plan_destruction(config, ["network"])


def test_a_destroyed_environment_keeps_its_data_unless_it_is_named_and_can_be_made_again(
    config: Config, cloud: FargateLocal
) -> None:
    s3 = boto3.client("s3", **cloud.client_args)
    bucket = config.storage.raw_bucket
    for text in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="landing/a", Body=text)
    s3.delete_object(Bucket=bucket, Key="landing/a")
    s3.put_object(Bucket=config.storage.audit_bucket, Key="audit/dev/a", Body=b"locked, and of mode GOVERNANCE")
    refused = command("destroy")
    assert isinstance(refused.exception, infra.InfraError)
    assert "nobody agreed" in str(refused.exception)
    assert command("destroy", "--yes").exit_code == 0
    names = {
        stack["StackName"] for stack in boto3.client("cloudformation", **cloud.client_args).describe_stacks()["Stacks"]
    }
    assert "datavision-dev-observability" not in names
    s3.head_bucket(Bucket=bucket)
    assert command("destroy", "--yes", "--data", "storage").exit_code == 0
    assert bucket not in {found["Name"] for found in s3.list_buckets()["Buckets"]}
    assert infra.deploy(config)["datavision-dev-storage"] == "created"


def test_an_environment_whose_records_nobody_may_delete_keeps_them_and_says_so(
    config: Config, cloud: FargateLocal
) -> None:
    s3, bucket = boto3.client("s3", **cloud.client_args), config.storage.audit_bucket
    until = datetime.now(UTC) + timedelta(days=1)
    lock: dict[str, Any] = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    s3.put_object(Bucket=bucket, Key="audit/dev/b", Body=b"{}", **lock)
    refused = command("destroy", "--yes", "--data", "storage")
    assert isinstance(refused.exception, infra.InfraError)
    assert f"{bucket} keeps 1 object versions" in str(refused.exception)
    assert s3.get_object(Bucket=bucket, Key="audit/dev/b")["Body"].read() == b"{}"


def test_prod_is_protected_and_destroy_refuses_it(config: Config) -> None:
    assert load("prod").aws.termination_protection
    assert not config.aws.termination_protection
    prod = load("prod")
    infra.deploy(prod)
    with pytest.raises(infra.InfraError, match=r"protected from termination.*termination_protection = false"):
        infra.plan_destruction(prod, [])


def test_a_deploy_switches_protection_to_what_is_configured_and_calls_nothing_where_it_is(stub: Stubber) -> None:
    prod = load("prod")
    stack = Stack("storage", "datavision-prod-storage", "…", {})
    said: list[str] = []
    for wanted in (True, False):
        configured = prod.model_copy(update={"aws": prod.aws.model_copy(update={"termination_protection": wanted})})
        stub.add_response(
            "update_termination_protection",
            {},
            {"StackName": stack.name, "EnableTerminationProtection": wanted},
        )
        for current in ({"EnableTerminationProtection": not wanted}, {"EnableTerminationProtection": wanted}):
            _protect(configured, stub.client, stack, current, said.append)
    assert said == [f"datavision-prod-storage: termination protection {state}" for state in ("on", "off")]
