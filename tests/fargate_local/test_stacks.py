"""Stacks of CloudFormation: made whole, changed, undone when something fails, deleted, and made again."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError
from tests.support import beside_ecs
from tests.support.cloud import Ecs, refusal

from fargate_local import FargateLocal
from fargate_local.stacks.catalogue import catalogue
from fargate_local.stacks.kinds import Kind

NOBODYS = {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": "nobody-has-this", "PolicyDocument": {}}}
"""A resource that cannot be made."""
SLEEP = "sleep 600"
OPTIONS = ("OnFailure", "DisableRollback", "Tags", "Capabilities")
"""What is given beside a template; everything else is in it."""


class Stacks:
    """CloudFormation of one cloud, and few words to work with one stack."""

    def __init__(self, cloud: FargateLocal, name: str = "web") -> None:
        self.cloud, self.name = cloud, name
        self.clients: dict[str, Any] = {}
        self.api = self.client("cloudformation")

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = boto3.client(service, **self.cloud.client_args)
        return self.clients[service]

    def create(self, resources: dict[str, Any], **more: Any) -> str:
        return str(self.api.create_stack(**self._request(resources, more))["StackId"])

    def update(self, resources: dict[str, Any], **more: Any) -> None:
        self.api.update_stack(**self._request(resources, more))

    def _request(self, resources: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        options = {key: more.pop(key) for key in list(more) if key in OPTIONS}
        body = json.dumps({"Resources": resources, **more})
        return {"StackName": self.name, "TemplateBody": body, "Capabilities": ["CAPABILITY_NAMED_IAM"], **options}

    def settled(self) -> str:
        """Wait until nothing is in progress; return the status."""
        deadline = time.monotonic() + 60
        while (status := self.status()).endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return status

    def status(self) -> str:
        return str(self.api.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"])

    def failures(self) -> dict[str, str]:
        """Why each resource failed, by logical id."""
        events = self.api.describe_stack_events(StackName=self.name)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        return {event["LogicalResourceId"]: event.get("ResourceStatusReason", "") for event in failed}

    def ids(self) -> dict[str, str]:
        found = self.api.describe_stack_resources(StackName=self.name)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    def place(self) -> tuple[str, str]:
        """A subnet and its VPC."""
        subnet = self.client("ec2").describe_subnets()["Subnets"][0]
        return subnet["SubnetId"], subnet["VpcId"]


@pytest.fixture
def stacks(cloud: FargateLocal, request: pytest.FixtureRequest) -> Any:
    made = Stacks(cloud, f"s{abs(hash(request.node.name))}")
    yield made
    made.api.delete_stack(StackName=made.name)


def parameter(value: Any, name: str = "/stacks/one", **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Name": name, "Type": "String", "Value": value}, **more}


def bucket(name: str | None = None, **properties: Any) -> dict[str, Any]:
    named = {"BucketName": name} if name else {}
    return {"Type": "AWS::S3::Bucket", "Properties": {**named, **properties}}


def test_what_is_deployed_beside_ecs_is_made_changed_put_back_and_deleted(stacks: Stacks) -> None:
    place = stacks.place()
    first, second = (beside_ecs.resources(*place, later=later) for later in (False, True))
    stacks.create(first)
    assert (stacks.status(), stacks.failures()) == ("CREATE_COMPLETE", {})
    assert set(stacks.ids()) == set(first)
    before = beside_ecs.described(stacks.client)
    stacks.update(second)
    assert (stacks.status(), stacks.failures()) == ("UPDATE_COMPLETE", {})
    after = beside_ecs.described(stacks.client)
    assert [name for name in before if before[name] == after[name]] == []
    stacks.update({**first, "Last": {**NOBODYS, "DependsOn": list(first)}})
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert beside_ecs.described(stacks.client) == after
    stacks.api.delete_stack(StackName=stacks.name)
    left = beside_ecs.left(stacks.client)
    assert left == {}, "deleted with its stack"


def test_a_type_that_nobody_here_can_make_is_refused_before_anything_is_made(stacks: Stacks) -> None:
    name, status, words = refusal(
        stacks.create, resources={"One": bucket("dv-not-made"), "Other": {"Type": "AWS::Rekognition::Collection"}}
    )
    assert (name, status) == ("ValidationError", 400)
    assert words == "Template format error: Unrecognized resource types: [AWS::Rekognition::Collection]"
    assert "dv-not-made" not in [each["Name"] for each in stacks.client("s3").list_buckets()["Buckets"]]


def test_a_property_that_nobody_here_can_make_fails_its_stack_and_names_itself(stacks: Stacks) -> None:
    stacks.create({"Bucket": bucket(None, IntelligentTieringConfigurations=[{"Id": "all"}])})
    assert stacks.status() == "ROLLBACK_COMPLETE"
    assert "extraneous key [IntelligentTieringConfigurations]" in stacks.failures()["Bucket"]


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"One": parameter({"Ref": "Nobody"})}, "Unresolved resource dependencies [Nobody] in the Resources block"),
        (
            {"One": parameter({"Ref": "Other"}), "Other": parameter({"Ref": "One"}, "/stacks/two")},
            "Circular dependency between resources: [One, Other]",
        ),
    ],
)
def test_a_template_with_a_reference_to_nowhere_or_to_itself_is_refused(
    stacks: Stacks, resources: dict[str, Any], words: str
) -> None:
    name, _, said = refusal(stacks.create, resources=resources)
    assert name == "ValidationError"
    assert words in said


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"Resources": []}', "Resources: {One: 3}"])
def test_what_is_no_template_is_a_validation_error(stacks: Stacks, body: str) -> None:
    with pytest.raises(ClientError) as refused:
        stacks.api.create_stack(StackName=stacks.name, TemplateBody=body or " ")
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_a_failed_stack_leaves_nothing_can_be_deleted_and_made_again(stacks: Stacks) -> None:
    resources = {"One": bucket("dv-again"), "Last": {**NOBODYS, "DependsOn": "One"}}
    stacks.create(resources)
    (stack,) = stacks.api.describe_stacks(StackName=stacks.name)["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.ids() == {}
    reasons = [
        event.get("ResourceStatusReason")
        for event in stacks.api.describe_stack_events(StackName=stacks.name)["StackEvents"]
        if event["ResourceStatus"] == "ROLLBACK_IN_PROGRESS"
    ]
    assert reasons == ["The following resource(s) failed to create: [Last]. Rollback requested by user."]
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        stacks.update({"One": bucket("dv-again")})
    stacks.api.delete_stack(StackName=stacks.name)
    stacks.create({"One": bucket("dv-again")})
    assert stacks.status() == "CREATE_COMPLETE"


def test_a_stack_told_to_do_nothing_on_failure_keeps_what_it_made(stacks: Stacks) -> None:
    stacks.create({"One": bucket("dv-kept"), "Last": {**NOBODYS, "DependsOn": "One"}}, OnFailure="DO_NOTHING")
    assert stacks.status() == "CREATE_FAILED"
    assert stacks.ids() == {"One": "dv-kept"}
    assert "(Service: S3, Status Code: 404, " in stacks.failures()["Last"]


def test_a_stack_told_to_delete_itself_on_failure_is_gone(stacks: Stacks) -> None:
    ident = stacks.create({"One": bucket(), "Last": {**NOBODYS, "DependsOn": "One"}}, OnFailure="DELETE")
    assert stacks.api.describe_stacks(StackName=ident)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="does not exist"):
        stacks.status()


def test_a_failed_update_is_undone_what_was_made_changed_and_replaced(stacks: Stacks) -> None:
    stacks.create({"Text": parameter("first"), "Bucket": bucket("dv-undone"), "Gone": parameter("x", "/stacks/gone")})
    before = stacks.ids()
    changed = {
        "Text": parameter("second"),
        "Bucket": bucket("dv-undone-other"),
        "New": parameter("new", "/stacks/new"),
        "Last": {**NOBODYS, "DependsOn": ["Text", "Bucket", "New"]},
    }
    stacks.update(changed)
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.ids() == before
    ssm = stacks.client("ssm")
    assert ssm.get_parameter(Name="/stacks/one")["Parameter"]["Value"] == "first"
    assert ssm.get_parameter(Name="/stacks/gone")["Parameter"]["Value"] == "x"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        ssm.get_parameter(Name="/stacks/new")
    names = {each["Name"] for each in stacks.client("s3").list_buckets()["Buckets"]}
    assert "dv-undone" in names
    assert "dv-undone-other" not in names


def test_an_update_without_a_change_is_refused(stacks: Stacks) -> None:
    stacks.create({"Text": parameter("first")})
    name, _, words = refusal(stacks.update, resources={"Text": parameter("first")})
    assert (name, words) == ("ValidationError", "No updates are to be performed.")


def test_a_named_resource_that_must_be_replaced_fails_the_update(stacks: Stacks) -> None:
    table = beside_ecs.resources(*stacks.place())["Table"]
    stacks.create({"Table": table})
    other = json.loads(json.dumps(table).replace('"id"', '"key"'))
    stacks.update({"Table": other})
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert "cannot update a stack when a custom-named resource requires replacing" in stacks.failures()["Table"]


def test_policies_say_what_stays_when_a_resource_leaves_its_stack(stacks: Stacks) -> None:
    kept = {**bucket("dv-retained"), "DeletionPolicy": "Retain"}
    stacks.create({"Kept": kept, "Text": parameter("x")})
    stacks.update({"Text": parameter("x")})
    names = {each["Name"] for each in stacks.client("s3").list_buckets()["Buckets"]}
    assert "dv-retained" in names
    stacks.client("s3").delete_bucket(Bucket="dv-retained")


def test_a_stack_whose_bucket_is_not_empty_is_not_deleted_and_says_why(stacks: Stacks) -> None:
    stacks.create({"Bucket": bucket("dv-full"), "Text": parameter("x")})
    s3 = stacks.client("s3")
    s3.put_object(Bucket="dv-full", Key="one", Body=b"1")
    stacks.api.delete_stack(StackName=stacks.name)
    assert stacks.status() == "DELETE_FAILED"
    assert "not empty" in stacks.failures()["Bucket"]
    assert stacks.ids() == {"Bucket": "dv-full"}
    s3.delete_object(Bucket="dv-full", Key="one")
    stacks.api.delete_stack(StackName=stacks.name)
    with pytest.raises(ClientError, match="does not exist"):
        stacks.status()


def test_a_protected_stack_is_not_deleted(stacks: Stacks) -> None:
    body = json.dumps({"Resources": {"Text": parameter("x", "/stacks/protected")}})
    stacks.name += "-protected"
    stacks.api.create_stack(StackName=stacks.name, TemplateBody=body, EnableTerminationProtection=True)
    name, _, words = refusal(stacks.api.delete_stack, StackName=stacks.name)
    assert name == "ValidationError"
    assert "cannot be deleted while TerminationProtection is enabled" in words
    stacks.name = "nobody"


def test_tags_of_a_stack_are_tags_of_its_resources_and_their_own_go_before(stacks: Stacks) -> None:
    tags = [{"Key": "team", "Value": "data"}, {"Key": "env", "Value": "dev"}]
    own = bucket("dv-tagged", Tags=[{"Key": "env", "Value": "own"}])
    stacks.create({"Bucket": own}, Tags=tags)
    found = stacks.client("s3").get_bucket_tagging(Bucket="dv-tagged")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in found} == {"team": "data", "env": "own"}


def test_dynamic_references_are_what_they_stand_for(stacks: Stacks) -> None:
    secrets, ssm = stacks.client("secretsmanager"), stacks.client("ssm")
    secret = secrets.create_secret(Name="dv-dynamic", SecretString='{"user": "boss", "password": "p"}')["ARN"]
    ssm.put_parameter(Name="dv-plain", Value="plain", Type="String")
    ssm.put_parameter(Name="dv-secure", Value="secure", Type="SecureString")
    texts = {
        "Plain": "{{resolve:ssm:dv-plain:1}}",
        "Secure": "{{resolve:ssm-secure:dv-secure}}",
        "Whole": "{{resolve:secretsmanager:dv-dynamic}}",
        "Key": "{{resolve:secretsmanager:dv-dynamic:SecretString:user}}",
        "Arn": "postgresql://u:{{resolve:secretsmanager:" + secret + ":SecretString:password:AWSCURRENT}}@h/d",
    }
    stacks.create({name: parameter(text, f"/dynamic/{name}") for name, text in texts.items()})
    found = {name: ssm.get_parameter(Name=f"/dynamic/{name}")["Parameter"]["Value"] for name in texts}
    assert found == {
        "Plain": "plain",
        "Secure": "secure",
        "Whole": '{"user": "boss", "password": "p"}',
        "Key": "boss",
        "Arn": "postgresql://u:p@h/d",
    }


def test_what_a_condition_leaves_out_of_a_list_is_not_in_it(stacks: Stacks) -> None:
    """CloudFormation user guide, "Pseudo parameters reference", `AWS::NoValue`."""
    left_out = {"Fn::If": ["Wanted", {"Key": "a", "Value": "1"}, {"Ref": "AWS::NoValue"}]}
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"Tags": [left_out, {"Key": "b", "Value": "2"}]}}
    stacks.create({"Bucket": bucket}, Conditions={"Wanted": {"Fn::Equals": ["a", "b"]}})
    assert stacks.settled() == "CREATE_COMPLETE"
    (found,) = stacks.api.describe_stack_resources(StackName=stacks.name)["StackResources"]
    tags = stacks.client("s3").get_bucket_tagging(Bucket=found["PhysicalResourceId"])["TagSet"]
    assert {"Key": "b", "Value": "2"} in tags
    assert "a" not in {tag["Key"] for tag in tags}


def test_a_dynamic_reference_to_nothing_fails_its_stack(stacks: Stacks) -> None:
    stacks.create({"Text": parameter("{{resolve:secretsmanager:dv-nowhere:SecretString:user}}")})
    assert stacks.status() == "ROLLBACK_COMPLETE"
    assert "Secrets Manager can't find the specified secret" in stacks.failures()["Text"]


@pytest.mark.slow
def test_a_generated_secret_is_as_its_template_says_and_the_same_after_a_restart(tmp_path: Path) -> None:
    def read(cloud: FargateLocal) -> str:
        client = boto3.client("secretsmanager", **cloud.client_args)
        return str(client.get_secret_value(SecretId="beside")["SecretString"])

    with FargateLocal(state_dir=tmp_path) as cloud:
        stacks = Stacks(cloud)
        place = stacks.place()
        stacks.create(beside_ecs.resources(*place))
        value = json.loads(read(cloud))
        assert value["username"] == "boss"
        assert len(value["password"]) == 24
        assert not set(value["password"]) & set('"@/\\')
        ids, text = stacks.ids(), read(cloud)
    with FargateLocal(state_dir=tmp_path) as cloud:
        again = Stacks(cloud)
        assert (again.status(), again.ids(), read(cloud)) == ("CREATE_COMPLETE", ids, text)
        again.update({"Text": parameter("x")})
        assert again.status() == "UPDATE_COMPLETE"
        assert beside_ecs.left(again.client) == {}


@pytest.mark.slow
def test_a_change_set_makes_a_stack_whole_as_the_aws_cli_deploys_it(stacks: Stacks, tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    environment = {**os.environ, **stacks.cloud.environment}

    def deploy(resources: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        template.write_text(json.dumps({"Resources": resources}))
        arguments = ("--template-file", str(template), "--stack-name", stacks.name)
        command = ["aws", "cloudformation", "deploy", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    policy = {"Bucket": {"Ref": "One"}, "PolicyDocument": beside_ecs.statement("s3:GetObject", "*")}
    first = {"One": bucket("dv-cli"), "Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": policy}}
    assert deploy(first).returncode == 0
    assert stacks.client("s3").get_bucket_policy(Bucket="dv-cli")["Policy"]
    failed = deploy({**first, "Last": {**NOBODYS, "DependsOn": "One"}})
    assert failed.returncode != 0
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE"


def test_two_stacks_cannot_export_one_name(stacks: Stacks) -> None:
    outputs = {"Out": {"Value": "x", "Export": {"Name": "dv-export"}}}
    stacks.create({"Text": parameter("x")}, Outputs=outputs)
    other = Stacks(stacks.cloud, f"{stacks.name}-other")
    other.create({"Text": parameter("x", "/stacks/other")}, Outputs=outputs)
    assert other.status() == "ROLLBACK_COMPLETE"
    assert other.ids() == {}
    exported = {each["Name"]: each["ExportingStackId"] for each in stacks.api.list_exports()["Exports"]}
    assert f"/{stacks.name}/" in exported["dv-export"]


def service_template(
    ecs: Ecs, command: str, *, subnet: Any = None, breaker: bool = True, **definition: Any
) -> dict[str, Any]:
    container = {"Name": "app", "Image": "host", "Command": ["sh", "-c", command]}
    made = {
        "Family": "of-a-stack",
        "Cpu": "256",
        "Memory": "512",
        "NetworkMode": "awsvpc",
        "RequiresCompatibilities": ["FARGATE"],
        "ContainerDefinitions": [container],
        **definition,
    }
    service = {
        "ServiceName": "of-a-stack",
        "Cluster": ecs.cluster,
        "TaskDefinition": {"Ref": "Definition"},
        "DesiredCount": 1,
        "LaunchType": "FARGATE",
        "DeploymentConfiguration": {"DeploymentCircuitBreaker": {"Enable": breaker, "Rollback": True}},
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [subnet or ecs.subnet]}},
    }
    return {
        "Definition": {"Type": "AWS::ECS::TaskDefinition", "Properties": made},
        "Service": {"Type": "AWS::ECS::Service", "Properties": service},
        "After": parameter({"Fn::GetAtt": ["Service", "Name"]}, "/stacks/after"),
    }


@pytest.fixture(scope="module")
def ecs(cloud: FargateLocal) -> Ecs:
    return Ecs(cloud, "stacks")


def test_a_stack_waits_for_its_service_and_what_needs_it_comes_after(stacks: Stacks, ecs: Ecs) -> None:
    stacks.create(service_template(ecs, SLEEP))
    assert stacks.status() == "CREATE_IN_PROGRESS"
    assert set(stacks.ids()) == {"Definition", "Service"}
    with pytest.raises(ClientError, match="CREATE_IN_PROGRESS state and can not be updated"):
        stacks.update({})
    stacks.api.get_waiter("stack_create_complete").wait(StackName=stacks.name, WaiterConfig={"Delay": 1})
    (service,) = ecs.api.describe_services(cluster=ecs.cluster, services=["of-a-stack"])["services"]
    assert (service["runningCount"], service["deployments"][0]["rolloutState"]) == (1, "COMPLETED")
    assert "After" in stacks.ids()

    stacks.update(service_template(ecs, "exit 3"))
    assert stacks.settled() == "UPDATE_ROLLBACK_COMPLETE"
    assert "ECS Deployment Circuit Breaker was triggered" in stacks.failures()["Service"]
    (service,) = ecs.api.describe_services(cluster=ecs.cluster, services=["of-a-stack"])["services"]
    assert service["taskDefinition"] == stacks.ids()["Definition"]


def test_a_service_whose_tasks_do_not_stay_fails_its_stack(stacks: Stacks, ecs: Ecs) -> None:
    stacks.create(service_template(ecs, "exit 3"))
    with pytest.raises(WaiterError):
        stacks.api.get_waiter("stack_create_complete").wait(StackName=stacks.name, WaiterConfig={"Delay": 1})
    assert stacks.status() == "ROLLBACK_COMPLETE"
    assert "ECS Deployment Circuit Breaker was triggered" in stacks.failures()["Service"]


def test_a_service_that_ecs_refuses_fails_its_stack_in_ecs_words(stacks: Stacks, ecs: Ecs) -> None:
    stacks.create(service_template(ecs, SLEEP, subnet="subnet-nowhere"))
    assert stacks.settled() == "ROLLBACK_COMPLETE"
    assert "The subnet ID 'subnet-nowhere' does not exist" in stacks.failures()["Service"]


def test_a_definition_that_ecs_refuses_fails_its_stack_in_ecs_words(stacks: Stacks, ecs: Ecs) -> None:
    stacks.create(service_template(ecs, SLEEP, Memory="700"))
    assert stacks.status() == "ROLLBACK_COMPLETE"
    assert "No Fargate configuration exists for given values" in stacks.failures()["Definition"]


@pytest.mark.slow
def test_a_stack_in_progress_goes_on_after_a_restart(tmp_path: Path) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        ecs, stacks = Ecs(cloud, "stacks"), Stacks(cloud)
        cloud.add_fault("stuck", action="RunTask", state="PENDING", seconds=3600)
        stacks.create(service_template(ecs, SLEEP, breaker=False))
        ecs.api.describe_services(cluster="stacks", services=["of-a-stack"])
        assert stacks.status() == "CREATE_IN_PROGRESS"
    with FargateLocal(state_dir=tmp_path) as cloud:
        assert Stacks(cloud).settled() == "CREATE_COMPLETE"


def test_whatever_takes_tags_of_its_stack_takes_others_without_being_replaced() -> None:
    for kind in catalogue(lambda _: None).values():
        if isinstance(kind, Kind) and kind.tags:
            assert kind.retags or "Tags" in kind.applied | kind.on_update, kind.type


def test_a_stack_in_a_stack_is_waited_for_and_fails_the_one_around_it(stacks: Stacks, ecs: Ecs) -> None:
    s3 = stacks.client("s3")
    s3.create_bucket(Bucket="dv-templates")

    def around(resources: dict[str, Any]) -> dict[str, Any]:
        s3.put_object(Bucket="dv-templates", Key="inner.json", Body=json.dumps({"Resources": resources}))
        url = "https://dv-templates.s3.amazonaws.com/inner.json"
        return {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}}

    stacks.create(around(service_template(ecs, SLEEP)))
    assert stacks.status() == "CREATE_IN_PROGRESS"
    assert stacks.settled() == "CREATE_COMPLETE"
    stacks.api.delete_stack(StackName=stacks.name)
    stacks.create(around({"One": bucket("dv-inner"), "Last": {**NOBODYS, "DependsOn": "One"}}))
    assert stacks.status() == "ROLLBACK_COMPLETE"
    assert "was not successfully created" in stacks.failures()["Inner"]
    assert "dv-inner" not in {each["Name"] for each in s3.list_buckets()["Buckets"]}
    stacks.api.delete_stack(StackName=stacks.name)
    stacks.create(around(service_template(ecs, "exit 3")))
    assert stacks.settled() == "ROLLBACK_COMPLETE"
    assert "was not successfully created" in stacks.failures()["Inner"]


def role(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": beside_ecs.TRUST, **properties}}


@pytest.mark.parametrize(
    ("more", "given", "lacking"),
    [
        ({"Resources": {"Role": role()}}, [], "CAPABILITY_IAM"),
        ({"Resources": {"Role": role(RoleName="dv-named")}}, ["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM"),
        ({"Resources": {"One": bucket()}, "Transform": "AWS::Include"}, [], "CAPABILITY_AUTO_EXPAND"),
        ({"Resources": {"Role": role()}, "Transform": ["Own"]}, [], "CAPABILITY_IAM, CAPABILITY_AUTO_EXPAND"),
    ],
)
def test_what_a_template_may_do_beyond_resources_has_to_be_acknowledged(
    stacks: Stacks, more: dict[str, Any], given: list[str], lacking: str
) -> None:
    """API reference, CreateStack, Capabilities; github.com/envato/stack_master/issues/138 has the words."""
    refused = refusal(stacks.create, resources=more.pop("Resources"), Capabilities=given, **more)
    assert refused == ("InsufficientCapabilitiesException", 400, f"Requires capabilities : [{lacking}]")


def test_an_update_and_a_change_set_ask_for_capabilities_too_and_show_those_given(stacks: Stacks) -> None:
    stacks.create({"Text": parameter("x")}, Capabilities=[])
    body = json.dumps({"Resources": {"Text": parameter("x"), "Role": role()}})
    about = {"StackName": stacks.name, "TemplateBody": body}
    for call, more in (
        (stacks.api.update_stack, {}),
        (stacks.api.create_change_set, {"ChangeSetName": "c", "ChangeSetType": "UPDATE"}),
    ):
        assert refusal(call, **about, **more)[2] == "Requires capabilities : [CAPABILITY_IAM]"
    stacks.api.update_stack(**about, Capabilities=["CAPABILITY_IAM"])
    assert stacks.api.describe_stacks(StackName=stacks.name)["Stacks"][0]["Capabilities"] == ["CAPABILITY_IAM"]
    summary = stacks.api.get_template_summary(TemplateBody=body)
    assert summary["Capabilities"] == ["CAPABILITY_IAM"]
    assert summary["CapabilitiesReason"] == "The following resource(s) require capabilities: [AWS::IAM::Role]"


def test_what_a_failed_change_had_done_already_is_undone(stacks: Stacks) -> None:
    stacks.create({"Role": role(Description="first")})
    nobodys = "arn:aws:iam::123456789012:policy/nobodys"
    stacks.update({"Role": role(Description="second", ManagedPolicyArns=[nobodys])})
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE"
    found = stacks.client("iam").get_role(RoleName=stacks.ids()["Role"])["Role"]
    assert found["Description"] == "first"


def test_a_change_that_failed_between_two_calls_is_undone_as_far_as_it_came(stacks: Stacks) -> None:
    stacks.create({"Bucket": bucket("dv-between", VersioningConfiguration={"Status": "Enabled"})})
    wrong = {"Rules": [{"Status": "Enabled", "NoSuchThing": 1}]}
    suspended = {"VersioningConfiguration": {"Status": "Suspended"}, "LifecycleConfiguration": wrong}
    stacks.update({"Bucket": bucket("dv-between", **suspended)})
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE", stacks.failures()
    assert stacks.client("s3").get_bucket_versioning(Bucket="dv-between")["Status"] == "Enabled"


def repository(mutability: str) -> dict[str, Any]:
    properties = {"RepositoryName": "dv-lost", "ImageTagMutability": mutability}
    return {"Type": "AWS::ECR::Repository", "Properties": properties}


def test_a_rollback_that_fails_is_continued_once_its_hindrance_is_gone(stacks: Stacks) -> None:
    ecr = stacks.client("ecr")
    stacks.create({"Text": parameter("first"), "Lost": repository("MUTABLE")})
    ecr.delete_repository(repositoryName="dv-lost")
    stacks.update({"Text": parameter("second"), "Lost": {**repository("IMMUTABLE"), "DependsOn": "Text"}})
    assert stacks.status() == "UPDATE_ROLLBACK_FAILED"
    assert "RepositoryNotFoundException" in stacks.failures()["Lost"]
    assert stacks.client("ssm").get_parameter(Name="/stacks/one")["Parameter"]["Value"] == "first"
    stacks.api.continue_update_rollback(StackName=stacks.name)
    assert stacks.status() == "UPDATE_ROLLBACK_FAILED"
    ecr.create_repository(repositoryName="dv-lost", imageTagMutability="IMMUTABLE")
    stacks.api.continue_update_rollback(StackName=stacks.name)
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE"
    found = ecr.describe_repositories(repositoryNames=["dv-lost"])["repositories"][0]
    assert found["imageTagMutability"] == "MUTABLE"
    words = refusal(stacks.api.continue_update_rollback, StackName=stacks.name)[2]
    assert words.endswith("is in UPDATE_ROLLBACK_COMPLETE state and can not continue its rollback")


def test_a_rollback_is_continued_without_the_resources_that_hinder_it(stacks: Stacks) -> None:
    stacks.create({"Text": parameter("first"), "Lost": repository("MUTABLE")})
    stacks.client("ecr").delete_repository(repositoryName="dv-lost")
    stacks.update({"Text": parameter("first"), "Lost": repository("IMMUTABLE")})
    skipping = {"StackName": stacks.name, "ResourcesToSkip": ["Text"]}
    assert "not in UPDATE_FAILED state" in refusal(stacks.api.continue_update_rollback, **skipping)[2]
    stacks.api.continue_update_rollback(StackName=stacks.name, ResourcesToSkip=["Lost"])
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE"


def test_a_failed_update_that_was_not_to_be_rolled_back_is_when_somebody_asks(stacks: Stacks) -> None:
    stacks.create({"Text": parameter("first")})
    stacks.update({"Text": parameter("second"), "Last": {**NOBODYS, "DependsOn": "Text"}}, DisableRollback=True)
    assert stacks.status() == "UPDATE_FAILED"
    ssm = stacks.client("ssm")
    assert ssm.get_parameter(Name="/stacks/one")["Parameter"]["Value"] == "second"
    stacks.api.rollback_stack(StackName=stacks.name)
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert ssm.get_parameter(Name="/stacks/one")["Parameter"]["Value"] == "first"
    assert "can not be rolled back" in refusal(stacks.api.rollback_stack, StackName=stacks.name)[2]


def test_a_failed_creation_that_was_not_to_be_rolled_back_is_when_somebody_asks(stacks: Stacks) -> None:
    stacks.create({"One": bucket("dv-asked"), "Last": {**NOBODYS, "DependsOn": "One"}}, DisableRollback=True)
    stacks.api.rollback_stack(StackName=stacks.name)
    assert (stacks.status(), stacks.ids()) == ("ROLLBACK_COMPLETE", {})


@pytest.mark.parametrize(
    ("options", "status"), [({}, "ROLLBACK_COMPLETE"), ({"OnStackFailure": "DO_NOTHING"}, "CREATE_FAILED")]
)
def test_a_change_set_says_what_becomes_of_a_stack_that_fails(
    stacks: Stacks, options: dict[str, str], status: str
) -> None:
    about = {"StackName": stacks.name, "ChangeSetName": "c"}
    body = json.dumps({"Resources": {"Last": NOBODYS}})
    stacks.api.create_change_set(**about, ChangeSetType="CREATE", TemplateBody=body, **options)
    stacks.api.execute_change_set(**about)
    assert stacks.status() == status
