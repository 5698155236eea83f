"""Drift: CloudFormation compares its stacks with what there is, property by property."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.fargate_local.test_stacks import NOBODYS, Stacks, bucket, parameter
from tests.support import beside_ecs
from tests.support.cloud import refusal

from fargate_local import FargateLocal


@pytest.fixture
def stacks(cloud: FargateLocal, request: pytest.FixtureRequest) -> Iterator[Stacks]:
    made = Stacks(cloud, f"s{abs(hash(request.node.name))}")
    yield made
    made.api.delete_stack(StackName=made.name)


@pytest.fixture(scope="module")
def beside(cloud: FargateLocal) -> Iterator[Stacks]:
    """A stack with the types of resources that people deploy beside ECS."""
    made = Stacks(cloud, "beside")
    made.create(beside_ecs.resources(*made.place()))
    assert made.settled() == "CREATE_COMPLETE", made.failures()
    yield made
    made.api.delete_stack(StackName="beside")


def drifts(stacks: Stacks) -> dict[str, Any]:
    """What differs, by logical id."""
    stacks.api.detect_stack_drift(StackName=stacks.name)
    found = stacks.api.describe_stack_resource_drifts(
        StackName=stacks.name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
    )["StackResourceDrifts"]
    return {
        each["LogicalResourceId"]: [
            (item["PropertyPath"], item["DifferenceType"], item["ExpectedValue"], item["ActualValue"])
            for item in each["PropertyDifferences"]
        ]
        or each["StackResourceDriftStatus"]
        for each in found
    }


def test_a_stack_that_nobody_touched_has_not_drifted(beside: Stacks) -> None:
    assert drifts(beside) == {}


Change = Callable[[Stacks], Any]


def set_queue(stacks: Stacks) -> None:
    sqs = stacks.client("sqs")
    url = sqs.get_queue_url(QueueName="beside")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77"})


def tag_logs(stacks: Stacks) -> None:
    stacks.client("logs").put_retention_policy(logGroupName="/beside", retentionInDays=1)


def open_group(stacks: Stacks) -> None:
    stacks.client("ec2").authorize_security_group_ingress(
        GroupId=stacks.ids()["Group"],
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    )


def let_in(stacks: Stacks) -> None:
    document = json.dumps(beside_ecs.TRUST).replace("ecs-tasks", "lambda")
    stacks.client("iam").update_assume_role_policy(RoleName="beside", PolicyDocument=document)


def detach(stacks: Stacks) -> None:
    stacks.client("iam").detach_role_policy(RoleName="beside", PolicyArn=stacks.ids()["Managed"])


def allow_more(stacks: Stacks) -> None:
    document = beside_ecs.policy("first")
    document["Statement"][0]["Condition"] = {"Bool": {"aws:SecureTransport": "true"}}
    arn = stacks.ids()["Managed"]
    stacks.client("iam").create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)


@pytest.mark.parametrize(
    ("change", "drifted"),
    [
        (set_queue, {"Queue": [("/VisibilityTimeout", "NOT_EQUAL", "10", "77")]}),
        (tag_logs, {"Logs": [("/RetentionInDays", "NOT_EQUAL", "7", "1")]}),
        (
            open_group,
            {
                "Group": [
                    (
                        "/SecurityGroupIngress/1",
                        "ADD",
                        "null",
                        '{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}',
                    )
                ]
            },
        ),
        (
            let_in,
            {
                "Role": [
                    (
                        "/AssumeRolePolicyDocument/Statement/0/Principal/Service",
                        "NOT_EQUAL",
                        "ecs-tasks.amazonaws.com",
                        "lambda.amazonaws.com",
                    )
                ]
            },
        ),
        (
            allow_more,
            {
                "Managed": [
                    (
                        "/PolicyDocument/Statement/0/Condition",
                        "ADD",
                        "null",
                        '{"Bool": {"aws:SecureTransport": "true"}}',
                    )
                ]
            },
        ),
        (lambda stacks: stacks.client("ssm").delete_parameter(Name="/beside/one"), {"Parameter": "DELETED"}),
        (lambda stacks: stacks.client("events").disable_rule(Name="beside", EventBusName="beside"), {}),
    ],
)
def test_what_was_changed_by_hand_is_told_and_what_the_template_does_not_say_is_not(
    beside: Stacks, change: Change, drifted: dict[str, Any]
) -> None:
    """User guide, "Detect unmanaged configuration changes": only properties that the template sets are compared."""
    before = drifts(beside)
    change(beside)
    assert drifts(beside) == {**before, **drifted}


def test_services_their_tags_and_what_belongs_to_others_are_compared_too(stacks: Stacks) -> None:
    _, vpc = stacks.place()
    resources = {
        "Bucket": bucket(
            None,
            VersioningConfiguration={"Status": "Enabled"},
            Tags=[{"Key": "team", "Value": "data"}],
            LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ExpirationInDays": 7}]},
        ),
        "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "x", "VpcId": vpc,
                  "SecurityGroupIngress": [rule(80)]}},
        "Apart": {"Type": "AWS::EC2::SecurityGroupIngress",
                  "Properties": {"GroupId": {"Fn::GetAtt": ["Group", "GroupId"]}, **rule(443)}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": beside_ecs.TRUST,
                 "Policies": [{"PolicyName": "own", "PolicyDocument": beside_ecs.policy("own")}]}},
        "Policy": {"Type": "AWS::IAM::Policy", "Properties": {"PolicyName": "apart", "Roles": [{"Ref": "Role"}],
                   "PolicyDocument": beside_ecs.policy("apart")}},
    }  # fmt: skip
    stacks.create(resources)
    assert drifts(stacks) == {}, "a rule and a policy of their own belong to what they are rules and policies of"
    s3, ids = stacks.client("s3"), stacks.ids()
    s3.put_bucket_versioning(Bucket=ids["Bucket"], VersioningConfiguration={"Status": "Suspended"})
    s3.delete_bucket_lifecycle(Bucket=ids["Bucket"])
    s3.put_bucket_tagging(Bucket=ids["Bucket"], Tagging={"TagSet": [{"Key": "team", "Value": "web"}]})
    stacks.client("iam").delete_role_policy(RoleName=ids["Role"], PolicyName="apart")
    found = drifts(stacks)
    assert {(path, kind) for path, kind, *_ in found.pop("Bucket")} == {
        ("/VersioningConfiguration/Status", "NOT_EQUAL"),
        ("/LifecycleConfiguration", "REMOVE"),
        ("/Tags/0/Value", "NOT_EQUAL"),
    }
    assert found == {"Policy": "DELETED"}


def rule(port: int) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": "10.0.0.0/8"}


def test_a_service_of_ecs_is_compared_with_what_runs(stacks: Stacks) -> None:
    stacks.create({"Service": service(stacks, 0)})
    assert stacks.settled() == "CREATE_COMPLETE", stacks.failures()
    assert drifts(stacks) == {}
    arn = stacks.ids()["Service"]
    stacks.client("ecs").update_service(cluster="default", service=arn, enableExecuteCommand=False, desiredCount=1)
    assert drifts(stacks) == {"Service": [("/DesiredCount", "NOT_EQUAL", "0", "1")]}
    stacks.client("ecs").delete_service(cluster="default", service=arn, force=True)
    assert drifts(stacks) == {"Service": "DELETED"}


def test_a_schedule_is_looked_for_in_its_group(stacks: Stacks) -> None:
    target = {"Arn": "arn:aws:sqs:us-east-1:123456789012:drift", "RoleArn": "arn:aws:iam::123456789012:role/drift"}
    properties = {"Name": "drift", "GroupName": {"Ref": "Group"}, "ScheduleExpression": "rate(1 day)",
                  "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}  # fmt: skip
    stacks.create({
        "Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "drift"}},
        "Schedule": {"Type": "AWS::Scheduler::Schedule", "Properties": properties},
    })  # fmt: skip
    assert drifts(stacks) == {}
    scheduler = stacks.client("scheduler")
    named = {"Name": "drift", "GroupName": "drift"}
    changed = {"FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target, "ScheduleExpression": "rate(2 days)"}
    scheduler.update_schedule(**named, **changed)
    assert drifts(stacks) == {"Schedule": [("/ScheduleExpression", "NOT_EQUAL", "rate(1 day)", "rate(2 days)")]}
    scheduler.delete_schedule(**named)
    assert drifts(stacks) == {"Schedule": "DELETED"}


def service(stacks: Stacks, count: int) -> dict[str, Any]:
    ecs, (subnet, _) = stacks.client("ecs"), stacks.place()
    ecs.create_cluster(clusterName="default")
    container = {"name": "app", "image": "host", "command": ["sleep", "600"]}
    definition = ecs.register_task_definition(
        family="drifting", requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512",
        containerDefinitions=[container],
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    network = {"AwsvpcConfiguration": {"Subnets": [subnet], "AssignPublicIp": "DISABLED"}}
    properties = {"Cluster": "default", "TaskDefinition": definition, "DesiredCount": count, "LaunchType": "FARGATE",
                  "NetworkConfiguration": network}  # fmt: skip
    return {"Type": "AWS::ECS::Service", "Properties": properties}


def test_one_resource_is_compared_alone_and_says_what_it_should_be_and_what_it_is(stacks: Stacks) -> None:
    stacks.create({"Text": parameter("first", "/drift/one")})
    stacks.client("ssm").put_parameter(Name="/drift/one", Value="second", Overwrite=True)
    which = {"StackName": stacks.name, "LogicalResourceId": "Text"}
    drift = stacks.api.detect_stack_resource_drift(**which)["StackResourceDrift"]
    assert drift["StackResourceDriftStatus"] == "MODIFIED"
    assert json.loads(drift["ExpectedProperties"])["Value"] == "first"
    assert json.loads(drift["ActualProperties"])["Value"] == "second"
    missing = refusal(stacks.api.detect_stack_resource_drift, StackName=stacks.name, LogicalResourceId="Nobody")
    assert missing == ("ValidationError", 400, f"Resource Nobody does not exist for stack {stacks.name}")


def test_a_stack_tells_whether_it_drifted_and_types_that_cannot_be_read_are_not_checked(stacks: Stacks) -> None:
    stacks.create(
        {"Text": parameter("first", "/drift/two"), "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
    )
    told = stacks.api.describe_stacks(StackName=stacks.name)["Stacks"][0]["DriftInformation"]
    assert told["StackDriftStatus"] == "NOT_CHECKED"
    stacks.client("ssm").delete_parameter(Name="/drift/two")
    detection = stacks.api.detect_stack_drift(StackName=stacks.name)["StackDriftDetectionId"]
    outcome = stacks.api.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
    assert (outcome["StackDriftStatus"], outcome["DriftedStackResourceCount"]) == ("DRIFTED", 1)
    told = stacks.api.describe_stacks(StackName=stacks.name)["Stacks"][0]["DriftInformation"]
    assert told["StackDriftStatus"] == "DRIFTED"
    each = stacks.api.describe_stack_resources(StackName=stacks.name)["StackResources"]
    statuses = {one["LogicalResourceId"]: one["DriftInformation"]["StackResourceDriftStatus"] for one in each}
    assert statuses == {"Text": "DELETED", "Handle": "NOT_CHECKED"}
    assert refusal(stacks.api.describe_stack_drift_detection_status, StackDriftDetectionId="x" * 36)[1] == 400


def test_a_stack_that_failed_is_not_compared(stacks: Stacks) -> None:
    stacks.create({"Last": NOBODYS})
    name, status, words = refusal(stacks.api.detect_stack_drift, StackName=stacks.name)
    assert (name, status) == ("ValidationError", 400)
    assert words.endswith("in ROLLBACK_COMPLETE state")
